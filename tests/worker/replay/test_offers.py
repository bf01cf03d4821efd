"""Contents of another time."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from schemas.events import Position, dumps
from schemas.offer import Offer
from schemas.offer_record import OfferRecord
from tests.decisions import NOW
from tests.system.cluster import change_record, delete_record
from tests.worker.replay.conftest import offer
from worker.replay.offers import changed_offer, fetch, stored_offer
from worker.stream.records import Record

OLD, NEW, OTHER = offer("a:1", "old"), offer("a:1", "new"), offer("b:1", "other")


class Held:
    """A source that holds these, and knows what was erased."""

    def __init__(self, *offers: Offer, erased: Collection[str] = ()) -> None:
        self.offers = {each.digest(): each for each in offers}
        self._erased = erased
        self.asked: list[str] = []

    def get(self, digests: Collection[str]) -> Mapping[str, Offer]:
        self.asked += digests
        return {digest: self.offers[digest] for digest in digests if digest in self.offers}

    def erased(self, digests: Collection[str]) -> Collection[str]:
        return set(self._erased) & set(digests)


def test_sources_are_asked_in_turn_for_what_is_left() -> None:
    kept: list[Offer] = []
    first, second = Held(OLD), Held(OLD, NEW)
    missing = fetch([first, second], [each.digest() for each in (OLD, NEW, OTHER)] + ["deleted"], kept.extend)
    assert (missing, kept) == (1, [OLD, NEW])
    assert OLD.digest() not in second.asked


def test_what_was_erased_is_asked_of_nobody() -> None:
    kept: list[Offer] = []
    holds = Held(OLD, NEW)
    assert fetch([Held(erased=[OLD.digest()]), holds], [OLD.digest(), NEW.digest()], kept.extend) == 1
    assert kept == [NEW]
    assert OLD.digest() not in holds.asked


def test_a_content_under_a_wrong_digest_is_none() -> None:
    liar = Held()
    liar.offers = {OLD.digest(): NEW}
    kept: list[Offer] = []
    assert fetch([liar], [OLD.digest()], kept.extend) == 1
    assert kept == []


def test_the_records_of_both_topics() -> None:
    stored = OfferRecord(
        key="a:1", offer=OLD, effective_version=3, digest=OLD.digest(), indexed_at=NOW,
        source=Position(topic="t", partition=0, offset=3),
    )  # fmt: skip
    record = Record("t", 0, 3, b"a:1", dumps(stored))
    assert stored_offer(record, {OLD.digest()}) == OLD
    assert stored_offer(record, {NEW.digest()}) is None
    assert stored_offer(Record("t", 0, 3, b"a:1", None), {OLD.digest()}) is None
    assert changed_offer(Record("t", 0, 3, *change_record(OLD))) == OLD
    assert changed_offer(Record("t", 0, 3, *delete_record(OLD))) is None
    assert changed_offer(Record("t", 0, 3, b"a:1", b"no json")) is None
