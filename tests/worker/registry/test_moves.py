from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.decision import BundleRef
from schemas.deployment import Deployment, owner
from tests.deployments import NOW, A, B, C
from worker.registry import moves
from worker.registry.failures import RegistryError
from worker.registry.state import RegistryState

ORDER = moves.Order("ann", "because", NOW)


def after(*steps: Callable[[RegistryState], Deployment]) -> RegistryState:
    state = RegistryState()
    for offset, step in enumerate(steps):
        state.apply(offset, step(state))
    assert state.void == []
    return state


def aliases(state: RegistryState) -> tuple[BundleRef | None, BundleRef | None, BundleRef | None]:
    return state.alias("live"), state.alias("candidate"), state.alias("previous")


def promote(wanted: BundleRef | None = None) -> Callable[[RegistryState], Deployment]:
    return lambda state: moves.promote(state, A, wanted, ORDER)


def shadow(wanted: BundleRef | None = None) -> Callable[[RegistryState], Deployment]:
    return lambda state: moves.shadow(state, A, wanted, ORDER)


def canary(wanted: BundleRef | None = None, share: float = 0.1) -> Callable[[RegistryState], Deployment]:
    return lambda state: moves.canary(state, A, wanted, share, ORDER)


def rollback(state: RegistryState) -> Deployment:
    return moves.rollback(state, A, ORDER)


def stop(state: RegistryState) -> Deployment:
    return moves.stop(state, A, ORDER)


def test_the_story() -> None:
    assert aliases(after(shadow(B))) == (A, B, None)
    assert aliases(after(shadow(B), canary())) == (A, B, None)
    assert aliases(after(shadow(B), canary(), promote())) == (B, None, A)
    state = after(shadow(B), canary(), promote(), rollback)
    assert aliases(state) == (A, None, B)
    assert [each.deployment.seen for each in state.history] == [0, 1, 2, 3]


def test_a_stopped_candidate_keeps_its_alias_and_judges_nothing() -> None:
    state = after(canary(B), stop)
    assert aliases(state) == (A, B, None)
    assert state.deployment is not None
    assert (state.deployment.mode, state.deployment.share) == ("off", 0)
    assert aliases(after(canary(B), stop, promote())) == (B, None, A)


def test_promoting_what_is_live_keeps_the_previous() -> None:
    assert aliases(after(promote(B), promote(B))) == (B, None, A)
    assert aliases(after(promote(A))) == (A, None, None)


def test_a_rollback_is_undone_by_another() -> None:
    assert aliases(after(promote(B), rollback, rollback)) == (B, None, A)


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([promote()], "no candidate to promote"),
        ([rollback], "no previous bundle"),
        ([stop], "no trial to stop"),
        ([promote(B), stop], "no trial to stop"),
        ([shadow()], "no candidate"),
        ([shadow(A)], "is live"),
        ([canary(B, 0.0)], "above 0"),
        ([canary(B, 1.1)], "above 0"),
    ],
)
def test_a_move_that_makes_no_sense(steps: list[Callable[[RegistryState], Deployment]], why: str) -> None:
    with pytest.raises(RegistryError, match=why):
        after(*steps)


PAIRS = [f"n:{number}#s:{number}" for number in range(200)]
STEPS = st.one_of(
    st.builds(promote, st.sampled_from([None, A, B, C])), st.builds(shadow, st.sampled_from([None, A, B, C])),
    st.builds(canary, st.sampled_from([None, A, B, C]), st.sampled_from([0.1, 0.3, 1.0])),
    st.just(rollback), st.just(stop),
)  # fmt: skip


@given(st.lists(STEPS, max_size=8))
def test_who_gains_pairs_is_what_an_owner_by_owner_comparison_says(
    steps: list[Callable[[RegistryState], Deployment]],
) -> None:
    state = RegistryState()
    for offset, step in enumerate(steps):
        before = state.deployment
        try:
            made = step(state)
        except RegistryError:
            break
        state.apply(offset, made)
        owners = [(owner(pair, before) if before is not None else A, owner(pair, made)) for pair in PAIRS]
        gained = {new.digest for old, new in owners if old != new}
        expected = {made.live.digest: "live"} | ({made.candidate.digest: "candidate"} if made.candidate else {})
        found = moves.gainers(before, A, made)
        assert {expected[digest] for digest in gained} <= set(found)
        # Only a bundle that owns any pair can gain some.
        assert "candidate" not in found or made.mode == "canary"
