"""A pair's history from a store."""

from __future__ import annotations

from datetime import timedelta

import pytest

from schemas.decision import DELETED_DIGEST
from tests.decisions import NOW, decision
from tests.worker.audit.making import decision_record, fill, judged, label_record, offer, offer_record
from worker.audit.erasing import erase
from worker.audit.history import history
from worker.audit.store import AuditStore
from worker.audit.tables import DECISIONS, LABELS, OFFERS

OLD, NEW, B = offer(1, "a"), offer(1, "a", "sony camera, pack of 2"), offer(1, "b")


def put(store: AuditStore) -> None:
    fill(store, OFFERS, [offer_record(each, n, n) for n, each in enumerate((OLD, NEW, B))])
    matched = judged(OLD, B, (1, 1), decision_id="one")
    again = judged(OLD, B, (1, 1), decision_id="one", decided_at=NOW + timedelta(seconds=5))
    rejected = judged(NEW, B, (2, 1), decision_id="two", verdict="no_match", decided_at=NOW + timedelta(seconds=9))
    late = judged(OLD, B, (1, 1), decision_id="three", deployment=4, decided_at=NOW + timedelta(seconds=20))
    fill(store, DECISIONS, [decision_record(each, n) for n, each in enumerate((matched, again, rejected, late))])
    fill(store, LABELS, [label_record(matched.pair_id, 0), label_record("x:1#y:1", 1)])


def test_in_time_with_what_stands_and_why(any_store: AuditStore) -> None:
    put(any_store)
    found = history(any_store, B.key, OLD.key)
    assert [(entry.decision.decision_id, entry.repeats) for entry in found.entries] == [
        ("one", 1), ("two", 0), ("three", 0),
    ]  # fmt: skip
    assert found.standing is not None
    assert found.standing.decision.decision_id == "two", "a late decision about an older version does not stand"
    assert [entry.over for entry in found.entries] == [
        "newer versions: a:1 at version 2 instead of 1", None, "newer versions: a:1 at version 2 instead of 1",
    ]  # fmt: skip
    assert found.contents == {each.digest(): each for each in (OLD, NEW, B)}
    assert [label.label_id for label in found.labels] == ["label0"]
    assert found.entries[0].published_at is not None


def test_a_deleted_and_an_erased_offer(store: AuditStore) -> None:
    put(store)
    gone = decision(OLD.key, B.key, "retracted", (9, 1))
    gone = gone.model_copy(update={"first": gone.first.model_copy(update={"digest": DELETED_DIGEST})})
    fill(store, DECISIONS, [decision_record(gone, 4)], start=4)
    erase(store, OLD.key, "legal", "request", NOW + timedelta(days=1), 100)
    found = history(store, OLD.key, B.key)
    assert found.standing is not None
    assert found.standing.decision.verdict == "retracted"
    assert found.erased == {OLD.digest(), NEW.digest()}
    assert found.contents == {B.digest(): B}


def test_no_decision(store: AuditStore) -> None:
    put(store)
    found = history(store, "a:1", "b:99")
    assert (found.entries, found.standing) == ([], None)


@pytest.mark.parametrize(
    ("a", "b", "words"), [("a:1", "a:1", "not compared with itself"), ("a", "b:1", "not an offer key")]
)
def test_what_is_no_pair(store: AuditStore, a: str, b: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        history(store, a, b)
