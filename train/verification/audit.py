"""An evaluation corrected by an audit of its gold labels: with gold, with the audited labels, and what may lie beyond.

The audit at hand is of 104 Abt-Buy test pairs. They are no uniform sample and nobody says with what probability each
was chosen, so that it supports no unbiased error rate of the gold labels; it can only replace the labels that it
looked at. What the other labels may hide is bounded, not estimated. Pure but for the readers.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from scipy.stats import bootstrap

from train.evaluation.metrics import CONFIDENCE, RESAMPLES, Bools, Floats, f1_along, f1_interval, match_counts
from train.pairs.pairs import read_rows
from train.verification.records import VerificationFileError

HumanDecision = Literal["match", "non_match", "ambiguous"]
DECISIONS: tuple[HumanDecision, ...] = ("match", "non_match", "ambiguous")
CAVEATS = (
    "The audited pairs are not a uniform sample of the test set and their inclusion probabilities are unknown: the"
    " audit supports no unbiased error rate of the gold labels, neither here nor elsewhere.",
    "Only audited labels are replaced. If doubtful pairs were likelier to be audited, the other labels are better than"
    " these were; the audit does not say how its pairs were chosen.",
    "An ambiguous pair keeps its gold label; with and without these pairs is shown.",
)
# Shares of the unaudited labels that the bounds assume to be wrong; 0 is the corrected evaluation itself.
ASSUMED_WRONG = (0.0, 0.005, 0.01, 0.02, 0.05)


class Labelled(Protocol):
    """A pair with its gold label: 1 same product, 0 not."""

    @property
    def pair_id(self) -> str: ...
    @property
    def label(self) -> int: ...


@dataclass(frozen=True)
class ScoredPair:
    """One line of a scores file; ``probability`` is the student's, of a match."""

    pair_id: str
    label: int
    probability: float


@dataclass(frozen=True)
class Audited:
    """What a person decided of a pair, and the gold label that the audit saw."""

    pair_id: str
    decision: HumanDecision
    gold: int


@dataclass(frozen=True)
class Corrected:
    """Gold labels with the audited ones in their place; all [pairs], in the order of the pairs.

    ``labels`` holds what a person decided where one did and was not in doubt, else the gold label.
    """

    gold: Bools
    labels: Bools
    audited: Bools
    ambiguous: Bools

    @property
    def disputed(self) -> Bools:
        """Where the audit changed the label."""
        return np.asarray(self.gold != self.labels, dtype=np.bool_)


def read_audit(path: Path) -> dict[str, Audited]:
    """The audit, by pair id. A folder stands for all its JSON Lines files.

    Raises:
        VerificationFileError: a row without pair id, with a decision or gold label that is none, or a pair twice.
        PairFileError: a file is missing or no JSON Lines.
    """
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    found: dict[str, Audited] = {}
    for file in files:
        for number, row in enumerate(read_rows(file), 1):
            identity, decision, gold = (
                str(row.get("pair_id") or ""),
                row.get("human_decision"),
                row.get("benchmark_label"),
            )
            if not identity or decision not in DECISIONS or gold not in (0, 1) or identity in found:
                raise VerificationFileError(
                    f"{file}:{number}: pair_id {identity!r} (once each), human_decision {decision!r} (valid:"
                    f" {', '.join(DECISIONS)}), benchmark_label {gold!r} (valid: 0, 1)"
                )
            found[identity] = Audited(identity, decision, int(gold))
    if not found:
        raise VerificationFileError(f"{path} holds no audited pair")
    return found


def read_published_rate(path: Path, benchmark: str) -> float | None:
    """The share of wrong gold labels, 0 to 1, that the audit's own authors state; None where they state none.

    Their file says per cent and not how it was weighted. Raises OSError.
    """
    with path.open(newline="") as lines:
        for row in csv.DictReader(lines):
            if row.get("benchmark") == benchmark and row.get("Benchmark"):
                return float(row["Benchmark"]) / 100
    return None


def read_scores(path: Path) -> list[ScoredPair]:
    """Scores as `samesku evaluate --scores` writes them.

    Raises:
        VerificationFileError: a row without pair id, label 0 or 1, or a probability from 0 to 1.
        PairFileError: the file is missing or no JSON Lines.
    """
    found = []
    for number, row in enumerate(read_rows(path), 1):
        identity, label, probability = row.get("pair_id"), row.get("label"), row.get("probability")
        if not identity or label not in (0, 1) or not (isinstance(probability, int | float) and 0 <= probability <= 1):
            raise VerificationFileError(
                f"{path}:{number}: pair_id {identity!r}, label {label!r} (valid: 0, 1), probability {probability!r}"
                " (valid: 0 to 1)"
            )
        found.append(ScoredPair(str(identity), int(label), float(probability)))
    if not found:
        raise VerificationFileError(f"{path} holds no scored pair")
    return found


def corrected_labels(pairs: Sequence[Labelled], audit: Mapping[str, Audited]) -> Corrected:
    """The labels of these pairs with the audited ones in place of the gold.

    Raises:
        VerificationFileError: a pair's gold label is another than the audit saw: it is of another version of the set.
    """
    gold = np.array([pair.label == 1 for pair in pairs], dtype=np.bool_)
    labels, audited, ambiguous = gold.copy(), np.zeros_like(gold), np.zeros_like(gold)
    for number, pair in enumerate(pairs):
        if (found := audit.get(pair.pair_id)) is None:
            continue
        if found.gold != pair.label:
            raise VerificationFileError(
                f"pair {pair.pair_id}: its gold label is {pair.label}, the audit saw {found.gold}: another set"
            )
        audited[number] = True
        ambiguous[number] = found.decision == "ambiguous"
        if found.decision != "ambiguous":
            labels[number] = found.decision == "match"
    return Corrected(gold, labels, audited, ambiguous)


