"""Decisions judged again: the same two contents, the same query side, another bundle or policy.

Intent: what a decision is made of comes from `worker.stream`, so that a replay judges as a worker does. Non-goals:
where decisions and contents come from, and where they go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas.decision import DELETED_DIGEST, MatchDecision, Side
from schemas.offer import Offer
from worker.stream.backoff import Log
from worker.stream.bench import Bench, Verdict
from worker.stream.pairs import Basis, Member, decision

RETRACTED, MISSING, FAILED, JUDGED = "retracted", "missing_content", "failed", "judged"
"""What became of a pair; `JUDGED` of all that has a new decision."""


@dataclass(frozen=True)
class Pair:
    """A decision that was made, and both offers as they are to be judged now."""

    made: MatchDecision
    query: Member
    candidate: Member


def member(side: Side, offer: Offer) -> Member:
    return Member(side.key, side.effective_version, side.digest, offer, side.seller_version)


def pairs_of(decisions: Sequence[MatchDecision], offers: Mapping[str, Offer], counts: Counter[str]) -> Iterator[Pair]:
    """Those that can be judged again with the contents of their time; the others are counted."""
    for made in decisions:
        sides = {made.first.key: made.first, made.second.key: made.second}
        query, candidate = sides[made.query_key], sides[made.candidate_key]
        if DELETED_DIGEST in (query.digest, candidate.digest) or made.verdict == "retracted":
            counts[RETRACTED] += 1
        elif query.digest not in offers or candidate.digest not in offers:
            counts[MISSING] += 1
        else:
            yield Pair(made, member(query, offers[query.digest]), member(candidate, offers[candidate.digest]))


class Again:
    """Judges pairs again. `now` gives UTC, `name` is the replay's."""

    def __init__(self, bench: Bench, name: str, now: Callable[[], datetime], log: Log) -> None:
        self._bench = bench
        self._name = name
        self._now = now
        self._log = log

    @property
    def basis(self) -> Basis:
        """What all these decisions have in common."""
        return self._bench.seats.live.basis

    def judge(self, pairs: Sequence[Pair], counts: Counter[str]) -> list[MatchDecision | None]:
        """One decision a pair, in order; None, and counted, where the student cannot judge it."""
        made = [each for group in groups(pairs) for each in self._group(group)]
        counts[JUDGED] += sum(each is not None for each in made)
        counts[FAILED] += sum(each is None for each in made)
        return made

    def _group(self, pairs: Sequence[Pair]) -> list[MatchDecision | None]:
        for isolate in (False, True):
            try:
                return self._judged(pairs, isolate)
            except Exception as error:  # noqa: BLE001 - whatever the student cannot judge is counted, not guessed
                self._log.error("replay_failed", query=pairs[0].query.key, pairs=len(pairs), error=repr(error))
        return [None] * len(pairs)

    def _judged(self, pairs: Sequence[Pair], isolate: bool) -> list[MatchDecision | None]:
        verdicts = self._bench.judge(pairs[0].query, [pair.candidate for pair in pairs], isolate)
        return [
            None if verdict is None else self._decided(pair.made, verdict, isolate)
            for pair, verdict in zip(pairs, verdicts, strict=True)
        ]

    def _decided(self, old: MatchDecision, verdict: Verdict, isolate: bool) -> MatchDecision:
        said = verdict.judgement
        rationale, timings = self._bench.rationale(verdict, isolate)
        made = decision(
            verdict.seat.basis, verdict.query, verdict.candidate, verdict.ruling.verdict, old.source, self._now(),
            decided_by=verdict.ruling.decided_by,
            reasons=verdict.ruling.reasons,
            probability=said.probability if said is not None else None,
            logit=said.logit if said is not None else None,
            rationale=rationale,
            orders=said.orders if said is not None else 1,
            timings=timings,
        )  # fmt: skip
        return made.model_copy(
            update={
                "previous_verdict": old.verdict,
                "previous_decision_id": old.decision_id,
                "candidate_rank": old.candidate_rank,
                "candidate_score": old.candidate_score,
                "linked": old.linked,
                "replay": self._name,
            }
        )


def groups(pairs: Sequence[Pair]) -> Iterator[list[Pair]]:
    """Runs of pairs with the same query content in which no candidate occurs twice, in their order."""
    held: list[Pair] = []
    seen: set[str] = set()
    for pair in pairs:
        # The whole member: the query's version goes into the decision as well.
        if held and (held[0].query != pair.query or pair.candidate.key in seen):
            yield held
            held, seen = [], set()
        held.append(pair)
        seen.add(pair.candidate.key)
    if held:
        yield held
