"""From what is deployed to what is to be: one function a move. Pure.

Each takes the state that was read, `start` (what is served where nothing has been deployed yet: the bundle of the
settings) and the `Order`, and returns the whole deployment to be written. Raises RegistryError for a move that makes
no sense from here.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.decision import BundleRef
from schemas.deployment import Action, Deployment
from worker.registry.failures import RegistryError
from worker.registry.state import CANDIDATE, LIVE, RegistryState


@dataclass(frozen=True, slots=True)
class Order:
    """Who wants it, why and when."""

    by: str
    reason: str
    at: datetime
    deployment_id: str = field(default_factory=lambda: uuid.uuid4().hex)


def promote(state: RegistryState, start: BundleRef, wanted: BundleRef | None, order: Order) -> Deployment:
    """Make a bundle live (by default the candidate), for all pairs; a trial ends.

    The bundle that is live already may be promoted again: workers that refused it try once more.
    """
    live, previous, candidate = _now(state, start)
    chosen = wanted or candidate
    if chosen is None:
        raise RegistryError("there is no candidate to promote: name a bundle")
    same = chosen.digest == live.digest
    return _made(state, "promote", order, live=chosen, previous=previous if same else live)


def rollback(state: RegistryState, start: BundleRef, order: Order) -> Deployment:
    """Make the previous bundle live again; a trial ends. What was live is the previous one then."""
    live, previous, _ = _now(state, start)
    if previous is None:
        raise RegistryError("there is no previous bundle to go back to: promote one by its name")
    return _made(state, "rollback", order, live=previous, previous=live)


def shadow(state: RegistryState, start: BundleRef, wanted: BundleRef | None, order: Order) -> Deployment:
    """Let a bundle (by default the candidate) judge all pairs unseen."""
    live, previous, candidate = _now(state, start)
    tried = _tried(live, wanted or candidate)
    return _made(state, "shadow", order, live=live, previous=previous, candidate=tried, mode="shadow")


def canary(
    state: RegistryState, start: BundleRef, wanted: BundleRef | None, share: float, order: Order
) -> Deployment:  # fmt: skip
    """Let a bundle (by default the candidate) decide a share of the pairs, above 0 to 1."""
    if not 0 < share <= 1:
        raise RegistryError(f"a canary's share is above 0 and at most 1 (100%), not {share}")
    live, previous, candidate = _now(state, start)
    tried = _tried(live, wanted or candidate)
    return _made(
        state, "canary", order, live=live, previous=previous, candidate=tried, mode="canary", share=share
    )  # fmt: skip


def stop(state: RegistryState, start: BundleRef, order: Order) -> Deployment:
    """End a trial: the live bundle decides all pairs. The candidate keeps its alias."""
    now = state.deployment
    if now is None or now.mode == "off":
        raise RegistryError("there is no trial to stop: no bundle is in the shadow or on a share")
    live, previous, candidate = _now(state, start)
    return _made(state, "stop", order, live=live, previous=previous, candidate=candidate)


def gainers(before: Deployment | None, start: BundleRef, after: Deployment) -> list[str]:
    """Aliases of the bundles that decide pairs now which another bundle decided before; `start` as for the moves.

    The standing decisions of those pairs are of a bundle that no longer owns them, until they are judged again.
    """
    live_before = start if before is None else before.live
    old, share_before = _on_share(before)
    new, share = _on_share(after)
    found = []
    if live_before.digest != after.live.digest or (old is not None and (new != old or share < share_before)):
        found.append(LIVE)
    if new is not None and (new != old or share > share_before):
        found.append(CANDIDATE)
    return found


def _on_share(deployment: Deployment | None) -> tuple[str | None, float]:
    if deployment is None or deployment.candidate is None or deployment.mode != "canary":
        return None, 0.0
    return deployment.candidate.digest, deployment.share


def _now(state: RegistryState, start: BundleRef) -> tuple[BundleRef, BundleRef | None, BundleRef | None]:
    now = state.deployment
    return (start, None, None) if now is None else (now.live, now.previous, now.candidate)


def _tried(live: BundleRef, candidate: BundleRef | None) -> BundleRef:
    if candidate is None:
        raise RegistryError("there is no candidate: name a bundle to try")
    if candidate.digest == live.digest:
        raise RegistryError(f"{live.name} {live.version} ({live.digest[:16]}) is live: there is nothing to try")
    return candidate


def _made(state: RegistryState, action: Action, order: Order, **fields: Any) -> Deployment:
    return Deployment(
        deployment_id=order.deployment_id, action=action, seen=state.number, by=order.by, reason=order.reason,
        at=order.at, **fields,
    )  # fmt: skip
