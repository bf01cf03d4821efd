"""The teacher as oracle: a sample of production decisions, and what it says of the student's on the whole. Pure.

The sample is stratified by verdict and confidence, drawn at random within each stratum with a seed, so that every
decision's inclusion probability is known and rates of the sample carry over to all decisions
(`train.verification.estimate`). Doubtful decisions are drawn more often: there are few, and there the two differ.
The teacher is an oracle of the method, not the truth: a disagreement is a question, not yet an error.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from schemas.decision import MatchDecision
from schemas.offer import Offer
from schemas.rationale import ATTRIBUTES
from train.evaluation.metrics import CONFIDENCE
from train.rationales.records import RationaleRecord
from train.teacher.question import Question
from train.verification.estimate import stratified_rates

BANDS = (0.8, 0.95, 0.99)
"""Edges of confidence: the probability of the likelier answer, 0.5 to 1."""

# Half of the sample is spread evenly over the strata, so that rare ones are seen; the rest follows their sizes.
EVEN_SHARE = 0.5
# A stratum of which one case was seen shows no spread, and its rate no interval.
LEAST = 2


class AuditError(ValueError):
    """The audit cannot be made; the text says why."""


@dataclass(frozen=True)
class Case:
    """A decision with the texts that it was made on, in the pair's order."""

    decision: MatchDecision
    first: Offer
    second: Offer

    @property
    def confidence(self) -> float:
        """The student's probability of the likelier answer."""
        probability = self.decision.probability or 0.0
        return max(probability, 1 - probability)

    @property
    def band(self) -> str:
        """The band of confidence, by name: ``0.80-0.95``."""
        edges = (0.5, *BANDS, 1.0)
        place = sum(self.confidence >= edge for edge in BANDS)
        return f"{edges[place]:.2f}-{edges[place + 1]:.2f}"

    @property
    def stratum(self) -> str:
        """Verdict and band."""
        return f"{self.decision.verdict} {self.band}"

    def question(self) -> Question:
        """What is put to the teacher: the texts alone, nothing of the decision."""
        return Question.of(self.decision.pair_id, self.first, self.second)


def eligible(
    decisions: Iterable[MatchDecision], offers: Mapping[str, tuple[str, Offer]]
) -> tuple[list[Case], dict[str, int]]:
    """The decisions that the student made on texts that still stand, and how many others there are, by reason.

    Args:
        decisions: standing decisions, one a pair.
        offers: by key, (digest, offer).
    """
    cases: list[Case] = []
    left_out: Counter[str] = Counter()
    for decision in sorted(decisions, key=lambda each: each.pair_id):
        texts = []
        for side in (decision.first, decision.second):
            digest, offer = offers.get(side.key, (None, None))
            if offer is not None and digest == side.digest:
                texts.append(offer)
        if decision.verdict == "retracted":
            left_out["retracted"] += 1
        elif decision.decided_by != "student" or decision.probability is None:
            left_out[f"decided by {decision.decided_by}"] += 1
        elif len(texts) < 2:
            left_out["its offers' texts are not at hand or have changed"] += 1
        else:
            cases.append(Case(decision, texts[0], texts[1]))
    return cases, dict(left_out)


@dataclass(frozen=True)
class Stratum:
    """One stratum: how many there are and how many were drawn of them."""

    name: str
    size: int
    drawn: int

    @property
    def inclusion_probability(self) -> float:
        """That of each of its decisions."""
        return self.drawn / self.size


@dataclass(frozen=True)
class Sample:
    """The drawn cases in the order of their pair ids, and the strata that they are from."""

    cases: tuple[Case, ...]
    strata: tuple[Stratum, ...]
    seed: int


def draw(cases: Sequence[Case], size: int, seed: int) -> Sample:
    """A stratified random sample without replacement; the same cases and seed give the same sample.

    Raises:
        AuditError: there is no case, or the sample is too small to see two of each stratum.
    """
    if not cases:
        raise AuditError("there is no decision of the student to audit")
    groups: dict[str, list[Case]] = {}
    for case in sorted(cases, key=lambda each: each.decision.pair_id):
        groups.setdefault(case.stratum, []).append(case)
    names = sorted(groups)
    sizes = [len(groups[name]) for name in names]
    numbers = allocate(sizes, size)
    chosen: list[Case] = []
    for name, number in zip(names, numbers, strict=True):
        # A stratum's draw depends on itself alone: another stratum that grows does not change it.
        chosen += random.Random(f"{seed}:{name}").sample(groups[name], number)
    strata = tuple(Stratum(*each) for each in zip(names, sizes, numbers, strict=True))
    return Sample(tuple(sorted(chosen, key=lambda each: each.decision.pair_id)), strata, seed)


