"""Why one decision of a pair stands over another, in words. Pure; `schemas.decision.supersedes` is what decides."""

from __future__ import annotations

from schemas.decision import MatchDecision, binding, bundle_order, supersedes


def why_over(winner: MatchDecision, loser: MatchDecision) -> str:
    """The first rule of `supersedes` that tells the two apart. Raises ValueError if `winner` does not stand over it."""
    if not supersedes(winner, loser):
        raise ValueError(f"{winner.decision_id} does not stand over {loser.decision_id}")
    newer = [
        f"{ours.key} at version {ours.effective_version} instead of {theirs.effective_version}"
        for ours, theirs in ((winner.first, loser.first), (winner.second, loser.second))
        if ours.effective_version > theirs.effective_version
    ]
    if newer:
        return "newer versions: " + ", ".join(newer)
    if binding(winner) != binding(loser):
        who = "a human label" if binding(winner) == 2 else "the teacher's answer"
        return f"{who} binds at equal versions"
    if binding(winner) and winner.source.offset != loser.source.offset:
        return "a later human label" if binding(winner) == 2 else "a later answer of the teacher"
    if winner.deployment != loser.deployment:
        return f"a later deployment: {winner.deployment} instead of {loser.deployment}"
    if bundle_order(winner.bundle) != bundle_order(loser.bundle):
        return (
            f"a newer bundle: {winner.bundle.name} {winner.bundle.version} instead of "
            f"{loser.bundle.name} {loser.bundle.version}"
        )
    if winner.decided_by != loser.decided_by and winner.decided_by == "operator":
        corrected = "teacher" if binding(loser) else "student"
        return f"an operator's action corrects the {corrected}"
    if winner.query_key != loser.query_key:
        return "judged from the side of the pair's first offer"
    if winner.decided_at != loser.decided_at:
        return "decided later"
    return "the greater decision id (a tie in all else)"
