"""The bench: who judges a pair, and what each of them says of it.

Intent: the live bundle judges every pair, but for those that a candidate owns by a canary's share; a candidate in the
shadow judges the same pairs again and decides none of them. Who sits on the bench (`Seats`) is exchanged between two
batches and never within one. A candidate that fails hurts nobody: in the shadow its word is left out, and in a canary
the live bundle judges instead, under its own name.
Non-goals: loading bundles (`worker.registry`), and which pairs are judged (`judging`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from schemas.decision import ShadowJudgement, Timings
from schemas.deployment import Mode, in_share
from schemas.evidence import identifier_verdict
from schemas.offer import Offer, pair_id
from schemas.policy import Ruling, decide
from schemas.rationale import Answer, Rationale
from worker.stream.backoff import Log
from worker.stream.metrics import CANDIDATE_FAILURES, PAIRS_JUDGED, PAIRS_SKIPPED, Metrics
from worker.stream.pairs import Basis, Member
from worker.student.judge import Judge, Judgement

# What the sentence must argue for; in doubt the student says what it thinks.
_ANSWER: dict[str, Answer | None] = {"match": "same", "no_match": "different", "review": None}


@dataclass(frozen=True, slots=True)
class Seat:
    """A loaded bundle and what its decisions have in common."""

    judge: Judge
    basis: Basis


@dataclass(frozen=True, slots=True)
class Seats:
    """Who judges, as one deployment has it."""

    live: Seat
    candidate: Seat | None = None
    mode: Mode = "off"
    share: float = 0.0

    @property
    def deployment(self) -> int:
        """Its number, as decisions are stamped with it."""
        return self.live.basis.deployment

    def owner(self, pair: str) -> Seat:
        """The seat that decides this pair id; `schemas.deployment.owner` says the same of bundles."""
        if self.mode == "canary" and self.candidate is not None and in_share(pair, self.share):
            return self.candidate
        return self.live

    @property
    def shadow(self) -> Seat | None:
        """The seat that judges without deciding, if there is one."""
        return self.candidate if self.mode == "shadow" else None


@dataclass(slots=True)
class Verdict:
    """A pair as it was judged last; `seat` is who judged it. Without a judgement an identifier decided."""

    query: Member
    candidate: Member
    seat: Seat
    ruling: Ruling
    judgement: Judgement | None = None
    judge_ms: float = 0.0
    shadow: ShadowJudgement | None = None


class Turns(Protocol):
    """What says, between two batches and without waiting, that others are to judge (`worker.registry.switch`)."""

    def turn(self) -> Seats | None: ...

    def close(self) -> None: ...


class Bench:
    """Judges pairs by whoever owns them. `seats` may be replaced between two batches."""

    def __init__(
        self, seats: Seats, metrics: Metrics, log: Log, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """`clock` is in seconds; only differences of it are used."""
        self.seats = seats
        self._metrics = metrics
        self._log = log
        self._clock = clock
        self._complained: Seats | None = None

    def judge(self, query: Member, candidates: Sequence[Member], isolate: bool) -> list[Verdict | None]:
        """Verdicts of one query with several candidates, in their order.

        With `isolate` a candidate whose judgement fails is None if the query is sound by itself. Otherwise exceptions
        of the live student pass through.
        """
        seats, verdicts = self.seats, dict[str, Verdict]()
        groups: dict[int, tuple[Seat, list[Member]]] = {}
        for candidate in candidates:
            seat = seats.owner(pair_id(query.key, candidate.key))
            verdict = self._by_identifier(seat, query, candidate)
            if verdict is not None:
                verdicts[candidate.key] = verdict
            else:
                groups.setdefault(id(seat), (seat, []))[1].append(candidate)
        for seat, members in groups.values():
            verdicts |= {each.candidate.key: each for each in self._by(seat, query, members, isolate)}
        if seats.shadow is not None:
            self._shadow(seats.shadow, query, [each for each in verdicts.values() if each.judgement is not None])
        return [verdicts.get(candidate.key) for candidate in candidates]

    def rationale(self, verdict: Verdict, isolate: bool) -> tuple[Rationale | None, Timings | None]:
        """The rationale, with its sentence where the policy wants one, and how long the pair took."""
        judgement, seat = verdict.judgement, verdict.seat
        if judgement is None:
            return None, None
        timings = Timings(judge_ms=round(verdict.judge_ms, 3))
        if not seat.basis.policy.explains(verdict.ruling.verdict):
            return judgement.rationale(), timings
        query, candidate = present(verdict.query), present(verdict.candidate)
        started = self._clock()
        try:
            rationale = seat.judge.explain(query, candidate, judgement, _ANSWER[verdict.ruling.verdict])
        except Exception as error:
            if seat is self.seats.live and not isolate:
                raise
            self._log.error("sentence_skipped", query=query.key, candidate=candidate.key, error=repr(error))
            rationale = judgement.rationale()
        return rationale, timings.model_copy(update={"explain_ms": round(1000 * (self._clock() - started), 3)})

    def _by_identifier(self, seat: Seat, query: Member, candidate: Member) -> Verdict | None:
        policy = seat.basis.policy
        named = identifier_verdict(present(query), present(candidate)) if policy.identifier_fast_path else None
        if named is None:
            return None
        # The fast path needs no probability; decide() asks for one and does not look at it.
        return Verdict(query, candidate, seat, decide(0.5, {}, policy, named))

    def _by(self, seat: Seat, query: Member, candidates: Sequence[Member], isolate: bool) -> Iterable[Verdict]:
        self._metrics.add(PAIRS_JUDGED, len(candidates))
        started = self._clock()
        judged: Sequence[Judgement | None]
        if seat is self.seats.live:
            judged = self._judged(seat.judge, present(query), [present(each) for each in candidates], isolate)
        else:
            try:
                judged = seat.judge.judge(present(query), [present(each) for each in candidates])
            except Exception as error:  # noqa: BLE001 - whatever a candidate on trial does, the pair is judged
                self._candidate_failed("canary", query, error, len(candidates))
                return self._by(self.seats.live, query, candidates, isolate)
        each_ms = 1000 * (self._clock() - started) / len(candidates)
        return [
            Verdict(query, candidate, seat, self._rule(seat, query, candidate, judgement), judgement, each_ms)
            for candidate, judgement in zip(candidates, judged, strict=True)
            if judgement is not None
        ]

    def _judged(
        self, judge: Judge, query: Offer, candidates: Sequence[Offer], isolate: bool
    ) -> Sequence[Judgement | None]:
        if not isolate:
            return judge.judge(query, candidates)
        results: list[Judgement | None] = []
        for offer in candidates:
            try:
                results.extend(judge.judge(query, [offer]))
            except Exception as error:  # noqa: BLE001 - whatever it is, the question is only whose fault it is
                judge.judge(query, [query])  # raises again if the query itself is at fault
                self._metrics.add(PAIRS_SKIPPED)
                self._log.error("candidate_skipped", query=query.key, candidate=offer.key, error=repr(error))
                results.append(None)
        return results

    def _shadow(self, seat: Seat, query: Member, verdicts: Sequence[Verdict]) -> None:
        if not verdicts:
            return
        try:
            judged = seat.judge.judge(present(query), [present(each.candidate) for each in verdicts])
            for verdict, judgement in zip(verdicts, judged, strict=True):
                ruling = self._rule(seat, query, verdict.candidate, judgement)
                verdict.shadow = ShadowJudgement(
                    bundle=seat.basis.bundle, verdict=ruling.verdict, probability=judgement.probability,
                    logit=judgement.logit,
                )  # fmt: skip
        except Exception as error:  # noqa: BLE001 - nothing that happens in the shadow may reach the live stream
            for verdict in verdicts:
                verdict.shadow = None
            self._candidate_failed("shadow", query, error, len(verdicts))

    def _rule(self, seat: Seat, query: Member, candidate: Member, judgement: Judgement) -> Ruling:
        named = identifier_verdict(present(query), present(candidate))
        return decide(judgement.probability, judgement.attributes, seat.basis.policy, named)

    def _candidate_failed(self, mode: Mode, query: Member, error: Exception, pairs: int) -> None:
        self._metrics.add(CANDIDATE_FAILURES, pairs, mode=mode)
        # One that fails will fail at every change; the metric goes on counting.
        if self._complained is not self.seats:
            self._complained = self.seats
            self._log.error("candidate_failed", mode=mode, query=query.key, error=repr(error))


def seated(judge: Judge, basis: Basis) -> Seats:
    """One judge alone."""
    return Seats(Seat(judge, basis))


def present(member: Member) -> Offer:
    """The offer of a member that is known to have one. Raises ValueError for a deleted one."""
    if member.offer is None:
        raise ValueError(f"{member.key} is deleted")
    return member.offer
