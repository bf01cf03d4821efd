"""A worker's switch, over a real registry and with bundles that open when the test says so."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator

import orjson
import pytest
import structlog
from confluent_kafka import Producer

from schemas.bundle import BundleError
from schemas.deployment import Deployment, RegisteredBundle
from schemas.events import dumps
from schemas.policy import Policy
from schemas.sections import KafkaSettings
from schemas.topics import MODELS
from tests.deployments import NOW, deployment, registered
from tests.judges import LengthJudge
from worker.registry.heartbeat import Serving
from worker.registry.opening import Terms, open_first
from worker.registry.registry import Registry
from worker.registry.switch import Switch
from worker.registry.topic import EntryReader
from worker.stream.bench import Seats
from worker.stream.metrics import DEPLOYMENT, DEPLOYMENT_REFUSED, REGISTRY_HALTED, SWITCHES, Metrics

pytestmark = pytest.mark.system

JUDGES = [LengthJudge(f"{number}.0.0") for number in (1, 2, 3)]
A, B, C = (judge.manifest.ref() for judge in JUDGES)
BY_DIGEST = {judge.manifest.digest(): judge for judge in JUDGES}

Eventually = Callable[[Callable[[], bool]], None]


class Pulse:
    def __init__(self) -> None:
        self.said: list[Serving] = []
        self.stopped = False

    def say(self, serving: Serving) -> None:
        self.said.append(serving)

    def stop(self) -> None:
        self.stopped = True


class Stand:
    """A switch that begins with A live, in deployment 4; every ask of the clock is a second later."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self.kafka = kafka
        self.registry = Registry(kafka)
        for bundle in (A, B, C):
            self.registry.add(registered(bundle))
        self.last = self.registry.deploy(deployment("promote", A, 0)).number
        self.metrics, self.pulse = Metrics(), Pulse()
        self.broken: set[str] = set()
        self.opened: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        reader, terms = EntryReader(kafka), Terms(Policy())
        first = open_first(reader.to_end(), terms, self.open, lambda: JUDGES[0])
        ticks = itertools.count()
        self.switch = Switch(
            reader, first, terms, self.open, self.pulse, "0", lambda: float(next(ticks)), lambda: NOW, self.metrics,
            structlog.get_logger(),
        )  # fmt: skip
        self.opened.clear()
        self.given: list[Seats] = []

    def open(self, entry: RegisteredBundle) -> LengthJudge:
        assert self.gate.wait(60)
        if entry.bundle.digest in self.broken:
            raise BundleError(f"{entry.bundle.version} is broken")
        self.opened.append(entry.bundle.version)
        return BY_DIGEST[entry.bundle.digest]

    def deploy(self, action: str, live: object, **fields: object) -> int:
        made = Deployment.model_validate(
            {"deployment_id": f"d{self.last}", "action": action, "live": live, "seen": self.last, "by": "ann",
             "at": NOW, **fields}
        )  # fmt: skip
        self.last = self.registry.deploy(made).number
        return self.last

    def turn(self) -> None:
        seats = self.switch.turn()
        if seats is not None:
            self.given.append(seats)

    def until(self, eventually: Eventually, condition: Callable[[], bool]) -> None:
        def met() -> bool:
            self.turn()
            return condition()

        eventually(met)

    def serves(self, number: int) -> Callable[[], bool]:
        return lambda: self.switch.seats.deployment == number

    def refused(self, number: int) -> Callable[[], bool]:
        return lambda: self.metrics.value(DEPLOYMENT_REFUSED) == number


@pytest.fixture
def stand(registry_kafka: KafkaSettings) -> Iterator[Stand]:
    made = Stand(registry_kafka)
    yield made
    made.gate.set()
    made.switch.close()
    assert made.pulse.stopped


def test_without_news_nothing_changes(stand: Stand) -> None:
    for _ in range(20):
        stand.turn()
    assert stand.given == []
    assert stand.pulse.said[-1].deployment == stand.metrics.value(DEPLOYMENT) == 4


