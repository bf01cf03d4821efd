from __future__ import annotations

import pytest

from schemas.bundle import BundleError
from tests.deployments import A, B, C, deployment, ref, registered
from worker.registry.state import RegistryState


@pytest.fixture
def state() -> RegistryState:
    """A is live (deployment 4), then B (5); offsets 0 to 2 hold bundles."""
    made = RegistryState()
    for offset, bundle in enumerate((A, B, C)):
        made.apply(offset, registered(bundle))
    made.apply(3, deployment("promote", A, 0))
    made.apply(4, deployment("promote", B, 4, previous=A))
    return made


def test_nothing_is_deployed_at_first() -> None:
    empty = RegistryState()
    assert (empty.number, empty.deployment, empty.alias("live")) == (0, None, None)


def test_the_last_deployment_stands_and_gives_the_aliases(state: RegistryState) -> None:
    assert state.number == 5
    assert (state.alias("live"), state.alias("previous"), state.alias("candidate")) == (B, A, None)
    assert state.aliases_of(A.digest) == ["previous"]
    state.apply(5, deployment("shadow", B, 5, previous=A, candidate=C, mode="shadow"))
    assert state.aliases_of(C.digest) == ["candidate"]


def test_of_two_that_saw_the_same_the_first_wins(state: RegistryState) -> None:
    state.apply(5, deployment("promote", C, 5, previous=B))
    state.apply(6, deployment("rollback", A, 5, previous=B))
    assert (state.number, state.alias("live")) == (6, C)
    assert [each.number for each in state.void] == [7]
    # The loser looks again and wins.
    state.apply(7, deployment("rollback", B, 6, previous=C))
    assert (state.number, state.alias("live")) == (8, B)
    assert [each.number for each in state.history] == [4, 5, 6, 8]


def test_a_later_record_of_a_bundle_replaces_the_former(state: RegistryState) -> None:
    state.apply(5, registered(A, "/elsewhere"))
    assert state.find(A.digest).location == "/elsewhere"
    assert len(state.bundles) == 3


@pytest.mark.parametrize("name", ["live", "tiny-b", "tiny-b@2.0.0", "b" * 64, "bbbbbb"])
def test_a_bundle_has_many_names(state: RegistryState, name: str) -> None:
    assert state.find(name).bundle == B


def test_a_name_that_stands_for_two_is_refused(state: RegistryState) -> None:
    other = ref("d").model_copy(update={"name": "tiny-b", "version": "2.0.1"})
    state.apply(5, registered(other))
    with pytest.raises(BundleError, match=r"more than one bundle: tiny-b@2\.0\.0 .*tiny-b@2\.0\.1"):
        state.find("tiny-b")
    assert state.find("tiny-b@2.0.1").bundle == other


@pytest.mark.parametrize("name", ["bbbbb", "tiny-e", "tiny-b@9.0.0", ""])
def test_an_unknown_name_is_refused_and_the_known_ones_are_told(state: RegistryState, name: str) -> None:
    with pytest.raises(BundleError, match=r"tiny-a@1\.0\.0, tiny-b@2\.0\.0"):
        state.find(name)


def test_an_alias_without_a_bundle_is_refused(state: RegistryState) -> None:
    with pytest.raises(BundleError, match="no bundle is candidate"):
        state.find("candidate")
    state.apply(5, deployment("promote", ref("e"), 5, previous=B))
    with pytest.raises(BundleError, match="not registered"):
        state.find("live")


def test_when_a_bundle_was_live_last(state: RegistryState) -> None:
    state.apply(5, deployment("rollback", A, 5, previous=B))
    assert [state.last_live(A.digest, before) for before in (4, 5, 6, 7)] == [0, 4, 4, 6]


def test_a_copy_stays_as_it_is(state: RegistryState) -> None:
    copy = state.copy()
    state.apply(5, deployment("rollback", A, 5, previous=B))
    state.apply(6, registered(ref("d")))
    assert (copy.number, len(copy.bundles)) == (5, 3)
