from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from schemas.offer import Offer
from schemas.policy import Policy
from train.evaluation.suites.bench import Bench, balanced, held_out, in_turn, sides_of
from train.pairs.guard import Guard
from train.pairs.mixture import Mixture
from train.pairs.pairs import Pair
from worker.student.judge import Judgement
from worker.student.student import Student


def test_any_beginning_is_even_over_sets_and_labels(sets: dict[str, list[Pair]]) -> None:
    found = balanced(sets, 20, seed=1)
    assert sum(pair.label for pair in found) == 10
    assert sum(pair.origin == "one" for pair in found) == 10
    assert balanced(sets, 10, seed=1) == found[:10]
    assert balanced(sets, 20, seed=2) != found
    assert all(a.origin != b.origin for a, b in pairwise(in_turn(sets, 1, seed=1)))


def test_a_pair_is_judged_once(student: Student, sets: dict[str, list[Pair]]) -> None:
    bench = Bench(student, Policy())
    some = [sides_of(pair) for pair in sets["one"][:4]]
    bench.read([*some, some[0]])
    bench.read(some[:2])
    assert bench.judged == 4
    for left, right in some:
        assert bench[left, right] == student.judge(left, [right])[0]
    bench.read([(some[0][1], some[0][0])])
    assert bench.judged == 5


def test_the_threshold_is_the_policys(student: Student, sets: dict[str, list[Pair]]) -> None:
    pair = sides_of(sets["one"][0])
    for threshold, expected in ((0.0, True), (1.0, False)):
        bench = Bench(student, Policy(match_threshold=threshold))
        bench.read([pair])
        assert bench.is_match(pair) is expected


class Mute:
    """A student of whose answers none can be understood."""

    def __init__(self, student: Student) -> None:
        self.manifest = student.manifest
        self.explain = student.explain

    def judge(self, query: Offer, candidates: Sequence[Offer]) -> list[Judgement]:
        return [Judgement(float("nan"), float("nan"), {}) for _ in candidates]


def test_what_cannot_be_understood_is_no_match(student: Student, sets: dict[str, list[Pair]]) -> None:
    pair = sides_of(sets["one"][0])
    bench = Bench(Mute(student), Policy(match_threshold=0.0))
    bench.read([pair])
    assert bench[pair] is None
    assert not bench.is_match(pair)
    assert set(bench.verdicts(pair).values()) == {None}


def test_no_held_out_pair_was_trained_on(data_dir: Path, mixture: Mixture) -> None:
    sets = held_out(data_dir)
    assert set(sets) == {"abt-buy", "amazon-google", "wdc-computers", "wdc-cameras", "wdc-report"}
    guard = Guard.from_pairs(pair for pairs in sets.values() for pair in pairs)
    assert not guard.ids & {item.pair.id_key() for item in mixture.pairs}
    assert not guard.titles & {item.pair.title_key() for item in mixture.pairs if "~" not in item.pair.pair_id}
