from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import BadEvent, UnknownMajorVersion, dumps
from schemas.label import Label, parse_label, replaces
from schemas.offer import Offer
from tests.labels import label, label_record

A, B = (Offer(offer_id=str(n), source="s", title=f"camera {n}") for n in (1, 2))


def test_a_label_of_before_is_a_persons() -> None:
    old = {name: value for name, value in orjson.loads(dumps(label(A, B, "match"))).items() if name not in ("by",)}
    assert parse_label(b"s:1#s:2", orjson.dumps(old)) == label(A, B, "match")
    assert parse_label(b"s:1#s:2", orjson.dumps(old)).by == "person"


def test_it_is_read_as_it_was_written() -> None:
    said = label(A, B, "no_match", by="teacher", sentence="Two cameras.", attributes={"product": "different"})
    assert parse_label(*label_record(said)) == said


@pytest.mark.parametrize(
    ("key", "changes", "reason"),
    [
        (b"s:1#s:3", {}, "bad_key"),
        (None, {}, "bad_key"),
        (b"\xff", {}, "bad_key"),
        (b"s:2#s:1", {"pair_id": "s:2#s:1"}, "bad_value"),
        (b"s:1", {"pair_id": "s:1"}, "bad_value"),
        (b"x#y", {"pair_id": "x#y"}, "bad_value"),
        (b"s:1#s:2", {"verdict": None}, "wrong_type"),
        (b"s:1#s:2", {"verdict": "perhaps"}, "bad_value"),
        (b"s:1#s:2", {"label_id": ""}, "empty_id"),
        (b"s:1#s:2", {"labeled_at": "2026-11-23T12:00:00"}, "bad_value"),
    ],
)
def test_what_is_refused(key: bytes | None, changes: dict[str, object], reason: str) -> None:
    data = {**orjson.loads(dumps(label(A, B, "match"))), **changes}
    with pytest.raises(BadEvent) as refused:
        parse_label(key, orjson.dumps(data))
    assert refused.value.reason == reason


@pytest.mark.parametrize("value", [None, b"", b"[]", b"{", b"\xff", b"1" * 2_000_000])
def test_bytes_that_are_no_label(value: bytes | None) -> None:
    with pytest.raises(BadEvent):
        parse_label(b"s:1#s:2", value)


def test_an_unknown_major_version_is_not_guessed_at() -> None:
    with pytest.raises(UnknownMajorVersion):
        parse_label(b"s:1#s:2", b'{"schema_version": "2.0"}')


said = st.builds(lambda by: label(A, B, "match", by=by), st.sampled_from(["person", "teacher"]))


@given(st.lists(said, min_size=2, max_size=4), st.permutations(range(4)))
def test_a_persons_word_is_never_replaced_by_the_teachers_and_the_order_of_arrival_is_nothing(
    labels: list[Label], order: list[int]
) -> None:
    arrivals = [place for place in order if place < len(labels)]
    held = arrivals[0]
    for place in arrivals[1:]:
        if replaces(labels[place], place, labels[held], held):
            held = place
    by_people = [place for place, each in enumerate(labels) if each.by == "person"]
    assert held == max(by_people or range(len(labels)))


@given(said, said)
def test_of_two_labels_exactly_one_counts(a: Label, b: Label) -> None:
    assert replaces(a, 1, b, 2) != replaces(b, 2, a, 1)
