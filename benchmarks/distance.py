"""How far the stream's matches are from the known ones, and where each of the missing was lost. Pure.

The student alone, on labelled pairs, has its offline F1. The stream adds blocking (a match that it never names cannot
be found), the policy (a match that goes to review is no match yet), the side from which a pair is judged, and pairs
that nobody labelled. `steps` takes them in this order, one at a time, so that their effects add up to the distance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Literal

from schemas.decision import MatchDecision
from schemas.policy import REVIEW_BAND

Fate = Literal["match", "no_match", "review_band", "review_contradiction", "retracted", "never_named"]
FATES: tuple[Fate, ...] = ("match", "never_named", "no_match", "review_band", "review_contradiction", "retracted")
Standing = Mapping[str, MatchDecision]
"""The standing decision of each pair, by pair id."""


@dataclass(frozen=True)
class Counts:
    """Pairs said to match against pairs that do. Shares are 0 where their denominator is."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 0.0

    @property
    def recall(self) -> float:
        return self.right / (self.right + self.missed) if self.right + self.missed else 0.0

    @property
    def f1(self) -> float:
        """2TP / (2TP + FP + FN)."""
        total = 2 * self.right + self.wrong + self.missed
        return 2 * self.right / total if total else 0.0

    def as_json(self) -> dict[str, float]:
        shares = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        counted = {"right": self.right, "wrong": self.wrong, "missed": self.missed}
        return counted | {name: round(value, 4) for name, value in shares.items()}


def count(said: Set[str], true: Set[str]) -> Counts:
    """Counts of a set of pairs said to match against the set that does."""
    return Counts(len(said & true), len(said - true), len(true - said))


def matches_of(standing: Standing) -> set[str]:
    """Pairs that stand as a match."""
    return {pair for pair, decision in standing.items() if decision.verdict == "match"}


def fate(decision: MatchDecision | None) -> Fate:
    """What became of a pair; `never_named` when there is no decision about it at all."""
    if decision is None:
        return "never_named"
    if decision.verdict == "review":
        return "review_band" if REVIEW_BAND in decision.reasons else "review_contradiction"
    return decision.verdict


def fates(pairs: Iterable[str], standing: Standing) -> dict[Fate, int]:
    """How many of the pairs met each fate; all fates are in it."""
    counted = Counter(fate(standing.get(pair)) for pair in pairs)
    return {name: counted[name] for name in FATES}


@dataclass(frozen=True)
class Step:
    """The counts after one more cause is let in."""

    cause: str
    counts: Counts


def steps(labelled: Mapping[str, bool], offline: Collection[str], standing: Standing) -> list[Step]:
    """From the student alone to the stream, over labelled pairs (`pair id -> is a match`).

    `offline` holds the pairs that the student alone calls a match. The last step's counts are the stream's own; what it
    adds is the verdicts that differ although the same student judged: the other offer stood first in the prompt.
    """
    true = {pair for pair, is_match in labelled.items() if is_match}
    alone = labelled.keys() & set(offline)
    named = {pair for pair in alone if pair in standing}
    sure = {pair for pair in named if fate(standing[pair]) != "review_band"}
    kept = {pair for pair in sure if fate(standing[pair]) != "review_contradiction"}
    streamed = matches_of(standing) & labelled.keys()
    return [
        Step("the student alone, offline", count(alone, true)),
        Step("blocking never named the pair", count(named, true)),
        Step("in review: the review band", count(sure, true)),
        Step("in review: a contradiction", count(kept, true)),
        Step("judged from the other side", count(streamed, true)),
    ]


def sides(
    labelled: Mapping[str, bool], offline: Collection[str], standing: Standing, threshold: float, first: str
) -> dict[str, int]:
    """Do stream and offline agree, where the same offer stood first in the prompt, and where the other did?

    `first` is the seller whose offers stand first offline. Compared are answers (probability against threshold), not
    verdicts; with the same offer first a difference would be a defect.
    """
    counted = dict.fromkeys(("same_side", "same_side_differ", "other_side", "other_side_differ"), 0)
    for pair in labelled.keys() & standing.keys():
        decision = standing[pair]
        if decision.probability is None:
            continue
        side = "same_side" if decision.query_key.startswith(f"{first}:") else "other_side"
        counted[side] += 1
        counted[f"{side}_differ"] += (decision.probability >= threshold) != (pair in offline)
    return counted


def expected(offline: Counts, labelled: Mapping[str, bool], standing: Standing) -> dict[str, float]:
    """Offline F1 times blocking's recall, and the F1 that offline precision and offline recall x blocking recall give.

    Blocking's recall is the share of the labelled matches about which the stream has any decision. The product is the
    pessimistic rule of thumb: F1 falls more slowly than recall.
    """
    true = [pair for pair, is_match in labelled.items() if is_match]
    recall = sum(pair in standing for pair in true) / len(true) if true else 0.0
    precision, reached = offline.precision, offline.recall * recall
    both = precision + reached
    return {
        "offline_f1": round(offline.f1, 4),
        "blocking_recall": round(recall, 4),
        "offline_f1_x_recall": round(offline.f1 * recall, 4),
        "f1_of_precision_and_recall_x_recall": round(2 * precision * reached / both, 4) if both else 0.0,
    }


def standing_matches(
    standing: Standing, labelled: Mapping[str, bool], truth: Set[str], known: Set[str]
) -> dict[str, int]:
    """What the standing matches are: every one is in exactly one of these groups."""
    groups = dict.fromkeys(
        ("known_match", "labelled_no_match", "unlabelled_true", "unlabelled_other", "same_seller"), 0
    )
    for pair in matches_of(standing):
        first, second = (key.partition(":")[0] for key in pair.split("#"))
        if pair in known:
            groups["known_match"] += 1
        elif pair in labelled and not labelled[pair]:
            groups["labelled_no_match"] += 1
        elif first == second:
            groups["same_seller"] += 1
        else:
            groups["unlabelled_true" if pair in truth else "unlabelled_other"] += 1
    return groups
