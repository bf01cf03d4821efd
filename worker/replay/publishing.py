"""Pairs judged at their current versions and published over what stands, as a worker would (decision 4).

Link, judge, recheck, publish, settle: the pair is linked in the live index before its offers are read, versions are
read again after judging, what moved is judged again; whoever moves an offer later finds the link and judges the pair
himself. An old version can so never overwrite today's decision. Left alone, and counted: pairs whose offers are gone,
that a label or (at this very bundle) an operator decided, that another bundle owns, and that this bundle and policy
have decided already. Non-goals: the transaction (`worker.stream.transaction`), and reading the topics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from schemas.decision import MatchDecision, bundle_order, supersedes
from schemas.offer import Offer, split_pair
from worker.blocking.records import Link, LinkState, Settle
from worker.replay.again import Again, Pair
from worker.replay.errors import WouldNotStand
from worker.stream.judging import IndexPort
from worker.stream.pairs import Member, lead, standing_of

PUBLISHED, STANDS, LABEL, OPERATOR, GONE, OTHERS, MOVED = (
    "published", "stands_already", "human_label", "operator", "offer_gone", "other_bundle_owns", "overtaken",
)  # fmt: skip


@dataclass
class Portion:
    """What came of some pairs: to be published, and what to do in the index after the commit."""

    decisions: list[MatchDecision] = field(default_factory=list)
    offers: dict[str, Offer] = field(default_factory=dict)
    """Contents that were judged, by key, for review tasks."""
    settles: list[Settle] = field(default_factory=list)
    unlinks: list[tuple[str, str, LinkState]] = field(default_factory=list)
    """Marks of ours on pairs that were not published after all."""


class Publishing:
    """Judges current versions. `owns(pair)` says whether this bundle decides it under the deployment in force,
    `ours(decision)` whether an earlier session of this very run published it."""

    def __init__(
        self, index: IndexPort, again: Again, name: str, rounds: int, owns: Callable[[str], bool],
        ours: Callable[[MatchDecision], bool],
    ) -> None:  # fmt: skip  # fmt: skip
        self._index = index
        self._again = again
        self._basis = again.basis
        # No change of a partition is called so: a worker that settles its own attempt leaves ours alone.
        self._token = f"replay:{name}"
        self._rounds = rounds
        self._owns = owns
        self._ours = ours

    def judge(self, standing: Sequence[MatchDecision], counts: Counter[str]) -> Portion:
        """Judge the pairs of these standing decisions, which are those of now. Nothing is published yet.

        Raises WouldNotStand before anything is linked, redis errors, and worker.blocking.IndexLost.
        """
        portion = Portion()
        wanted = [held for held in standing if self._owns(held.pair_id)]
        counts[OTHERS] += len(standing) - len(wanted)
        if not wanted:
            return portion
        held = {each.pair_id: each for each in wanted}
        candidates = self._current(wanted)
        needed = {
            pair: members for pair, members in candidates.items() if self._needed(held[pair], *members, portion, counts)
        }
        self._index.link_many(Link(first.key, second.key, self._token) for first, second in needed.values())
        made: dict[str, MatchDecision] = {}
        open_ = [held[pair] for pair in needed]
        linked = list(needed)
        for _ in range(self._rounds):
            members = self._current(open_)
            for each in open_:
                made.pop(each.pair_id, None)
            made |= self._judged(open_, members, portion, counts)
            now = self._current(open_)
            open_ = [each for each in open_ if _versions(now[each.pair_id]) != _versions(members[each.pair_id])]
            if not open_:
                break
        for pair in linked:
            first, second = split_pair(pair)
            if pair in made:
                portion.decisions.append(made[pair])
                contents = portion.offers[first], portion.offers[second]
                portion.settles.append(Settle(first, second, self._token, standing_of(made[pair], *contents)))
            else:
                portion.unlinks.append((first, second, LinkState(tokens=frozenset({self._token}))))
        return portion

    def check(self, held: MatchDecision) -> None:
        """Raises WouldNotStand if at the same versions a decision of ours would not stand over this one."""
        if held.decided_by in ("label", "teacher", "operator") or not self._owns(held.pair_id):
            return
        ours, theirs = (
            (self._basis.deployment, bundle_order(self._basis.bundle)),
            (held.deployment, bundle_order(held.bundle)),
        )
        if ours < theirs:
            new, old, number = self._basis.bundle, held.bundle, self._basis.deployment
            raise WouldNotStand(
                f"decisions of {new.name} {new.version} ({new.digest[:12]}, deployment {number}) would not "
                f"supersede what stands of {held.pair_id}: {old.name} {old.version} ({old.digest[:12]}, deployment "
                f"{held.deployment}). Promote the new bundle first (`samesku models promote`), or give it a newer "
                "version"
            )

    def _needed(
        self, held: MatchDecision, first: Member, second: Member, portion: Portion, counts: Counter[str]
    ) -> bool:
        """Whether a pair has anything to be published; the reasons why not are counted."""
        if first.offer is None or second.offer is None:
            counts[GONE] += 1
            return False
        same_content = (held.first.digest, held.second.digest) == (first.digest, second.digest)
        # A label binds while the digests of both offers stand, whatever their versions.
        if held.decided_by in ("label", "teacher") and same_content:
            counts[LABEL] += 1
            return False
        if (held.first.effective_version, held.second.effective_version) == (first.version, second.version):
            ours = held.bundle.digest == self._basis.bundle.digest and held.deployment == self._basis.deployment
            if ours and held.decided_by == "operator":
                counts[OPERATOR] += 1
                return False
            if ours and held.policy_version == self._basis.policy.version:
                counts[PUBLISHED if self._ours(held) else STANDS] += 1
                if self._ours(held):
                    # Of this run, before it was killed: its mark may still be there.
                    standing = standing_of(held, first.offer, second.offer)
                    portion.settles.append(Settle(first.key, second.key, self._token, standing))
                return False
            self.check(held)
        elif held.first.effective_version > first.version or held.second.effective_version > second.version:
            # The index has not caught up with what is published: a worker is about to judge, or has.
            counts[MOVED] += 1
            return False
        return True

    def _current(self, decisions: Sequence[MatchDecision]) -> dict[str, tuple[Member, Member]]:
        """Both offers of each pair as the index has them now."""
        keys = [key for each in decisions for key in (each.first.key, each.second.key)]
        stored = self._index.read(keys)
        members = [
            Member.gone(key, 0) if found is None else Member.stored(found)
            for key, found in zip(keys, stored, strict=True)
        ]
        return {each.pair_id: (members[2 * place], members[2 * place + 1]) for place, each in enumerate(decisions)}

    def _judged(
        self, decisions: Sequence[MatchDecision], members: dict[str, tuple[Member, Member]], portion: Portion,
        counts: Counter[str],
    ) -> dict[str, MatchDecision]:  # fmt: skip
        pairs = []
        for each in decisions:
            first, second = members[each.pair_id]
            if first.offer is None or second.offer is None:
                counts[GONE] += 1
                continue
            portion.offers |= {first.key: first.offer, second.key: second.offer}
            asked = (first, second) if each.query_key == first.key else (second, first)
            pairs.append(Pair(each, *lead(*asked, self._basis.pair_order)))
        return {
            pair.made.pair_id: made
            for pair, made in zip(pairs, self._again.judge(pairs, counts), strict=True)
            # One that would not stand would only be read by everybody and count for nothing.
            if made is not None and supersedes(made, pair.made)
        }


def _versions(members: tuple[Member, Member]) -> tuple[int, int]:
    return members[0].version, members[1].version
