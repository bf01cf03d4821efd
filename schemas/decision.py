"""One judged pair, and the one order that says which of two decisions stands.

Intent: `MatchDecision`, its id, `supersedes` and `standing`. Every reader of ours uses this order and no other.
Non-goal: how a verdict is reached (`schemas.policy`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.events import Event, Natural, Position, Timestamp, canonical, sha256_hex
from schemas.offer import pair_id
from schemas.rationale import Rationale

DecisionVerdict = Literal["match", "no_match", "review", "retracted"]
DecidedBy = Literal["student", "identifier", "label", "teacher", "change", "operator"]
"""`label` is a person's, `teacher` the large model's: both come from `match.labels`."""

DELETED_DIGEST = "deleted"
"""`Side.digest` of an offer that no longer exists: a retraction has a version of it, but no content."""


class Side(BaseModel):
    """One offer of a pair, as it was when it was judged."""

    model_config = ConfigDict(extra="allow", frozen=True)

    key: str = Field(description="offer key: source:offer_id, percent-escaped")
    effective_version: Natural = Field(description="offset of the change that wrote this content")
    digest: str = Field(description="sha256 hex of the content, or 'deleted'")
    seller_version: Natural | None = Field(default=None, description="the seller's own version, if given")


class BundleRef(BaseModel):
    """Which student judged. The order of bundles is `bundle_order`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    version: str = Field(description="semantic version")
    digest: str = Field(description="BundleManifest.digest()")
    built_at: Timestamp | None = Field(default=None, description="from the manifest; orders equal versions")


class Cuts(BaseModel):
    """The thresholds in force when a pair was judged, on the calibrated probability."""

    model_config = ConfigDict(extra="allow", frozen=True)

    match: Annotated[float, Field(ge=0, le=1, description="match at or above")]
    review_low: Annotated[float, Field(ge=0, le=1, description="review from here (inclusive)")]
    review_high: Annotated[float, Field(ge=0, le=1, description="to here (exclusive)")]


class Timings(BaseModel):
    """Wall-clock milliseconds. They are all of a decision that may differ when the same input is judged again."""

    model_config = ConfigDict(extra="allow", frozen=True)

    judge_ms: Annotated[float, Field(ge=0)] = Field(
        description="the student's call, divided by the pairs that it judged together"
    )
    explain_ms: Annotated[float, Field(ge=0)] = Field(default=0.0, description="writing the sentence")


class ShadowJudgement(BaseModel):
    """What a bundle in the shadow said of the same pair. It decides nothing."""

    model_config = ConfigDict(extra="allow", frozen=True)

    bundle: BundleRef
    verdict: Literal["match", "no_match", "review"]
    probability: Annotated[float, Field(ge=0, le=1)]
    logit: float


