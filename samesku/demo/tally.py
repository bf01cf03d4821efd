"""What the demo has seen so far: counts, what stands, and how right it is. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from schemas.answer import Answer
from schemas.deadletter import DeadLetter
from schemas.decision import MatchDecision, standing_order
from schemas.offer import pair_id


@dataclass
class Tally:
    """Everything that came out of the topics. Decisions may come in any order, before or after their answer."""

    decisions: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    judged: int = 0
    stands: dict[str, MatchDecision] = field(default_factory=dict)

    def add_decision(self, decision: MatchDecision) -> None:
        """Count a decision and keep it if it stands."""
        self.decisions[decision.verdict] += 1
        self.judged += decision.decided_by in ("student", "identifier")
        held = self.stands.get(decision.pair_id)
        if held is None or standing_order(decision) > standing_order(held):
            self.stands[decision.pair_id] = decision

    def add_answer(self, answer: Answer) -> None:
        """Count an answer."""
        self.answers += 1
        self.outcomes[answer.outcome] += 1

    def add_dead_letter(self, letter: DeadLetter) -> None:
        """Count a dead letter."""
        self.dead[letter.reason] += 1

    def standing(self) -> Counter[str]:
        """How many pairs stand as what."""
        return Counter(decision.verdict for decision in self.stands.values())


@dataclass(frozen=True)
class Quality:
    """Standing matches against the known ones. `in_review` are true pairs that were put before a person instead."""

    found: int
    wrong: int
    in_review: int
    known: int
    judged: int

    @property
    def precision(self) -> float | None:
        """Share of the matches that are right; None without a match."""
        return self.found / (self.found + self.wrong) if self.found + self.wrong else None

    @property
    def recall(self) -> float | None:
        """Share of the known pairs that were matched, whatever kept the others from it; None without known pairs."""
        return self.found / self.known if self.known else None


def quality(stands: Mapping[str, MatchDecision], truth: Mapping[str, str], indexed_only: Iterable[str]) -> Quality:
    """How right what stands is. `truth` is offer key -> product; pairs of two offers that were only indexed are left
    out of the known ones, because nobody asked for them."""
    quiet = set(indexed_only)
    groups: dict[str, list[str]] = {}
    for key, product in truth.items():
        groups.setdefault(product, []).append(key)
    known = {
        pair_id(a, b) for keys in groups.values() for a, b in combinations(keys, 2) if not (a in quiet and b in quiet)
    }
    verdicts = {pair: stands[pair].verdict if pair in stands else None for pair in known}
    matched = {pair for pair, decision in stands.items() if decision.verdict == "match"}
    return Quality(
        found=len(matched & known),
        wrong=len(matched - known),
        in_review=sum(verdict == "review" for verdict in verdicts.values()),
        known=len(known),
        judged=sum(verdict is not None for verdict in verdicts.values()),
    )
