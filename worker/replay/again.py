"""Decisions judged again: the same two contents, the same query side, another bundle or policy.

Intent: what a decision is made of comes from `worker.stream`, so that a replay judges as a worker does. Non-goals:
where decisions and contents come from, and where they go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from schemas.decision import DELETED_DIGEST, MatchDecision, Side
from schemas.offer import Offer
from worker.stream.backoff import Log
from worker.stream.judging import Judging
from worker.stream.pairs import Member, decision

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
    """Judges pairs again. `name` is the replay's."""

    def __init__(self, judging: Judging, name: str, log: Log) -> None:
        self._judging = judging
        self._name = name
        self._log = log

    def judge(self, pairs: Sequence[Pair], counts: Counter[str]) -> list[MatchDecision | None]:
        """One decision a pair, in order; None, and counted, where the student cannot judge it."""
        made: list[MatchDecision | None] = []
        for _, group in groupby(pairs, lambda pair: (pair.query.key, pair.query.digest)):
            made += self._group(list(group))
        counts[JUDGED] += sum(each is not None for each in made)
        counts[FAILED] += sum(each is None for each in made)
        return made

    def _group(self, pairs: list[Pair]) -> list[MatchDecision | None]:
        for isolate in (False, True):
            try:
                return self._judged(pairs, isolate)
            except Exception as error:  # noqa: BLE001 - whatever the student cannot judge is counted, not guessed
                self._log.error("replay_failed", query=pairs[0].query.key, pairs=len(pairs), error=repr(error))
        return [None] * len(pairs)

    def _judged(self, pairs: list[Pair], isolate: bool) -> list[MatchDecision | None]:
        judging = self._judging
        verdicts = judging.judge_group(pairs[0].query, [pair.candidate for pair in pairs], isolate)
        found: list[MatchDecision | None] = []
        for pair, verdict in zip(pairs, verdicts, strict=True):
            if verdict is None:
                found.append(None)
                continue
            said, old = verdict.judgement, pair.made
            made = decision(
                judging.basis, pair.query, pair.candidate, verdict.ruling.verdict, old.source, judging.moment(),
                decided_by=verdict.ruling.decided_by,
                reasons=verdict.ruling.reasons,
                probability=said.probability if said is not None else None,
                logit=said.logit if said is not None else None,
                rationale=judging.rationale(verdict, isolate),
            )  # fmt: skip
            found.append(
                made.model_copy(
                    update={
                        "previous_verdict": old.verdict,
                        "previous_decision_id": old.decision_id,
                        "candidate_rank": old.candidate_rank,
                        "candidate_score": old.candidate_score,
                        "linked": old.linked,
                        "replay": self._name,
                    }
                )
            )
        return found
