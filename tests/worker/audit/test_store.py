"""What is put into a store comes out of it, from every kind of place."""

from __future__ import annotations

import pytest

from schemas.events import dumps
from tests.worker.audit.making import (
    decision_record,
    fill,
    fill_pairs,
    judged,
    offer,
)
from worker.audit.errors import ForeignTopic, NoStore, StoreChanged
from worker.audit.store import AuditStore, decision_of
from worker.audit.tables import DECISIONS
from worker.stream.records import Record


def test_decisions_come_back_as_they_were_published(any_store: AuditStore) -> None:
    made = fill_pairs(any_store, 20, files=4, versions=2)
    assert sorted(any_store.events()) == sorted(map(dumps, made))
    assert sorted(map(dumps, any_store.decisions("first_key = 'a:3' AND first_version = 2"))) == [
        dumps(each) for each in made if each.first.key == "a:3" and each.first.effective_version == 2
    ]
    found = [decision_of(row) for row in any_store.pair("a:3#b:3")]
    assert sorted(map(dumps, found)) == sorted(dumps(each) for each in made if each.pair_id == "a:3#b:3")
    assert any_store.end(DECISIONS, 0) == len(made)


def test_what_does_not_count_is_not_read(any_store: AuditStore) -> None:
    made = fill_pairs(any_store, 20, files=4)
    fill(any_store, DECISIONS, [decision_record(made[n], n) for n in range(5, 13)], start=5)
    fill(any_store, DECISIONS, [decision_record(made[n], 40 + n) for n in range(3)], start=40)
    assert sorted(any_store.events()) == sorted(map(dumps, made))
    assert any_store.end(DECISIONS, 0) == 20


def test_unreadable_records_are_kept_raw_with_their_reason(any_store: AuditStore) -> None:
    good = judged(offer(1, "a"), offer(1, "b"))
    newer = dumps(good).replace(b'"schema_version":"1.0"', b'"schema_version":"2.0"')
    bad = [b"\xff not json", b'{"verdict": "match"}', newer, None]
    records = [Record("t", 0, n, b"a:1#b:1", value) for n, value in enumerate(bad)]
    fill(any_store, DECISIONS, [*records, decision_record(good, 4)])
    assert list(any_store.events()) == [dumps(good)]
    rows = sorted(any_store.rows(DECISIONS, "unreadable IS NOT NULL"), key=lambda row: row["offset"])
    assert [row["raw"] for row in rows] == bad
    reasons = [row["unreadable"].partition(":")[0] for row in rows]
    assert reasons == ["invalid", "invalid", "unknown_major_version", "no_value"]


def test_a_stream_goes_on_when_files_are_replaced_under_it(store: AuditStore) -> None:
    made = fill_pairs(store, 30, files=3, versions=2)
    stream = store.stream(DECISIONS)
    seen = [next(stream)["offset"] for _ in range(7)]
    rows = [DECISIONS.row(decision_record(each, n)) for n, each in enumerate(made)]
    store.append(DECISIONS, 0, 0, len(made), rows)
    for segment in store.segments(DECISIONS, 0):
        if segment.width < len(made):
            store.folder.remove(f"decisions/p0000/{segment.name}")
    seen += [row["offset"] for row in stream]
    assert sorted(seen) == list(range(len(made)))


def test_a_store_whose_files_are_gone_says_so(store: AuditStore) -> None:
    fill_pairs(store, 3)
    listed = store.all_files(DECISIONS)
    store.folder.remove(listed[0])
    store.all_files = lambda table, key=None: listed  # type: ignore[method-assign]
    with pytest.raises(StoreChanged, match="vanish"):
        store.pair("a:1#b:1")


def test_a_topic_made_anew_is_refused(any_store: AuditStore) -> None:
    any_store.claim({"match.labels": "id2"})
    assert any_store.info().topics == {"match.decisions": "id1", "match.labels": "id2"}
    with pytest.raises(ForeignTopic, match="made anew"):
        any_store.claim({"match.decisions": "id3"})


def test_no_store(tmp_path: object) -> None:
    with pytest.raises(NoStore, match="holds no audit store"):
        AuditStore(f"{tmp_path}/nothing").info()