class MatchDecision(Event):
    """One pair judged, with all that made it. Kafka key: `pair_id`. `first`/`second` stand in the pair's order."""

    decision_id: str = Field(description="compute_decision_id(...): equal input, equal id")
    pair_id: str
    query_key: str = Field(description="the side whose change caused the judgement")
    candidate_key: str
    first: Side
    second: Side
    verdict: DecisionVerdict
    probability: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None, description="calibrated probability that both are the same product; null if nobody judged"
    )
    logit: float | None = Field(default=None, description="the answer slot's logit before calibration")
    reasons: list[str] = Field(default_factory=list, description="why the policy gave this verdict")
    rationale: Rationale | None = None
    previous_verdict: DecisionVerdict | None = Field(default=None, description="what stood before, if known")
    previous_decision_id: str | None = None
    decided_by: DecidedBy
    bundle: BundleRef
    prompt_version: str
    grammar_version: str
    policy_version: str
    candidate_rank: Natural | None = Field(default=None, description="0 is blocking's best; null: a live link")
    candidate_score: float | None = None
    linked: bool = Field(default=False, description="judged because a live link existed, not only by blocking")
    source: Position = Field(
        description="the change that caused this decision; of a labelled one the label, also where it is stated again "
        "because an offer was sent again unchanged"
    )
    decided_at: Timestamp
    thresholds: Cuts | None = Field(default=None, description="in force; null if no probability was looked at")
    orders: Literal[1, 2] = Field(default=1, description="orders of the two offers whose logits were averaged")
    timings: Timings | None = Field(default=None, description="null if nobody judged")
    deployment: Natural = Field(
        default=0, description="which entry of match.models was in force: its offset + 1; 0 before the first"
    )
    canary: bool = Field(default=False, description="judged by the candidate because the pair is in its share")
    shadow: ShadowJudgement | None = Field(default=None, description="what a candidate in the shadow said")
    label_id: str | None = Field(default=None, description="the label, when decided_by is 'label' or 'teacher'")
    corrects: str | None = Field(
        default=None,
        # Rare, and written only where it says something: all other decisions are the same bytes as before.
        exclude_if=lambda value: value is None,
        description="the decision whose verdict this label overrules, about the same contents, if known",
    )
    action_id: str | None = Field(default=None, description="the operator's action, when decided_by is 'operator'")
    replay: str | None = Field(default=None, description="name of the replay that produced it, if any")
    category: Annotated[str, Field(max_length=60)] | None = Field(
        default=None,
        # Decisions without one are the same bytes as before there was the field.
        exclude_if=lambda value: value is None,
        description="category of the query's listing, cleaned and cut, for those who watch the stream",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.pair_id != pair_id(self.first.key, self.second.key):
            raise ValueError("pair_id is not the pair of first.key and second.key")
        if not self.pair_id.startswith(f"{self.first.key}#"):
            raise ValueError("first and second are not in the pair's order")
        if {self.query_key, self.candidate_key} != {self.first.key, self.second.key}:
            raise ValueError("query_key and candidate_key are not the pair's two keys")
        return self


def compute_decision_id(
    first: Side,
    second: Side,
    query_key: str,
    bundle_digest: str,
    prompt_version: str,
    grammar_version: str,
    policy_version: str,
    label_id: str | None = None,
    *,
    deployment: int = 0,
    action_id: str | None = None,
) -> str:
    """64 hex digits that depend on what determines a decision and on nothing else.

    In: both effective versions and digests, the query side, bundle, prompt, grammar, policy, the human label or the
    operator's action if one decided, and the deployment (a bundle that is live again after a rollback publishes anew
    what it had said before, and readers that know ids must see that). Out: rank, score, source, time, replay, so that
    a change judged again gives the same id. `first` and `second` may come in either order.
    """
    sides = sorted((side.key, side.effective_version, side.digest) for side in (first, second))
    parts: list[object] = [
        sides, query_key, bundle_digest, prompt_version, grammar_version, policy_version, label_id,
    ]  # fmt: skip
    # Left out where they say nothing, so that ids from before them stay what they were.
    parts += [{"deployment": deployment}] if deployment else []
    parts += [{"action": action_id}] if action_id else []
    return sha256_hex(canonical(parts))


# semver.org, item 11; build metadata after "+" never orders. Digits are capped so that int() stays cheap.
_SEMVER = re.compile(
    r"v?(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?", re.ASCII
)
_Identifier = tuple[int, int, str]
_VersionKey = tuple[int, int, int, int, int, tuple[_Identifier, ...], str]


def semver_key(version: str) -> _VersionKey:
    """Sort key of a semantic version (semver.org, item 11). Text that is none sorts below all versions, by itself."""
    parsed = _SEMVER.fullmatch(version)
    if parsed is None:
        return (0, 0, 0, 0, 0, (), version)
    major, minor, patch = (int(part or 0) for part in parsed.group(1, 2, 3))
    if parsed[4] is None:
        return (1, major, minor, patch, 1, (), "")
    identifiers = tuple(_identifier(part) for part in parsed[4].split("."))
    return (1, major, minor, patch, 0, identifiers, "")


def _identifier(part: str) -> _Identifier:
    # Numeric identifiers are lower than textual ones and compare as numbers.
    if part.isdigit() and len(part) <= 9:
        return (0, int(part), "")
    return (1, 0, part)


def bundle_order(ref: BundleRef) -> tuple[_VersionKey, str, str, str]:
    """Sort key of bundles, newest greatest: semantic version, then `built_at`, then name, then digest.

    The versions of all bundles that one cluster ever serves form one line, whatever their names; where bundles are
    promoted and rolled back (`match.models`), the deployment orders before them. Name and digest order nothing
    meaningful; they only make the order total.
    """
    built = ref.built_at.isoformat(timespec="microseconds") if ref.built_at is not None else ""
    return (semver_key(ref.version), built, ref.name, ref.digest)


def binding(decision: MatchDecision) -> int:
    """How strongly a label binds: 2 a person's, 1 the teacher's (also where an operator acts on it), 0 none.

    An operator's action on a teacher's answer keeps that answer's `label_id` and position: it stands over it, and a
    later label stands over both.
    """
    if decision.decided_by == "label":
        return 2
    return int(
        decision.decided_by == "teacher" or (decision.decided_by == "operator" and decision.label_id is not None)
    )


_StandingKey = tuple[int, int, int, int, int, tuple[_VersionKey, str, str, str], int, int, str, str]


def standing_order(decision: MatchDecision) -> _StandingKey:
    """The sort key behind `supersedes`: of one pair's decisions, the greatest stands. See there."""
    bound = binding(decision)
    return (
        decision.first.effective_version,
        decision.second.effective_version,
        bound,
        decision.source.offset if bound else 0,
        decision.deployment,
        bundle_order(decision.bundle),
        int(decision.decided_by == "operator"),
        int(decision.query_key == decision.first.key),
        decision.decided_at.isoformat(timespec="microseconds"),
        decision.decision_id,
    )


def supersedes(a: MatchDecision, b: MatchDecision) -> bool:
    """Whether `a` stands over `b`. Raises ValueError when they are about different pairs.

    In this order:

    1. **Newer versions**: `a` does if both effective versions are at least `b`'s and one is greater.
    2. At equal versions a **label** binds, over any student: a person's over the teacher's (`binding`), and of two of
       one kind the later (`match.labels` is keyed by pair, so that their offsets are in order).
    3. Then the later **deployment** (an entry of `match.models`): so a rollback to an older bundle stands.
    4. Then the **newer bundle** (`bundle_order`: semantic version, then `built_at`).
    5. Then an **operator's** action over the student or teacher that it corrects; a newer bundle or deployment judges
       afresh.
    6. Then the decision whose **query is the pair's first id** (both sides may rightly judge a pair).
    7. Then the later `decided_at` (a replay under another policy), then the greater `decision_id`.

    **Incomparable versions** (`a` newer on one side, `b` on the other): neither saw the newest of both offers, and a
    worker that follows the protocol (index, link, judge, recheck) always publishes a third decision that is newer
    than both. Until it is read, the one with the newer version of the pair's *first* offer stands. That choice has
    no meaning, but it makes the whole a strict total order (versions compare as the tuple `(first, second)`, which
    agrees with 1.), so that decisions may arrive in any order, and repeatedly, and one and the same stands.
    """
    if a.pair_id != b.pair_id:
        raise ValueError(f"decisions of different pairs: {a.pair_id!r} and {b.pair_id!r}")
    return standing_order(a) > standing_order(b)


def standing(decisions: Iterable[MatchDecision]) -> dict[str, MatchDecision]:
    """The standing decision of each pair, by `pair_id`; the order in which they come does not matter."""
    stands: dict[str, MatchDecision] = {}
    for decision in decisions:
        held = stands.get(decision.pair_id)
        if held is None or supersedes(decision, held):
            stands[decision.pair_id] = decision
    return stands
