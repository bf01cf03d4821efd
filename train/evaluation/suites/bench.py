"""What the suites share: pairs that no training saw, and a judge that is asked about each pair once."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from schemas.offer import Offer
from schemas.policy import Policy
from schemas.rationale import ATTRIBUTES, Attribute, Verdict
from train.evaluation.evaluate import judge_pairs
from train.pairs.guard import held_out_files
from train.pairs.pairs import Pair, read_pairs
from train.pairs.products import report_pairs
from worker.student.judge import Judge, Judgement

Sides = tuple[Offer, Offer]
Progress = Callable[[int], None]


def held_out(root: Path | None = None) -> dict[str, list[Pair]]:
    """Set name to the pairs of its official test file, and ``wdc-report``: WDC Products among the report's products.

    Raises:
        PairFileError: a file is missing.
    """
    sets = {name: read_pairs(path, name) for name, path in held_out_files(root).items()}
    return {**sets, "wdc-report": report_pairs(root)}


def in_turn(sets: Mapping[str, Sequence[Pair]], label: int, seed: int) -> list[Pair]:
    """All pairs of a label in a seeded order, one of each set in turn, so that any beginning is even over the sets."""
    shuffled = []
    for name in sorted(sets):
        pairs = [pair for pair in sets[name] if pair.label == label]
        random.Random(f"{seed}:{name}:{label}").shuffle(pairs)
        shuffled.append(pairs)
    return [pair for turn in zip_longest(*shuffled) for pair in turn if pair is not None]


def balanced(sets: Mapping[str, Sequence[Pair]], count: int, seed: int) -> list[Pair]:
    """``count`` pairs, half of them matches, even over the sets; fewer where there are fewer."""
    matches, others = (in_turn(sets, label, seed) for label in (1, 0))
    turns = zip(matches, others, strict=False)
    return [pair for turn in turns for pair in turn][:count]


class Bench:
    """A judge with the policy's threshold; what it said of a pair is kept, so that suites share their pairs.

    Attributes:
        judge: the student.
        threshold: probability from which a pair is a match: the policy's, else the bundle's.
        judged: number of pairs that were put to the judge.
    """

    def __init__(self, judge: Judge, policy: Policy, progress: Progress = lambda _: None) -> None:
        self.judge = judge
        threshold = policy.resolved(judge.manifest.thresholds).match_threshold
        assert threshold is not None
        self.threshold = threshold
        self.judged = 0
        self._progress = progress
        self._known: dict[tuple[str, str], Judgement | None] = {}

    def read(self, pairs: Iterable[Sides]) -> None:
        """Judge the pairs that are not known yet, those of one query together."""
        new = {_key(sides): sides for sides in pairs if _key(sides) not in self._known}
        asked = [Pair(str(number), *sides, 0, "suite") for number, sides in enumerate(new.values())]
        scored = judge_pairs(self.judge, asked, progress=self._progress)
        self.judged += len(asked)
        self._known.update(zip(new, scored.judgements, strict=True))

    def __getitem__(self, sides: Sides) -> Judgement | None:
        """The judgement of a pair that was read; None where it could not be understood."""
        return self._known[_key(sides)]

    def is_match(self, sides: Sides) -> bool:
        """Whether the pair is a match at the threshold; an answer that could not be understood is none."""
        judgement = self[sides]
        return judgement is not None and judgement.probability >= self.threshold

    def verdicts(self, sides: Sides) -> dict[Attribute, Verdict | None]:
        """The five attribute verdicts; None where the answer could not be understood."""
        judgement = self[sides]
        return {name: judgement.attributes[name].verdict if judgement else None for name in ATTRIBUTES}


def _key(sides: Sides) -> tuple[str, str]:
    return sides[0].digest(), sides[1].digest()


def sides_of(pair: Pair) -> Sides:
    """Query and candidate, as the pair file has them."""
    return pair.left, pair.right