def test_the_old_one_serves_until_the_new_one_is_ready(stand: Stand, eventually: Eventually) -> None:
    stand.gate.clear()
    number = stand.deploy("promote", B, previous=A)
    stand.until(eventually, lambda: stand.pulse.said[-1].loading)
    for _ in range(20):
        stand.turn()
    assert (stand.given, stand.switch.seats.live.judge) == ([], JUDGES[0])
    stand.gate.set()
    stand.until(eventually, stand.serves(number))
    (seats,) = stand.given
    assert (seats.live.judge, seats.live.basis.bundle, seats.deployment) == (JUDGES[1], B, number)
    assert stand.metrics.value(SWITCHES, result="switched") == 1


def test_what_is_loaded_is_not_loaded_again(stand: Stand, eventually: Eventually) -> None:
    for action, fields in (
        ("shadow", {"candidate": B, "mode": "shadow"}),
        ("canary", {"candidate": B, "mode": "canary", "share": 0.1}),
        ("canary", {"candidate": B, "mode": "canary", "share": 0.5}),
    ):
        number = stand.deploy(action, A, **fields)
        stand.until(eventually, stand.serves(number))
    number = stand.deploy("promote", B, previous=A)
    stand.until(eventually, stand.serves(number))
    assert stand.opened == ["2.0.0"]
    assert stand.switch.seats.candidate is None


def test_a_broken_bundle_is_refused_and_what_serves_goes_on(stand: Stand, eventually: Eventually) -> None:
    stand.broken.add(B.digest)
    number = stand.deploy("promote", B, previous=A)
    stand.until(eventually, stand.refused(number))
    stand.turn()
    assert (stand.given, stand.switch.seats.deployment, stand.metrics.value(DEPLOYMENT)) == ([], 4, 4)
    assert (stand.pulse.said[-1].refused, stand.pulse.said[-1].refusal) == (number, "2.0.0 is broken")
    # It is not tried again by itself, and a new deployment mends it.
    stand.broken.clear()
    for _ in range(20):
        stand.turn()
    assert stand.given == []
    number = stand.deploy("promote", B, previous=A)
    stand.until(eventually, stand.serves(number))
    assert stand.metrics.value(DEPLOYMENT_REFUSED) == stand.pulse.said[-1].refused == 0


def test_a_trial_whose_candidate_is_broken_changes_nothing(stand: Stand, eventually: Eventually) -> None:
    served = stand.deploy("canary", A, candidate=B, mode="canary", share=0.5)
    stand.until(eventually, stand.serves(served))
    stand.broken.add(C.digest)
    number = stand.deploy("canary", A, candidate=C, mode="canary", share=0.9)
    stand.until(eventually, stand.refused(number))
    assert (stand.switch.seats.deployment, stand.switch.seats.share) == (served, 0.5)


def test_of_deployments_in_haste_the_last_is_served(stand: Stand, eventually: Eventually) -> None:
    stand.gate.clear()
    stand.deploy("promote", B, previous=A)
    stand.until(eventually, lambda: stand.pulse.said[-1].loading)
    number = stand.deploy("promote", C, previous=B)
    stand.gate.set()
    stand.until(eventually, stand.serves(number))
    assert stand.switch.seats.live.basis.bundle == C


def test_an_entry_of_an_unknown_version_halts_the_registry_and_not_the_worker(
    stand: Stand, eventually: Eventually
) -> None:
    entry = {**orjson.loads(dumps(deployment("promote", B, stand.last))), "schema_version": "2.0"}
    producer = Producer(stand.kafka.client_config())
    producer.produce(stand.kafka.topic(MODELS), key=b"deployment/new", value=orjson.dumps(entry))
    assert producer.flush(30) == 0
    stand.until(eventually, lambda: stand.metrics.value(REGISTRY_HALTED) == 1)
    for _ in range(20):
        stand.turn()
    assert (stand.given, stand.switch.seats.live.basis.bundle) == ([], A)
