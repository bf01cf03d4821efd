from __future__ import annotations

import hashlib

import pytest

from schemas.change import CatalogChange
from schemas.deadletter import HEADER_OMITTED, MAX_DEAD_LETTER_BYTES, read_dead_letter
from schemas.events import BadEvent, Position, Reason
from schemas.topics import ANSWERS, DEAD_LETTERS, OFFERS
from tests.worker.stream.conftest import MANIFEST, NOW, POLICY, offer
from worker.blocking import Write, Written
from worker.stream.judging import Followed
from worker.stream.outputs import Outputs, upsert_outcome
from worker.stream.pairs import Basis, Member, decision
from worker.stream.records import Record

OUTPUTS = Outputs("shop.")
BASIS = Basis(MANIFEST.ref(), POLICY.resolved())


def record(value: bytes | None = b"{", key: bytes | None = b"s:1") -> Record:
    return Record("shop.catalog.changes", 3, 9, key, value, [("theirs", b"1")], 1234)


def made(verdict: str = "match") -> Followed:
    one, other = (Member(o.key, n, o.digest(), o) for n, o in enumerate((offer(1), offer(2))))
    source = Position(topic="t", partition=0, offset=1)
    each = decision(BASIS, other, one, verdict, source, NOW, decided_by="student", probability=0.5)  # type: ignore[arg-type]
    return Followed(considered=1, decisions=[each], offers={o.key: o for o in (offer(1), offer(2))})


def test_a_refused_record_is_kept_byte_for_byte_and_answered() -> None:
    result = OUTPUTS.refused(record(), BadEvent(Reason.NOT_JSON, "no"), NOW)
    letter, answer = result.outgoing
    assert (letter.topic, letter.key, letter.value) == (f"shop.{DEAD_LETTERS}", b"s:1", b"{")
    said = read_dead_letter(letter.headers)
    assert (said.reason, said.source, said.timestamp_ms) == ("not_json", record().position, 1234)
    assert (answer.topic, answer.key) == (f"shop.{ANSWERS}", b"s:1")
    assert (result.answer.outcome, result.answer.op, result.answer.reason) == ("dead_lettered", None, "not_json")


@pytest.mark.parametrize(("key", "readable"), [(None, None), (b"\xff", None), (b"s:1", "s:1")])
def test_an_answer_names_a_key_that_can_be_read(key: bytes | None, readable: str | None) -> None:
    assert OUTPUTS.refused(record(key=key), BadEvent(Reason.BAD_KEY), NOW).answer.key == readable


def test_a_value_that_no_topic_takes_is_named_by_its_hash() -> None:
    value = b"x" * (MAX_DEAD_LETTER_BYTES + 1)
    letter = OUTPUTS.refused(record(value), BadEvent(Reason.TOO_LARGE), NOW).outgoing[0]
    omitted = dict(letter.headers)[HEADER_OMITTED]
    assert letter.value == b""
    assert omitted == f"{len(value)} {hashlib.sha256(value).hexdigest()}".encode()


def test_a_valid_offer_lies_in_the_partition_of_its_change() -> None:
    change = CatalogChange(op="upsert", source="s", offer_id="1", offer=offer(1))
    written = Written("s:1", Write.CREATED, 9)
    result = OUTPUTS.upserted(record(), change, written, made(), NOW, k_requested=10, k_effective=5, lag=7)
    catalogue = next(out for out in result.outgoing if out.topic == f"shop.{OFFERS}")
    assert (catalogue.partition, catalogue.key) == (3, b"s:1")
    assert (result.answer.k_requested, result.answer.k_effective, result.answer.lag) == (10, 5, 7)
    by_key = [out.topic for out in result.outgoing if out.partition is None]
    assert by_key == ["shop.match.decisions", f"shop.{ANSWERS}"]


def test_a_doubtful_pair_is_a_review_task_too() -> None:
    change = CatalogChange(op="upsert", source="s", offer_id="2", offer=offer(2))
    written = Written("s:2", Write.CREATED, 9)
    result = OUTPUTS.upserted(record(), change, written, made("review"), NOW, k_requested=1, k_effective=1, lag=None)
    assert "shop.match.review" in [out.topic for out in result.outgoing]


def test_a_delete_is_a_tombstone_with_its_versions() -> None:
    change = CatalogChange(op="delete", source="s", offer_id="1", version=4)
    result = OUTPUTS.deleted(record(None), change, Written("s:1", Write.DELETED, 9), Followed(), NOW)
    tombstone = result.outgoing[0]
    assert (tombstone.value, tombstone.partition, tombstone.topic) == (None, 3, f"shop.{OFFERS}")
    assert [value for _, value in tombstone.headers] == [b"9", b"4"]
    assert result.answer.outcome == "deleted"


@pytest.mark.parametrize(
    ("index_only", "followed", "outcome"),
    [
        (False, Followed(), "no_candidates"),
        (False, Followed(standing_ids=["a"]), "unchanged"),
        (False, Followed(shared_ids=["a"], standing_ids=["b"]), "judged"),
        (True, Followed(), "indexed_only"),
        (True, made(), "indexed_only"),
        (False, made(), "judged"),
    ],
)
def test_outcomes_of_an_upsert(index_only: bool, followed: Followed, outcome: str) -> None:
    assert upsert_outcome(index_only, followed) == outcome