@dataclass(frozen=True)
class Quality:
    """Precision, recall and F1 of a set of pairs, F1 with its 95% bootstrap interval over pairs."""

    pairs: int
    precision: float
    recall: float
    f1: float
    f1_low: float
    f1_high: float


@dataclass(frozen=True)
class Bound:
    """How far F1 may go if so many of the unaudited labels were wrong, whichever they are."""

    assumption: str
    wrong_labels: int
    f1_lowest: float
    f1_highest: float


@dataclass(frozen=True)
class Correction:
    """An evaluation by gold and by audited labels; ``difference`` is F1 audited less F1 gold, interval paired.

    The match shares are those of gold labels, 0 to 1: where they differ, the audited pairs are no uniform sample.
    """

    audited: int
    audited_match_share: float
    match_share: float
    ambiguous: int
    disputed_to_match: int
    disputed_to_non_match: int
    gold: Quality
    corrected: Quality
    difference: float
    difference_low: float
    difference_high: float
    without_ambiguous: Quality
    audited_only_gold: Quality
    audited_only_corrected: Quality
    unaudited: int
    bounds: tuple[Bound, ...]
    caveats: tuple[str, ...] = CAVEATS

    def as_json(self) -> dict[str, Any]:
        """All of it, JSON-ready."""
        return asdict(self)


def correct(
    pairs: Sequence[Labelled], predicted: Bools, audit: Mapping[str, Audited], published_rate: float | None = None
) -> Correction:
    """Evaluate predictions [pairs] by gold and by audited labels.

    ``published_rate`` adds the bound for the share of wrong gold labels that the audit's authors state: those that the
    audit found are taken off, the rest is put on the unaudited pairs.

    Raises:
        VerificationFileError: no pair was audited, or the audit is of another version of the set.
    """
    found = corrected_labels(pairs, audit)
    if not found.audited.any():
        raise VerificationFileError(f"none of the {len(pairs)} pairs is among the {len(audit)} that were audited")
    gold, labels = found.gold, found.labels
    low, high = _difference_interval(gold, labels, predicted)
    clear = ~found.ambiguous
    return Correction(
        audited=int(found.audited.sum()),
        audited_match_share=float(gold[found.audited].mean()),
        match_share=float(gold.mean()),
        ambiguous=int(found.ambiguous.sum()),
        disputed_to_match=int((found.disputed & labels).sum()),
        disputed_to_non_match=int((found.disputed & gold).sum()),
        gold=_quality(gold, predicted),
        corrected=_quality(labels, predicted),
        difference=float(f1_along(labels, predicted) - f1_along(gold, predicted)),
        difference_low=low,
        difference_high=high,
        without_ambiguous=_quality(labels[clear], predicted[clear]),
        audited_only_gold=_quality(gold[found.audited], predicted[found.audited]),
        audited_only_corrected=_quality(labels[found.audited], predicted[found.audited]),
        unaudited=int((~found.audited).sum()),
        bounds=tuple(_bounds(found, predicted, published_rate)),
    )


def _quality(labels: Bools, predicted: Bools) -> Quality:
    counts = match_counts(labels, predicted)
    return Quality(len(labels), counts.precision, counts.recall, counts.f1, *f1_interval(labels, predicted))


def _difference_interval(gold: Bools, labels: Bools, predicted: Bools) -> tuple[float, float]:
    def difference(first: Bools, second: Bools, said: Bools, axis: int = -1) -> Floats:
        return f1_along(second, said, axis) - f1_along(first, said, axis)

    if (gold == labels).all() or len(gold) < 2:
        return 0.0, 0.0
    result = bootstrap(
        (gold, labels, predicted), difference, paired=True, vectorized=True, n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE, method="percentile", batch=200, rng=np.random.default_rng(0),
    )  # fmt: skip
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def _bounds(found: Corrected, predicted: Bools, published_rate: float | None) -> list[Bound]:
    unaudited = ~found.audited
    count = int(unaudited.sum())
    assumed = [(f"{share:.1%} of the unaudited labels are wrong", round(share * count)) for share in ASSUMED_WRONG]
    if published_rate is not None:
        judged = len(predicted) - int(found.ambiguous.sum())
        beyond = max(0, round(published_rate * judged) - int(found.disputed.sum()))
        assumed.append((f"the audit's authors are right that {published_rate:.2%} of all labels are wrong", beyond))
    return [Bound(text, flips, *f1_bounds(found.labels, predicted, unaudited, flips)) for text, flips in assumed]


def f1_bounds(labels: Bools, predicted: Bools, open_: Bools, flips: int) -> tuple[float, float]:
    """The lowest and the highest F1 that ``flips`` other labels among the ``open_`` pairs can give; all [pairs].

    Exact: F1 depends on the labels through the counts alone, so that every split of the flips between predicted
    matches and predicted non-matches is tried.
    """
    hits, total = int((labels & predicted).sum()), int(labels.sum() + predicted.sum())
    lowest, highest = 1.0, 0.0
    for to_agree, sign in ((True, 1), (False, -1)):
        # A flip turns a pair on which label and prediction disagree into one on which they agree, or the other way.
        candidates = open_ & ((labels != predicted) == to_agree)
        said, unsaid = int((candidates & predicted).sum()), int((candidates & ~predicted).sum())
        for among_said in range(max(0, min(flips, said + unsaid) - unsaid), min(flips, said) + 1):
            rest = min(flips, said + unsaid) - among_said
            changed = total + sign * (among_said - rest)
            value = 2 * (hits + sign * among_said) / changed if changed else 0.0
            lowest, highest = min(lowest, value), max(highest, value)
    return lowest, highest