def allocate(sizes: Sequence[int], total: int) -> list[int]:
    """How many to draw of each stratum: a part evenly, the rest by size, never more than there are.

    Raises:
        AuditError: ``total`` is below two of each stratum.
    """
    total = min(total, sum(sizes))
    least = [min(size, LEAST) for size in sizes]
    if total < sum(least):
        raise AuditError(
            f"sample = {total}: there are {len(sizes)} strata of verdict and confidence; valid: {sum(least)} or more"
        )
    even = int(total * EVEN_SHARE / len(sizes))
    numbers = [min(size, max(low, even)) for size, low in zip(sizes, least, strict=True)]
    while (excess := sum(numbers) - total) > 0:  # the least of small strata can outgrow the even share
        largest = max(range(len(sizes)), key=lambda place: (numbers[place] - least[place], -place))
        numbers[largest] -= min(excess, max(1, (numbers[largest] - least[largest]) // 2))
    while (rest := total - sum(numbers)) > 0:
        room = [size - number for size, number in zip(sizes, numbers, strict=True)]
        for place in sorted(range(len(sizes)), key=lambda place: (-room[place], place)):
            share = min(room[place], max(1, rest * room[place] // sum(room)), total - sum(numbers))
            numbers[place] += share
    return numbers


@dataclass(frozen=True)
class Rate:
    """A rate over all decisions, estimated from the sample, with its interval. None: nobody of the sample tells."""

    asked: int
    disagree: int
    rate: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Judged:
    """A drawn case with the teacher's record of it; None where the teacher failed."""

    case: Case
    record: RationaleRecord | None

    @property
    def disagrees(self) -> bool | None:
        """Whether the teacher denies the student's verdict; None where either gave none."""
        verdict = self.case.decision.verdict
        if self.record is None or self.record.answer is None or verdict == "review":
            return None
        return (self.record.answer == "same") != (verdict == "match")

    def attribute_disagrees(self, name: str) -> bool | None:
        """The same of one attribute; None where either claims nothing."""
        rationale = self.case.decision.rationale
        if self.record is None or rationale is None:
            return None
        said = next((item.verdict for key, item in rationale.attributes.items() if key == name), None)
        taught = next((verdict for key, verdict in self.record.verdicts.items() if key == name), None)
        return None if said is None or taught is None else said != taught

    @property
    def weight(self) -> float:
        """How bad a disagreement is: how sure both are."""
        confidence = self.record.confidence if self.record is not None else None
        return self.case.confidence * (0.5 if confidence is None else confidence)


@dataclass(frozen=True)
class Audit:
    """What the teacher says of the student's decisions.

    ``review`` is the share of decisions left to people that the teacher calls the same: no disagreement, but it tells
    which way reviews will go. ``at_most`` is the point of ``overall`` if every failed case were a disagreement.
    """

    population: int
    left_out: dict[str, int]
    seed: int
    strata: tuple[Stratum, ...]
    failed: int
    overall: Rate
    at_most: float | None
    by_verdict: dict[str, Rate]
    by_band: dict[str, Rate]
    by_attribute: dict[str, Rate]
    review: Rate
    confusions: dict[str, dict[str, int]]
    worst: tuple[Judged, ...]


def assess(sample: Sample, judged: Sequence[Judged], left_out: dict[str, int], worst: int = 10) -> Audit:
    """Rates over all decisions from the judged sample. ``judged`` holds every drawn case once."""

    def rate(ask: Callable[[Judged], bool | None], failed_is: bool | None = None) -> Rate:
        return _rate(sample.strata, judged, ask, failed_is)

    def of(part: Callable[[Case], bool]) -> Rate:
        return rate(lambda each: each.disagrees if part(each.case) else None)

    disagreeing = sorted(
        (each for each in judged if each.disagrees), key=lambda each: (-each.weight, each.case.decision.pair_id)
    )
    decided = [each for each in judged if each.case.decision.verdict != "review"]
    return Audit(
        population=sum(stratum.size for stratum in sample.strata),
        left_out=left_out,
        seed=sample.seed,
        strata=sample.strata,
        failed=sum(each.record is None for each in judged),
        overall=rate(lambda each: each.disagrees),
        at_most=rate(lambda each: each.disagrees, failed_is=True).rate if decided else None,
        by_verdict={
            name: of(lambda case, name=name: case.decision.verdict == name)  # type: ignore[misc]
            for name in ("match", "no_match")
        },
        by_band={
            name: of(lambda case, name=name: case.band == name)  # type: ignore[misc]
            for name in sorted({each.case.band for each in judged})
        },
        by_attribute={
            name: rate(lambda each, name=name: each.attribute_disagrees(name))  # type: ignore[misc]
            for name in ATTRIBUTES
        },
        review=rate(_review_is_same),
        confusions=_confusions(judged),
        worst=tuple(disagreeing[:worst]),
    )


def _review_is_same(each: Judged) -> bool | None:
    if each.case.decision.verdict != "review" or each.record is None or each.record.answer is None:
        return None
    return each.record.answer == "same"


def _rate(
    strata: Sequence[Stratum],
    judged: Sequence[Judged],
    ask: Callable[[Judged], bool | None],
    failed_is: bool | None,
) -> Rate:
    """The rate in that part of the population for which ``ask`` tells, from answered cases (or all: ``failed_is``)."""
    place = {stratum.name: number for number, stratum in enumerate(strata)}
    counts = np.zeros((3, len(strata)), dtype=np.int64)
    for each in judged:
        failed = each.record is None
        if failed and (failed_is is None or each.case.decision.verdict == "review"):
            continue
        found = failed_is if failed else ask(each)
        counts[:, place[each.case.stratum]] += (found is True, found is not None, 1)
    wrong, within, answered = counts
    sizes = np.array([stratum.size for stratum in strata])
    found_rates = stratified_rates(wrong, answered, sizes, within, CONFIDENCE)
    point = float(found_rates.rate)
    return Rate(
        asked=int(within.sum()),
        disagree=int(wrong.sum()),
        rate=None if np.isnan(point) else point,
        low=float(found_rates.low),
        high=float(found_rates.high),
    )


def _confusions(judged: Sequence[Judged]) -> dict[str, dict[str, int]]:
    """By attribute: how often the student said one thing and the teacher another, in the sample."""
    found: dict[str, Counter[str]] = {name: Counter() for name in ATTRIBUTES}
    for each in judged:
        rationale = each.case.decision.rationale
        for name in ATTRIBUTES:
            if rationale is not None and each.record is not None and each.attribute_disagrees(name):
                found[name][f"{rationale.attributes[name].verdict} → {each.record.verdicts[name]}"] += 1
    return {name: dict(counts.most_common()) for name, counts in found.items() if counts}
