"""Which deployment a replay publishes under, read from a real registry."""

from __future__ import annotations

import uuid

import pytest

from samesku.topics import TopicAdmin
from schemas.deployment import in_share
from schemas.sections import KafkaSettings
from schemas.topics import MODELS
from tests.deployments import A, B, C, deployment
from worker.registry.registry import Registry
from worker.replay.deploying import in_force
from worker.replay.errors import WouldNotStand


@pytest.fixture
def registry(kafka: str) -> KafkaSettings:
    made = KafkaSettings(bootstrap_servers=kafka, topic_prefix=f"d{uuid.uuid4().hex[:8]}.")
    TopicAdmin(made.client_config()).apply([spec for spec in made.topic_specs() if spec.topic.name == MODELS])
    return made


def test_before_the_first_deployment_any_bundle_may_publish(registry: KafkaSettings) -> None:
    found = in_force(registry, A)
    assert (found.deployment, found.canary, found.owns("a:1#b:1")) == (0, False, True)


def test_the_live_bundle_the_candidate_and_a_stranger(registry: KafkaSettings) -> None:
    first = Registry(registry).deploy(deployment("promote", A, 0))
    trial = Registry(registry).deploy(
        deployment("canary", A, first.number, candidate=B, mode="canary", share=0.3)
    )  # fmt: skip
    live, candidate = in_force(registry, A), in_force(registry, B)
    assert (live.deployment, candidate.deployment) == (trial.number, trial.number)
    assert (live.canary, candidate.canary) == (False, True)
    pairs = [f"a:{number}#b:{number}" for number in range(200)]
    assert [candidate.owns(pair) for pair in pairs] == [in_share(pair, 0.3) for pair in pairs]
    assert all(live.owns(pair) != candidate.owns(pair) for pair in pairs)
    with pytest.raises(
        WouldNotStand, match=r"tiny-c 3\.0\.0 \(cccccccccccc\) .* tiny-a 1\.0\.0 \(aaaaaaaaaaaa\) is live"
    ):
        in_force(registry, C)
