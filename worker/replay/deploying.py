"""Under which deployment a replay publishes, and which pairs are its bundle's to decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schemas.decision import BundleRef
from schemas.deployment import owner
from schemas.sections import KafkaSettings
from worker.registry.registry import Registry
from worker.replay.errors import WouldNotStand


@dataclass(frozen=True)
class InForce:
    """What decisions are stamped with; `owns` says whether the bundle decides a pair id."""

    deployment: int
    canary: bool
    owns: Callable[[str], bool]


def in_force(kafka: KafkaSettings, bundle: BundleRef) -> InForce:
    """The deployment of now. Before the first, any bundle may publish everything.

    Raises WouldNotStand for a bundle that is neither live nor on a share, since what the workers say would stand over
    it; worker.stream.errors.Unavailable and worker.registry.failures.RegistryError.
    """
    state = Registry.read(kafka)
    now = state.deployment
    if now is None:
        return InForce(0, False, lambda pair: True)
    canary = now.mode == "canary" and now.candidate is not None and now.candidate.digest == bundle.digest
    if now.live.digest != bundle.digest and not canary:
        live = now.live
        ours, theirs = (f"{ref.name} {ref.version} ({ref.digest[:12]})" for ref in (bundle, live))
        raise WouldNotStand(
            f"{ours} decides nothing in deployment {state.number}, where {theirs} is live: what it published would not "
            "supersede that. Promote it first (`samesku models promote`), or replay without --publish"
        )
    return InForce(state.number, canary, lambda pair: owner(pair, now).digest == bundle.digest)
