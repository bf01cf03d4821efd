"""Index, link, judge, recheck (decision 4), for one change whose offer is already in the index.

The order is what makes two racing workers safe: the changed offer was indexed before its candidates are asked for; each
pair is linked with both offers *before* their contents are read and judged; versions are read again afterwards, and
what moved is judged again. Whoever moves an offer later finds the link and judges the pair himself.

Non-goals: Kafka, and what becomes of the decisions (`outputs`). Exceptions of Redis and of the student pass through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from schemas.decision import MatchDecision
from schemas.events import Position
from schemas.offer import Offer, pair_id
from worker.blocking.records import Candidate, Delete, HeldLabel, Link, LinkState, Settle, StoredOffer, Upsert, Written
from worker.stream.backoff import Log
from worker.stream.bench import Bench, Seats, Verdict, present, seated
from worker.stream.metrics import PAIRS_REJUDGED, PAIRS_UNCHANGED, Metrics
from worker.stream.pairs import LINKING, Basis, Member, binding_label, decision, labelled, lead, reusable, standing_of
from worker.student.judge import Judge


class IndexPort(Protocol):
    """The part of `worker.blocking.Index` that judging uses."""

    def write_many(self, changes: Sequence[Upsert | Delete]) -> list[Written]: ...

    def candidates(self, offer: Offer, k: int) -> list[Candidate]: ...

    def read(self, keys: Sequence[str]) -> list[StoredOffer | None]: ...

    def links(self, key: str) -> dict[str, LinkState]: ...

    def labels(self, key: str) -> dict[str, list[HeldLabel]]: ...

    def link_many(self, links: Iterable[Link]) -> None: ...

    def settle_many(self, outcomes: Sequence[Settle]) -> list[bool]: ...

    def unlink_many(self, links: Iterable[tuple[str, str, LinkState]]) -> None: ...

    def set_applied(self, offsets: Mapping[int, int]) -> None: ...


@dataclass
class Followed:
    """What came of the pairs of one change."""

    considered: int = 0
    decisions: list[MatchDecision] = field(default_factory=list)
    """New ones, to be published with this change's answer."""
    shared_ids: list[str] = field(default_factory=list)
    """Decisions of this batch that the other side's change has made at the very same versions."""
    standing_ids: list[str] = field(default_factory=list)
    rejudged: int = 0
    offers: dict[str, Offer] = field(default_factory=dict)
    """Contents that were judged, by key, for review tasks."""
    settles: list[Settle] = field(default_factory=list)
    """After the commit."""
    unlinks: list[tuple[str, str, LinkState]] = field(default_factory=list)
    """After the commit."""


class Judging:
    """Judges all pairs of a change. `now` gives the wall clock in UTC; `rounds` bounds how often one pair is judged.

    `judge` with `basis` sits alone on the bench until `seats` are set, which may happen between two batches.
    """

    def __init__(
        self,
        index: IndexPort,
        judge: Judge,
        basis: Basis,
        rounds: int,
        now: Callable[[], datetime],
        metrics: Metrics,
        log: Log,
    ) -> None:
        self.index = index
        self.bench = Bench(seated(judge, basis), metrics, log)
        self._rounds = rounds
        self._now = now
        self._metrics = metrics
        self._log = log

    @property
    def seats(self) -> Seats:
        """Who judges at present."""
        return self.bench.seats

    @seats.setter
    def seats(self, seats: Seats) -> None:
        self.bench.seats = seats

    def upsert(
        self, changed: Member, source: Position, k: int, made: Mapping[str, MatchDecision], isolate: bool = False
    ) -> Followed:
        """Judge a changed offer against blocking's `k` best and all its live links.

        `made` holds this batch's decisions so far, by pair id: one of the same versions on both sides is shared. With
        `isolate` a candidate whose judgement fails is left out if the query is sound by itself.
        """
        offer = present(changed)
        links = self.index.links(changed.key)
        # Asked for after the offer was indexed: whoever writes a label later reads this very version (`labels`).
        labels = self.index.labels(changed.key)
        blocked = {candidate.key: candidate for candidate in self.index.candidates(offer, k)} if k > 0 else {}
        others = list(dict.fromkeys([*blocked, *links]))
        followed = Followed(considered=len(others), offers={changed.key: offer})
        attempt = _Attempt(self, changed, source, links, labels, blocked, made, followed, isolate)
        if others:
            attempt.run(others, self._rounds)
        return followed

    def delete(self, gone: Member, source: Position) -> Followed:
        """Retract what stands between a deleted offer and others."""
        links = self.index.links(gone.key)
        followed = Followed(considered=len(links))
        if links:
            for key, stored in zip(links, self.index.read(list(links)), strict=True):
                self.retract(gone, _member(key, stored, links[key], gone.key), links[key], source, followed)
        return followed

    def retract(self, changed: Member, other: Member, link: LinkState, source: Position, followed: Followed) -> None:
        """Publish `retracted` unless it is certain that no match stands, and forget the link."""
        followed.unlinks.append((changed.key, other.key, link))
        # An earlier attempt of this very change was not committed, or it would not come again: its mark says nothing.
        others = link.tokens - {attempt_token(source)}
        if others or (link.standing is not None and link.standing.verdict in LINKING):
            followed.decisions.append(
                # Nobody judged, so that it is of the live bundle, whoever owns the pair.
                decision(
                    self.seats.live.basis, changed, other, "retracted", source, self._now(),
                    decided_by="change", reasons=("offer_deleted",), link=link,
                )
            )  # fmt: skip

    def moment(self) -> datetime:
        return self._now()

    def count(self, rejudged: int, unchanged: int) -> None:
        self._metrics.add(PAIRS_REJUDGED, rejudged)
        self._metrics.add(PAIRS_UNCHANGED, unchanged)


