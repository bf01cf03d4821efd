"""The pure part of judging: who stands where in a pair, what a decision is made of, and when it need not be made again.

Intent: no I/O and no clock of its own; everything here can be computed again from events alone, which is how a rebuilt
index gets its standing decisions back (`standing_of`). Non-goal: the order of steps (`judging`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from schemas.decision import (
    DELETED_DIGEST,
    BundleRef,
    Cuts,
    DecidedBy,
    DecisionVerdict,
    MatchDecision,
    ShadowJudgement,
    Side,
    Timings,
    compute_decision_id,
    standing_order,
)
from schemas.events import Position
from schemas.evidence import identifier_verdict
from schemas.grammar import GRAMMAR_HASH, GRAMMAR_VERSION
from schemas.offer import Offer, pair_id
from schemas.policy import Policy
from schemas.prompt import PROMPT_HASH, PROMPT_VERSION, render_candidate, render_query
from schemas.rationale import Rationale
from schemas.text import clean
from worker.blocking.records import Candidate, HeldLabel, LinkState, Standing, StoredOffer

PairOrder = Literal["query_first", "first_id"]
"""Which offer of a pair stands first in the prompt.

`query_first` (decision 12) computes the changed offer's tokens once for all its candidates. `first_id` puts the pair's
first id there: a pair's verdict then depends on the two contents alone, and on no arrival order, at the price of a
prompt prefix for every other candidate. It makes runs comparable decision by decision.
"""

LINKING = ("match", "review")

# As long as `MatchDecision.category` may be.
CATEGORY_CHARS = 60


@dataclass(frozen=True, slots=True)
class Basis:
    """What every decision of one judge has in common."""

    bundle: BundleRef
    policy: Policy
    """Resolved: all thresholds set."""
    pair_order: PairOrder = "query_first"
    deployment: int = 0
    """The entry of `match.models` in force: its offset + 1; 0 before the first."""
    canary: bool = False
    """Whether this is a candidate that judges the share it owns."""

    @property
    def thresholds(self) -> Cuts | None:
        """The policy's thresholds; None for a policy that is not resolved."""
        match, low, high = self.policy.match_threshold, self.policy.review_low, self.policy.review_high
        if match is None or low is None or high is None:
            return None
        return Cuts(match=match, review_low=low, review_high=high)


@dataclass(frozen=True, slots=True)
class Member:
    """One offer of a pair as it was when the pair was looked at; `offer` is None for a deleted one."""

    key: str
    version: int
    digest: str
    offer: Offer | None
    seller_version: int | None = None

    @property
    def side(self) -> Side:
        return Side(
            key=self.key, effective_version=self.version, digest=self.digest, seller_version=self.seller_version
        )

    @classmethod
    def stored(cls, stored: StoredOffer) -> Member:
        if stored.deleted:
            return cls.gone(stored.key, stored.effective_version, stored.seller_version)
        offer = stored.offer
        return cls(stored.key, stored.effective_version, stored.digest, offer, stored.seller_version)

    @classmethod
    def gone(cls, key: str, version: int, seller_version: int | None = None) -> Member:
        return cls(key, version, DELETED_DIGEST, None, seller_version)


def in_pair_order(a: Member, b: Member) -> tuple[Member, Member]:
    return (a, b) if a.key <= b.key else (b, a)


def lead(changed: Member, other: Member, order: PairOrder) -> tuple[Member, Member]:
    """(query, candidate) as the prompt has them."""
    return (changed, other) if order == "query_first" else in_pair_order(changed, other)


def prompt_key(query: Offer, candidate: Offer) -> str:
    """32 hex digits over everything of two offers that the student and the policy read, and the form in which they do.

    Two changes of one offer that render alike (a new image, say) have the same key, whatever their digests.
    """
    parts = (
        PROMPT_HASH, GRAMMAR_HASH, render_query(query), render_candidate(query, candidate),
        identifier_verdict(query, candidate) or "",
    )  # fmt: skip
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


def reusable(changed: Member, other: Member, link: LinkState | None, basis: Basis) -> str | None:
    """The id of the standing decision that answers for this pair, or None when it must be judged.

    A pending link never does: its standing decision is only the previous one. A label's decision stands while both
    digests do, whatever bundle and policy judge now, and no longer, even where another content reads the same.
    """
    if link is None or link.pending or link.standing is None or changed.offer is None or other.offer is None:
        return None
    standing = link.standing
    if link.bound:
        first, second = in_pair_order(changed, other)
        return standing.decision_id if standing.digests == (first.digest, second.digest) else None
    if standing.bundle != basis.bundle.digest or standing.policy != basis.policy.version:
        return None
    # A standing decision may have been made from either side.
    keys = (prompt_key(changed.offer, other.offer), prompt_key(other.offer, changed.offer))
    return standing.decision_id if standing.prompt in keys else None


