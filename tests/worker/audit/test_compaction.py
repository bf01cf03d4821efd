"""Merging changes the files and nothing that is read from them."""

from __future__ import annotations

import pytest

from schemas.events import dumps
from tests.worker.audit.making import decision_record, fill, fill_pairs
from worker.audit import compaction
from worker.audit.compaction import Interrupted, compact, rewrite, tidy
from worker.audit.store import AuditStore
from worker.audit.tables import DECISIONS


def files(store: AuditStore) -> list[str]:
    """Everything of the partition, folders of parts included."""
    return [
        *(f"decisions/p0000/{name}" for name in store.folder.names("decisions/p0000") if name != "parts"),
        *(f"decisions/p0000/parts/{name}" for name in store.folder.names("decisions/p0000/parts")),
    ]


def test_many_files_become_one_sorted_run_in_parts(any_store: AuditStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "SLICE", 16)
    made = fill_pairs(any_store, 60, files=12, versions=2)
    assert compact(any_store, DECISIONS, 0, fan=4, part_rows=50) == 11
    assert sorted(any_store.events()) == sorted(map(dumps, made))
    (segment,) = any_store.path(DECISIONS, 0)
    parts = any_store.parts(DECISIONS, 0, segment)
    assert parts is not None
    assert [part.rows for part in parts] == [50, 50, 20]
    assert [part.first for part in parts] == sorted(part.first for part in parts)
    assert all(part.first <= part.last for part in parts)
    assert len(any_store.files(DECISIONS, 0, segment, key="a:1#b:1")) == 1
    assert len(any_store.pair("a:1#b:1")) == 2
    assert len(files(any_store)) == 2, "the files before it are gone"


def test_new_files_are_merged_into_a_run_in_time(store: AuditStore) -> None:
    made = fill_pairs(store, 30, files=6)
    compact(store, DECISIONS, 0, fan=4, part_rows=1_000)
    for n in range(30, 60):
        fill(store, DECISIONS, [decision_record(made[n - 30], n)], start=n)
        compact(store, DECISIONS, 0, fan=4, part_rows=1_000)
    assert len(store.path(DECISIONS, 0)) < 8
    assert sorted(store.events()) == sorted(map(dumps, [*made, *made]))


def test_told_to_stop_it_leaves_everything_as_it_was(any_store: AuditStore) -> None:
    made = fill_pairs(any_store, 20, files=5)
    before = files(any_store)
    with pytest.raises(Interrupted):
        compact(any_store, DECISIONS, 0, fan=4, part_rows=7, going=lambda: False)
    assert files(any_store) == before
    assert sorted(any_store.events()) == sorted(map(dumps, made))


def test_a_death_after_the_list_and_before_the_removal_does_no_harm(
    store: AuditStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = fill_pairs(store, 20, files=4)
    with monkeypatch.context() as patched:
        patched.setattr(store.folder, "remove", lambda name: None)
        rewrite(store, DECISIONS, 0, store.path(DECISIONS, 0), part_rows=100)
    assert len(store.segments(DECISIONS, 0)) == 5
    assert sorted(store.events()) == sorted(map(dumps, made))
    tidy(store, DECISIONS, 0)
    assert len(store.segments(DECISIONS, 0)) == 1
    assert sorted(store.events()) == sorted(map(dumps, made))


def test_parts_that_nobody_refers_to_go_when_they_are_old(store: AuditStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_pairs(store, 20, files=4)
    with monkeypatch.context() as patched:
        patched.setattr(store.folder, "remove_folder", lambda name: None)
        rewrite(store, DECISIONS, 0, store.path(DECISIONS, 0), part_rows=100)
        rewrite(store, DECISIONS, 0, store.path(DECISIONS, 0), part_rows=100)
    assert len(store.folder.names("decisions/p0000/parts")) == 2
    tidy(store, DECISIONS, 0)
    assert len(store.folder.names("decisions/p0000/parts")) == 2, "they may be of a merge under way"
    tidy(store, DECISIONS, 0, now=lambda: 9e9)
    assert len(store.folder.names("decisions/p0000/parts")) == 1
    assert len(list(store.events())) == 20


def test_a_rewrite_of_the_same_range_replaces_it(any_store: AuditStore) -> None:
    made = fill_pairs(any_store, 10)
    for _ in range(3):
        rewrite(any_store, DECISIONS, 0, any_store.path(DECISIONS, 0), part_rows=4)
    assert sorted(any_store.events()) == sorted(map(dumps, made))
    assert len(files(any_store)) == 2
