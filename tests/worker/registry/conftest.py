"""A registry of one's own on the run's broker."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import pytest

from samesku.topics import TopicAdmin
from schemas.sections import KafkaSettings
from schemas.topics import MODELS


@pytest.fixture
def registry_kafka(kafka: str) -> KafkaSettings:
    """Settings under a prefix of their own; `match.models` exists and is empty."""
    made = KafkaSettings(bootstrap_servers=kafka, topic_prefix=f"r{uuid.uuid4().hex[:8]}.")
    specs = [spec for spec in made.topic_specs() if spec.topic.name == MODELS]
    TopicAdmin(made.client_config()).apply(specs)
    return made


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Asks again until it is so; two minutes at most."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < deadline, "it never came"
            time.sleep(0.05)

    return wait
