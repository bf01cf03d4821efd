"""The frozen input: what stands, its canonical order, and contents."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.decision import MatchDecision, standing
from tests.decisions import decision
from tests.worker.replay.conftest import offer
from worker.replay.store import Inputs
from worker.stream.records import Record

POOL = [
    decision(a, b, verdict, versions)  # type: ignore[arg-type]
    for a, b in (("a:1", "b:1"), ("a:1", "c:1"), ("b:1", "c:1"))
    for verdict, versions in (("match", (1, 1)), ("no_match", (2, 1)), ("review", (1, 2)))
]


@settings(max_examples=30, deadline=None)
@given(st.permutations(POOL))
def test_what_stands_does_not_depend_on_the_order_of_reading(decisions: list[MatchDecision]) -> None:
    with Inputs(Path(":memory:")) as inputs, Inputs(Path(":memory:")) as sorted_ones:
        for made in decisions:
            inputs.note_standing(made)
        for made in POOL:
            sorted_ones.note_standing(made)
        assert inputs.number_pairs(every=False) == sorted_ones.number_pairs(every=False) == 3
        assert {made.pair_id: made for made in inputs.pairs(0, 9)} == standing(POOL)
        assert inputs.sha256() == sorted_ones.sha256()


def test_every_judgement_by_query_in_canonical_order() -> None:
    with Inputs(Path(":memory:")) as inputs:
        for place, made in enumerate(reversed(POOL)):
            inputs.note_found(made, f"0:{place}")
        assert inputs.number_pairs(every=True) == len(POOL)
        pairs = inputs.pairs(0, 100)
        assert [made.query_key for made in pairs] == sorted(made.query_key for made in POOL)
        assert inputs.pairs(2, 4) == pairs[2:4]
        assert inputs.has_pair("a:1#b:1")
        assert not inputs.has_pair("a:1#z:1")


def test_contents_by_digest() -> None:
    offers = [offer(f"a:{number}", f"camera {number}") for number in range(1200)]
    with Inputs(Path(":memory:")) as inputs:
        inputs.note_offers(offers)
        found = inputs.offers([*(each.digest() for each in offers), "missing"])
        assert found == {each.digest(): each for each in offers}


def test_changes_keep_the_order_of_their_partition(tmp_path: Path) -> None:
    def record(partition: int, offset: int) -> Record:
        return Record("t", partition, offset, b"k\xff", None if offset else b"v", [("h", b"1"), ("n", None)], 5)

    with Inputs(tmp_path / "inputs.sqlite") as inputs:
        for at, partition, offset in ((9, 1, 0), (9, 1, 1), (3, 0, 4), (9, 0, 5)):
            inputs.note_change(at, record(partition, offset))
        assert inputs.number_changes() == 4
        inputs.note_fact("items", 4)
        inputs.commit()
    with Inputs(tmp_path / "inputs.sqlite") as inputs:
        assert inputs.changes(0, 9) == [record(0, 4), record(0, 5), record(1, 0), record(1, 1)]
        assert (inputs.fact("items"), inputs.fact("nothing")) == (4, None)


def test_what_was_not_committed_is_gone(tmp_path: Path) -> None:
    with Inputs(tmp_path / "inputs.sqlite") as inputs:
        inputs.note_standing(POOL[0])
        inputs.note_fact("complete", True)
    with Inputs(tmp_path / "inputs.sqlite") as inputs:
        assert inputs.fact("complete") is None
        assert inputs.standing(POOL[0].pair_id) is None


def test_a_chunk_that_is_done_again_counts_once() -> None:
    with Inputs(Path(":memory:")) as inputs:
        inputs.note_outcomes(0, {"judged": 3, "failed": 1})
        inputs.note_outcomes(400, {"judged": 2})
        inputs.note_outcomes(0, {"judged": 4})
        assert inputs.outcomes() == {"judged": 6}
