"""From what the registry says to loaded bundles on their seats.

A deployment takes effect on a worker as a whole or not at all: if one of its bundles cannot be had, the worker goes on
with what it serves and stamps its decisions with that, so that they give way to those of workers that could follow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from schemas.bundle import BundleError
from schemas.decision import BundleRef
from schemas.deployment import Deployment, RegisteredBundle
from schemas.policy import Policy
from worker.registry.locations import locate_exactly
from worker.registry.selftest import self_test
from worker.registry.state import Numbered, RegistryState
from worker.stream.bench import Seat, Seats
from worker.stream.pairs import Basis, PairOrder
from worker.student.judge import Judge

Open = Callable[[RegisteredBundle], Judge]
"""Finds, loads and tests a registered bundle. Blocks for seconds; raises BundleError."""


def opener(threads: int, cache: Path | None) -> Open:
    """Opens bundles as this machine has them, with `threads` CPU threads each; they never judge at the same time."""

    def open_bundle(entry: RegisteredBundle) -> Judge:
        # Imported here: only a process that judges needs ONNX Runtime.
        from worker.student.student import Student

        try:
            folder = locate_exactly(entry.location, entry.bundle.digest, cache)
            judge = Student.load(folder, threads)
        except OSError as error:  # a full disk, a share that is away
            raise BundleError(f"{entry.location}: {error}") from error
        self_test(judge)
        return judge

    return open_bundle


@dataclass(frozen=True, slots=True)
class Terms:
    """What turns a judge into a seat, whatever the bundle: the policy as it was set, not yet resolved."""

    policy: Policy
    pair_order: PairOrder = "query_first"

    def seat(self, judge: Judge, number: int, canary: bool = False) -> Seat:
        """The policy is resolved anew with this bundle's thresholds.

        Raises BundleError where the explicit settings exclude them.
        """
        manifest = judge.manifest
        try:
            policy = self.policy.resolved(manifest.thresholds)
        except ValueError as error:
            raise BundleError(
                f"the policy's settings and the thresholds of {manifest.name} {manifest.version} exclude each other: "
                f"{error}"
            ) from error
        return Seat(judge, Basis(manifest.ref(), policy, self.pair_order, number, canary))

    def seats_alone(self, judge: Judge, number: int) -> Seats:
        """One judge and no candidate. Raises BundleError."""
        return Seats(self.seat(judge, number))

    def seats(self, now: Numbered, judges: Mapping[str, Judge]) -> Seats:
        """All seats of a deployment, from loaded judges by digest. Raises BundleError."""
        deployment = now.deployment
        live = self.seat(judges[deployment.live.digest], now.number)
        if deployment.mode == "off" or deployment.candidate is None:
            return Seats(live)
        canary = deployment.mode == "canary"
        candidate = self.seat(judges[deployment.candidate.digest], now.number, canary)
        return Seats(live, candidate, deployment.mode, deployment.share)


def entry_of(state: RegistryState, ref: BundleRef) -> RegisteredBundle:
    """The registered bundle behind a reference. Raises BundleError."""
    entry = state.bundles.get(ref.digest)
    if entry is None:
        raise BundleError(f"{ref.name} {ref.version} ({ref.digest[:16]}) is deployed, but not registered")
    return entry


def load(
    state: RegistryState, deployment: Deployment, held: Mapping[str, Judge], open_bundle: Open
) -> dict[str, Judge]:
    """The judges of a deployment by digest; those `held` are not loaded again. Raises BundleError."""
    return {
        digest: held[digest] if digest in held else open_bundle(entry_of(state, ref))
        for digest, ref in deployment.bundles().items()
    }


@dataclass(frozen=True, slots=True)
class Opened:
    """What a worker begins with, and which deployment it could not take on (0: none), and why."""

    seats: Seats
    refused: int = 0
    refusal: str = ""


def open_first(state: RegistryState, terms: Terms, open_bundle: Open, settled: Callable[[], Judge]) -> Opened:
    """What to begin with: the deployment in force, else what it falls back to.

    In this order: the whole deployment; its live bundle alone; the previous bundle; what the settings name (`settled`
    loads that). A fallback is stamped with the last earlier deployment in which its bundle was live, or 0, so that its
    decisions give way to those of the deployment in force. Raises BundleError when nothing at all can be served.
    """
    now = state.history[-1] if state.history else None
    if now is None:
        return Opened(terms.seats_alone(settled(), 0))
    try:
        return Opened(terms.seats(now, load(state, now.deployment, {}, open_bundle)))
    except BundleError as error:
        why = str(error)
    for ref in (now.deployment.live, now.deployment.previous):
        if ref is None:
            continue
        try:
            judge = open_bundle(entry_of(state, ref))
            return Opened(terms.seats_alone(judge, state.last_live(ref.digest, now.number)), now.number, why)
        except BundleError:
            continue
    try:
        judge = settled()
    except BundleError as error:
        raise BundleError(f"deployment {now.number} cannot be served ({why}), nor what it falls back to") from error
    number = state.last_live(judge.manifest.digest(), now.number)
    return Opened(terms.seats_alone(judge, number), now.number, why)