class _Attempt:
    """The rounds of one change: link, read, judge, read again; what moved goes into the next round."""

    def __init__(
        self, judging: Judging, changed: Member, source: Position, links: dict[str, LinkState],
        labels: dict[str, list[HeldLabel]], blocked: dict[str, Candidate], made: Mapping[str, MatchDecision],
        followed: Followed, isolate: bool,
    ) -> None:  # fmt: skip
        self._judging = judging
        self._index = judging.index
        self._seats = judging.seats
        self._changed = changed
        self._source = source
        self._links = links
        self._labels = labels
        self._blocked = blocked
        self._made = made
        self._followed = followed
        self._isolate = isolate
        self._token = attempt_token(source)
        self._linked: set[str] = set()
        self._verdicts: dict[str, Verdict] = {}
        self._kept: dict[str, str] = {}
        self._shared: dict[str, str] = {}
        self._gone: dict[str, Member] = {}
        self._labelled: dict[str, tuple[Member, HeldLabel]] = {}

    def run(self, others: list[str], rounds: int) -> None:
        open_ = others
        for number in range(rounds):
            if number:
                self._followed.rejudged += len(open_)
            members = self._round(open_, first=number == 0)
            open_ = self._moved(members)
            if not open_:
                break
        # After the last round what moved is published as judged: its mover has found the link and judges it again.
        self._finish()

    def _round(self, keys: list[str], first: bool) -> dict[str, int]:
        """Look at each pair once; returns the version of the other side that was looked at."""
        for known in (self._verdicts, self._kept, self._shared, self._gone, self._labelled):
            for key in keys:
                known.pop(key, None)
        # What may be answered by a standing decision is looked at first; everything else is linked before it is read.
        perhaps = [key for key in keys if first and self._may_stand(key)]
        members = self._look(perhaps)
        rest = [key for key in keys if key not in perhaps]
        for key in perhaps:
            if not self._stands(members[key]):
                rest.append(key)
        if rest:
            self._index.link_many(Link(self._changed.key, key, self._token) for key in rest)
            self._linked.update(rest)
            members |= self._look(rest)
            self._judge([members[key] for key in rest])
        return {key: member.version for key, member in members.items()}

    def _look(self, keys: list[str]) -> dict[str, Member]:
        if not keys:
            return {}
        stored = self._index.read(keys)
        own = self._changed.key
        return {key: _member(key, found, self._links.get(key), own) for key, found in zip(keys, stored, strict=True)}

    def _may_stand(self, key: str) -> bool:
        link = self._links.get(key)
        return pair_id(self._changed.key, key) in self._made or (
            link is not None and link.standing is not None and not link.pending
        )

    def _stands(self, other: Member) -> bool:
        made = self._made.get(pair_id(self._changed.key, other.key))
        if made is not None and {made.first, made.second} == {self._changed.side, other.side}:
            self._shared[other.key] = made.decision_id
            return True
        basis = self._seats.owner(pair_id(self._changed.key, other.key)).basis
        link = self._links.get(other.key)
        standing_id = reusable(self._changed, other, link, basis)
        if standing_id is None:
            return False
        if self._label_of(other) is not None and not (link is not None and link.bound):
            # Its content was another one meanwhile, and is again what somebody has labelled.
            return False
        self._kept[other.key] = standing_id
        return True

    def _label_of(self, other: Member) -> HeldLabel | None:
        return binding_label(self._labels.get(other.key, ()), self._changed, other)

    def _judge(self, others: list[Member]) -> None:
        groups: dict[str, tuple[Member, list[Member]]] = {}
        for other in others:
            if other.offer is None:
                self._gone[other.key] = other
                continue
            self._followed.offers[other.key] = other.offer
            label = self._label_of(other)
            if label is not None:
                self._labelled[other.key] = (other, label)
                continue
            query, candidate = lead(self._changed, other, self._seats.live.basis.pair_order)
            groups.setdefault(query.key, (query, []))[1].append(candidate)
        for query, candidates in groups.values():
            for verdict in self._judging.bench.judge(query, candidates, self._isolate):
                if verdict is not None:
                    other = verdict.candidate if verdict.query.key == self._changed.key else verdict.query
                    self._verdicts[other.key] = verdict

    def _moved(self, looked_at: dict[str, int]) -> list[str]:
        keys = list(looked_at)
        return [
            key
            for key, stored in zip(keys, self._index.read(keys), strict=True)
            if stored is not None and stored.effective_version != looked_at[key]
        ]

    def _finish(self) -> None:
        followed, judging = self._followed, self._judging
        for verdict in self._verdicts.values():
            other = verdict.candidate if verdict.query.key == self._changed.key else verdict.query
            judgement = verdict.judgement
            rationale, timings = judging.bench.rationale(verdict, self._isolate)
            made = decision(
                verdict.seat.basis, verdict.query, verdict.candidate, verdict.ruling.verdict, self._source,
                judging.moment(),
                decided_by=verdict.ruling.decided_by,
                reasons=verdict.ruling.reasons,
                probability=judgement.probability if judgement is not None else None,
                logit=judgement.logit if judgement is not None else None,
                rationale=rationale,
                link=self._links.get(other.key),
                blocked=self._blocked.get(other.key),
                orders=judgement.orders if judgement is not None else 1,
                timings=timings,
                shadow=verdict.shadow,
            )  # fmt: skip
            self._add(made, other)
        for other, label in self._labelled.values():
            # Nobody judged, so that it is of the live bundle, whoever owns the pair.
            self._add(
                labelled(
                    self._seats.live.basis, self._changed, other, label, judging.moment(),
                    link=self._links.get(other.key), blocked=self._blocked.get(other.key),
                ),
                other,
            )  # fmt: skip
        for other in self._gone.values():
            link = self._links.get(other.key)
            if link is not None:
                judging.retract(self._changed, other, link, self._source, followed)
        mine = LinkState(tokens=frozenset({self._token}))
        for key in self._linked - self._verdicts.keys() - self._labelled.keys():
            # Linked, and then nothing to judge: take back our own mark, and nobody else's.
            followed.unlinks.append((self._changed.key, key, mine))
        followed.shared_ids.extend(self._shared.values())
        followed.standing_ids.extend(self._kept.values())
        judging.count(followed.rejudged, len(self._kept))

    def _add(self, made: MatchDecision, other: Member) -> None:
        followed = self._followed
        followed.decisions.append(made)
        first, second = (followed.offers[key] for key in (made.first.key, made.second.key))
        followed.settles.append(Settle(self._changed.key, other.key, self._token, standing_of(made, first, second)))


def attempt_token(source: Position) -> str:
    """What an attempt is called in the index: the change's identity, so that a redelivery writes the same mark."""
    return f"{source.partition}:{source.offset}"


def _member(key: str, stored: StoredOffer | None, link: LinkState | None, own: str) -> Member:
    """The other offer as read. One that is not in the index counts as deleted, at the last version known of it."""
    if stored is not None:
        return Member.stored(stored)
    standing = link.standing if link is not None else None
    return Member.gone(key, 0 if standing is None else standing.versions[0 if key <= own else 1])