def binding_label(labels: Iterable[HeldLabel], a: Member, b: Member) -> HeldLabel | None:
    """The label of a pair that is about the very contents that its two offers have."""
    first, second = in_pair_order(a, b)
    if first.offer is None or second.offer is None:
        return None
    return label_about(labels, (first.digest, second.digest))


def label_about(labels: Iterable[HeldLabel], digests: tuple[str, str]) -> HeldLabel | None:
    """The label of a pair that is about these contents, in the pair's order."""
    return next((label for label in labels if label.digests == digests), None)


def labelled(
    basis: Basis, query: Member, candidate: Member, label: HeldLabel, at: datetime,
    *, link: LinkState | None = None, blocked: Candidate | None = None,
) -> MatchDecision:  # fmt: skip
    """The decision that a binding label makes. Nobody judged: `basis` only says under whom it was published.

    Its `source` is the label's position, also where a change causes it to be stated again: of two labels the later one
    stands by that (`schemas.decision.standing_order`).
    """
    source = Position(topic=label.topic, partition=label.partition, offset=label.offset)
    made = decision(
        basis, query, candidate, label.verdict, source, at,
        decided_by="label" if label.by == "person" else "teacher",
        reasons=(f"label:{label.by}",), link=link, blocked=blocked, label_id=label.label_id,
    )  # fmt: skip
    standing = link.standing if link is not None else None
    update: dict[str, object] = {}
    if standing is None and label.decision_id is not None:
        # The index keeps no no_match: what the reviewer looked at is then the best that is known.
        update = {"previous_decision_id": label.decision_id, "previous_verdict": label.seen_verdict}
    if standing is not None and standing.verdict == "match" and label.verdict == "no_match":
        update["corrects"] = standing.decision_id
    elif label.decision_id is not None and {label.seen_verdict, label.verdict} == {"match", "no_match"}:
        update["corrects"] = label.decision_id
    return made.model_copy(update=update)


def decision(
    basis: Basis,
    query: Member,
    candidate: Member,
    verdict: DecisionVerdict,
    source: Position,
    at: datetime,
    *,
    decided_by: DecidedBy,
    reasons: Sequence[str] = (),
    probability: float | None = None,
    logit: float | None = None,
    rationale: Rationale | None = None,
    link: LinkState | None = None,
    blocked: Candidate | None = None,
    orders: Literal[1, 2] = 1,
    timings: Timings | None = None,
    shadow: ShadowJudgement | None = None,
    label_id: str | None = None,
) -> MatchDecision:
    """One decision, with its id and what stood before it.

    `orders`, `timings` and `shadow` are of the judgement, if there was one; thresholds stand in the decision only where
    a probability was looked at.
    """
    first, second = in_pair_order(query, candidate)
    before = link.standing if link is not None else None
    return MatchDecision(
        decision_id=compute_decision_id(
            first.side,
            second.side,
            query.key,
            basis.bundle.digest,
            PROMPT_VERSION,
            GRAMMAR_VERSION,
            basis.policy.version,
            label_id,
            deployment=basis.deployment,
        ),
        pair_id=pair_id(query.key, candidate.key),
        query_key=query.key,
        candidate_key=candidate.key,
        first=first.side,
        second=second.side,
        verdict=verdict,
        probability=probability,
        logit=logit,
        reasons=list(reasons),
        rationale=rationale,
        previous_verdict=before.verdict if before is not None else None,
        previous_decision_id=before.decision_id if before is not None else None,
        decided_by=decided_by,
        bundle=basis.bundle,
        prompt_version=PROMPT_VERSION,
        grammar_version=GRAMMAR_VERSION,
        policy_version=basis.policy.version,
        # Blocking counts ranks from 1, events from 0.
        candidate_rank=blocked.rank - 1 if blocked is not None else None,
        candidate_score=blocked.score if blocked is not None else None,
        linked=link is not None,
        source=source,
        decided_at=at,
        thresholds=basis.thresholds if probability is not None else None,
        orders=orders,
        timings=timings,
        deployment=basis.deployment,
        canary=basis.canary,
        shadow=shadow,
        label_id=label_id,
        category=_category(query.offer),
    )


def _category(offer: Offer | None) -> str | None:
    return clean(offer.category, CATEGORY_CHARS) or None if offer is not None and offer.category else None


def standing_of(made: MatchDecision, first: Offer | None, second: Offer | None) -> Standing:
    """What the index keeps of a decision. Without both offers it can be followed up, but never be reused."""
    key = ""
    if first is not None and second is not None:
        key = prompt_key(first, second) if made.query_key == made.first.key else prompt_key(second, first)
    return Standing(
        decision_id=made.decision_id,
        verdict=made.verdict,
        versions=(made.first.effective_version, made.second.effective_version),
        digests=(made.first.digest, made.second.digest),
        bundle=made.bundle.digest,
        prompt=key,
        policy=made.policy_version,
        order=standing_order(made),
    )
