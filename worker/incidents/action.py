"""An operator's decision about one pair: what stands is sent to people, or retracted. Pure.

It stands over the student that it corrects, and gives way to a newer bundle, a newer deployment and newer versions of
the offers (`schemas.decision.supersedes`); a person's label it never overrules, a teacher's answer it does.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from schemas.decision import MatchDecision, compute_decision_id

Target = Literal["review", "retracted"]
TARGETS: tuple[Target, ...] = ("review", "retracted")

LABEL, DONE, NOTHING = "bound by a label", "done already", "no match stands"


def why_not(held: MatchDecision, target: Target) -> str | None:
    """Why nothing is to be done about a standing decision; None if something is."""
    if held.decided_by == "label":
        return LABEL
    if held.verdict == target:
        return DONE
    # A no_match or a retraction that is reported wrong is a match that was missed: only people can mend it.
    return NOTHING if target == "retracted" and held.verdict not in ("match", "review") else None


def acted(held: MatchDecision, target: Target, action_id: str, at: datetime) -> MatchDecision:
    """The operator's decision over ``held``; equal input and action give an equal id."""
    keep = target == "review"
    return held.model_copy(
        update={
            "decision_id": compute_decision_id(
                held.first, held.second, held.query_key, held.bundle.digest, held.prompt_version,
                held.grammar_version, held.policy_version, held.label_id, deployment=held.deployment,
                action_id=action_id,
            ),
            "verdict": target,
            "probability": held.probability if keep else None,
            "logit": held.logit if keep else None,
            "rationale": held.rationale if keep else None,
            "thresholds": held.thresholds if keep else None,
            "reasons": [f"incident:{action_id}"],
            "timings": None,
            "shadow": None,
            "canary": False,
            "replay": None,
            "previous_verdict": held.verdict,
            "previous_decision_id": held.decision_id,
            "decided_by": "operator",
            "action_id": action_id,
            "decided_at": at,
        }
    )  # fmt: skip
