"""What a worker begins with, and what it falls back to."""

from __future__ import annotations

import pytest

from schemas.bundle import BundleError, Thresholds
from schemas.deployment import Deployment, RegisteredBundle
from schemas.policy import Policy
from tests.deployments import deployment, registered
from tests.judges import LengthJudge
from worker.registry.opening import Opened, Terms, open_first
from worker.registry.state import RegistryState

OLD, NEW, SETTLED = LengthJudge("1.0.0"), LengthJudge("2.0.0"), LengthJudge("0.9.0")
BY_DIGEST = {judge.manifest.digest(): judge for judge in (OLD, NEW, SETTLED)}
A, B = OLD.manifest.ref(), NEW.manifest.ref()
TERMS = Terms(Policy())


class Disk:
    """Bundles that can be opened, but for the broken ones."""

    def __init__(self, *broken: LengthJudge) -> None:
        self.broken = {judge.manifest.digest() for judge in broken}
        self.opened: list[str] = []

    def open(self, entry: RegisteredBundle) -> LengthJudge:
        if entry.bundle.digest in self.broken:
            raise BundleError(f"{entry.bundle.version} is broken")
        self.opened.append(entry.bundle.version)
        return BY_DIGEST[entry.bundle.digest]


BOTH = (registered(A), registered(B))


def state(*deployments: Deployment, bundles: tuple[RegisteredBundle, ...] = BOTH) -> RegistryState:
    made = RegistryState()
    entries: list[RegisteredBundle | Deployment] = [*bundles, *deployments]
    for offset, entry in enumerate(entries):
        made.apply(offset, entry)
    return made


OLD_LIVE = deployment("promote", A, 0)
NEW_LIVE = deployment("promote", B, 3, previous=A)
CANARY = deployment("canary", A, 3, candidate=B, mode="canary", share=0.3)


def summary(opened: Opened) -> tuple[str, int, int]:
    return opened.seats.live.basis.bundle.version, opened.seats.deployment, opened.refused


def begin(log: RegistryState, disk: Disk) -> Opened:
    return open_first(log, TERMS, disk.open, lambda: SETTLED)


def test_before_the_first_deployment_the_settings_say() -> None:
    assert summary(begin(state(), Disk())) == ("0.9.0", 0, 0)


def test_the_deployment_in_force_is_served() -> None:
    assert summary(begin(state(OLD_LIVE, NEW_LIVE), Disk())) == ("2.0.0", 4, 0)


def test_a_trial_is_taken_up() -> None:
    opened = begin(state(OLD_LIVE, CANARY), Disk())
    assert summary(opened) == ("1.0.0", 4, 0)
    candidate = opened.seats.candidate
    assert candidate is not None
    assert (opened.seats.mode, opened.seats.share) == ("canary", 0.3)
    assert (candidate.basis.bundle, candidate.basis.canary, candidate.basis.deployment) == (B, True, 4)


def test_a_shadow_is_no_canary() -> None:
    opened = begin(state(OLD_LIVE, deployment("shadow", A, 3, candidate=B, mode="shadow")), Disk())
    assert opened.seats.shadow is not None
    assert not opened.seats.shadow.basis.canary


def test_a_broken_live_bundle_falls_back_to_the_previous_with_the_stamp_of_its_time() -> None:
    opened = begin(state(OLD_LIVE, NEW_LIVE), Disk(NEW))
    assert summary(opened) == ("1.0.0", 3, 4)
    assert "2.0.0 is broken" in opened.refusal


def test_with_both_broken_the_settings_bundle_serves() -> None:
    assert summary(begin(state(OLD_LIVE, NEW_LIVE), Disk(NEW, OLD))) == ("0.9.0", 0, 4)


def test_a_broken_candidate_leaves_the_live_bundle_alone() -> None:
    opened = begin(state(OLD_LIVE, CANARY), Disk(NEW))
    assert summary(opened) == ("1.0.0", 3, 4)
    assert opened.seats.candidate is None


def test_what_is_deployed_and_not_registered_is_refused() -> None:
    opened = begin(state(OLD_LIVE, NEW_LIVE, bundles=(registered(A), registered(A))), Disk())
    assert summary(opened) == ("1.0.0", 3, 4)
    assert "not registered" in opened.refusal


def test_with_nothing_to_serve_the_worker_refuses() -> None:
    def nothing() -> LengthJudge:
        raise BundleError("no bundle at /nowhere")

    with pytest.raises(BundleError, match=r"deployment 4 cannot be served \(2\.0\.0 is broken\)"):
        open_first(state(OLD_LIVE, NEW_LIVE), TERMS, Disk(NEW, OLD).open, nothing)


def test_the_policy_is_resolved_with_each_bundles_thresholds() -> None:
    judge = LengthJudge(thresholds=Thresholds(match=0.7, review_low=0.65, review_high=0.75))
    cuts = Terms(Policy(review_high=0.8)).seat(judge, 1).basis.thresholds
    assert cuts is not None
    assert (cuts.match, cuts.review_low, cuts.review_high) == (0.7, 0.65, 0.8)
    with pytest.raises(BundleError, match="exclude each other"):
        Terms(Policy(review_high=0.6)).seat(judge, 1)
