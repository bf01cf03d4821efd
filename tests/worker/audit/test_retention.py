"""What is dropped, and what is not."""

from __future__ import annotations

from datetime import timedelta

from schemas.decision import standing
from schemas.events import dumps
from tests.decisions import NOW
from tests.worker.audit.making import decision_record, fill, fill_pairs, judged, offer, offer_record
from worker.audit.contents import Contents
from worker.audit.retention import expire
from worker.audit.store import AuditStore
from worker.audit.tables import DECISIONS, OFFERS


def test_the_standing_decision_of_each_pair_is_kept(any_store: AuditStore) -> None:
    made = fill_pairs(any_store, 10, files=3, versions=3)
    done = expire(any_store, NOW + timedelta(days=1), 100)
    assert done.decisions == 20
    assert sorted(any_store.events()) == sorted(map(dumps, standing(made).values()))
    assert any_store.end(DECISIONS, 0) == len(made), "the range is covered as before, so nothing is read again"
    assert expire(any_store, NOW + timedelta(days=1), 100).decisions == 0


def test_newer_ones_are_kept_whether_they_stand_or_not(store: AuditStore) -> None:
    made = fill_pairs(store, 5, versions=3)
    assert expire(store, NOW + timedelta(seconds=2), 100).decisions == 5
    assert sorted(store.events()) == sorted(dumps(each) for each in made if each.first.effective_version > 1)


def test_all_that_is_old_when_told_so(store: AuditStore) -> None:
    fill_pairs(store, 5, versions=3)
    assert expire(store, NOW + timedelta(seconds=3), 100, standing_too=True).decisions == 10
    assert expire(store, NOW + timedelta(days=1), 100, standing_too=True).decisions == 5
    assert list(store.events()) == []
    assert store.end(DECISIONS, 0) == 15


def test_contents_stay_as_long_as_a_kept_decision_is_about_them(any_store: AuditStore) -> None:
    a1, a2, a3, b = offer(1, "a"), offer(1, "a", "second"), offer(1, "a", "third"), offer(1, "b")
    fill(any_store, OFFERS, [offer_record(each, n, n) for n, each in enumerate((a1, a2, a3, b))])
    old, stands = judged(a1, b, (1, 1)), judged(a2, b, (2, 1))
    fill(any_store, DECISIONS, [decision_record(old, 0), decision_record(stands, 1)])
    done = expire(any_store, NOW + timedelta(days=1), 100)
    assert (done.decisions, done.offers) == (1, 1)
    kept = Contents(any_store).get([each.digest() for each in (a1, a2, a3, b)])
    assert set(kept.values()) == {a2, a3, b}, "a3 is the offer's newest"
