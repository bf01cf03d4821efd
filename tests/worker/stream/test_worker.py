"""The loop on a real broker and a real Redis, in this process, with a judge whose verdicts are known."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from samesku.embedded.redis import EmbeddedRedis
from schemas import topics
from schemas.answer import Answer
from schemas.deadletter import read_dead_letter
from schemas.decision import standing
from schemas.offer import Offer
from schemas.offer_record import HEADER_EFFECTIVE_VERSION, OfferRecord
from schemas.review import ReviewTask
from schemas.settings import Settings
from tests.system.cluster import Cluster, by_position, change_record, delete_record
from tests.worker.stream.conftest import POLICY, RuleJudge, offer
from worker.blocking import UnfitRedis
from worker.stream import build_worker, logs
from worker.stream.clients import producer_config
from worker.stream.deadletters import TooManyDeadLetters
from worker.stream.errors import FencedByTwin, StartupRefused
from worker.stream.metrics import BATCH_FAILURES, CHANGES, K_EFFECTIVE, Metrics
from worker.stream.worker import Worker

pytestmark = pytest.mark.system


class Running:
    """A worker in a thread."""

    def __init__(self, settings: Settings, judge: RuleJudge) -> None:
        self.metrics = Metrics()
        self.failure: BaseException | None = None
        self.worker: Worker = build_worker(settings, judge, self.metrics, logs.configure(settings.log))
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.worker.run()
        except BaseException as failure:  # noqa: BLE001 - the test looks at it
            self.failure = failure

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def stop(self) -> None:
        self.worker.stop()
        self._thread.join()


Start = Callable[..., Running]


@pytest.fixture
def cluster(kafka: str, redis_url: str) -> Iterator[Cluster]:
    made = Cluster(kafka, redis_url, Path("none"), partitions=2, policy=POLICY.model_dump(exclude_defaults=True))
    made.make_topics()
    yield made
    made.close()


@pytest.fixture
def start(cluster: Cluster, judge: RuleJudge) -> Iterator[Start]:
    running: list[Running] = []

    def begin(slot: str = "0", judge: RuleJudge = judge, **stream: object) -> Running:
        cluster.stream = {**cluster.stream, **stream}
        running.append(Running(cluster.settings(slot), judge))
        return running[-1]

    yield begin
    for each in running:
        each.stop()


def answered(cluster: Cluster, count: int) -> dict[str | None, Answer]:
    answers = cluster.await_answers(count)
    assert [found for found in by_position(answers).values() if len(found) != 1] == []
    return {answer.key: answer for answer in sorted(answers, key=lambda answer: answer.answered_at)}


def test_the_catalogue_lies_beside_its_input(cluster: Cluster, start: Start) -> None:
    start()
    offers = [offer(number, f"lamp {number}") for number in range(6)]
    cluster.upsert(*offers)
    cluster.produce([delete_record(offers[0])])
    answered(cluster, 7)
    changes = {record.position.offset: record for record in cluster.read(topics.CHANGES) if record.partition == 0}
    assert changes
    for record in cluster.read(topics.OFFERS):
        version = int(dict(record.headers)[HEADER_EFFECTIVE_VERSION] or b"")
        if record.value is None:
            assert record.key == offers[0].key.encode()
        else:
            stored = OfferRecord.model_validate(orjson.loads(record.value))
            assert (stored.effective_version, stored.source.partition) == (version, record.partition)
        if record.partition == 0:
            assert changes[version].key == record.key


def test_doubtful_pairs_are_review_tasks(cluster: Cluster, start: Start) -> None:
    start()
    cluster.upsert(offer(1), offer(2, "sony camera perhaps"))
    answered(cluster, 2)
    (made,) = standing(cluster.decisions()).values()
    tasks = [ReviewTask.model_validate(orjson.loads(record.value or b"")) for record in cluster.read(topics.REVIEW)]
    assert {task.decision_id for task in tasks} >= {made.decision_id}
    assert (tasks[0].first_offer.title, tasks[0].second_offer.title) == ("sony camera w120", "sony camera perhaps")
    assert made.verdict == "review"


def test_index_only_is_indexed_and_not_judged(cluster: Cluster, start: Start, judge: RuleJudge) -> None:
    start()
    cluster.upsert(offer(1), offer(2), index_only=True)
    answers = answered(cluster, 2)
    assert {answer.outcome for answer in answers.values()} == {"indexed_only"}
    assert judge.asked == []
    cluster.upsert(offer(3))
    assert answered(cluster, 3)["s:3"].candidates == 2


def test_under_lag_fewer_candidates_are_asked_for(cluster: Cluster, start: Start) -> None:
    cluster.upsert(*(offer(number) for number in range(40)))
    running = start(lag_policy=[{"lag": 10, "k": 2}, {"lag": 25, "k": 0}], batch_size=4)
    answers = answered(cluster, 40).values()
    assert {answer.k_effective for answer in answers} >= {2, 5}
    for answer in answers:
        assert answer.lag is not None
        assert answer.k_requested == 5
        assert answer.k_effective == (0 if answer.lag >= 25 else 2 if answer.lag >= 10 else 5)
    assert running.metrics.value(K_EFFECTIVE) == 5


def test_a_poisonous_change_is_isolated_and_set_aside(cluster: Cluster, start: Start) -> None:
    cluster.upsert(*(offer(number) for number in range(3)), index_only=True)
    good = [offer(number) for number in range(10, 18)]
    bad = offer(99, "sony camera poison w120")
    records = [change_record(each) for each in good]
    records.insert(5, change_record(bad))
    cluster.produce(records)
    running = start(poison_attempts=2, batch_size=16)
    answers = answered(cluster, 12)
    assert (answers[bad.key].outcome, answers[bad.key].reason) == ("dead_lettered", "poison")
    assert {answers[each.key].outcome for each in good} == {"judged"}
    (letter,) = cluster.read(topics.DEAD_LETTERS)
    assert letter.value == change_record(bad)[1]
    assert "ArithmeticError" in read_dead_letter(letter.headers).detail
    assert running.metrics.value(BATCH_FAILURES) > 2
    # It is out of the index: its neighbours go on.
    cluster.upsert(offer(20))
    assert answered(cluster, 13)["s:20"].outcome == "judged"
    assert bad.key not in {key for pair in standing(cluster.decisions()) for key in pair.split("#")}


def test_a_sound_change_survives_an_unsound_neighbour(cluster: Cluster, start: Start) -> None:
    cluster.upsert(offer(1), offer(2, "sony camera poison w120"), index_only=True)
    start(poison_attempts=3)
    # In one batch with its neighbour, the unsound offer would follow up the link and be set aside itself.
    answered(cluster, 2)
    cluster.upsert(offer(3))
    answers = answered(cluster, 3)
    assert answers["s:3"].outcome == "judged"
    assert set(standing(cluster.decisions())) == {"s:1#s:3"}


def test_a_runaway_feed_stops_the_worker(cluster: Cluster, start: Start) -> None:
    running = start(dead_letter_max_count=5)
    cluster.produce([(b"s:1", b"{")] * 8)
    cluster.wait(lambda: running.ended, "the worker to stop")
    assert isinstance(running.failure, TooManyDeadLetters)


def test_a_revoked_batch_is_finished_first(cluster: Cluster, start: Start, judge: RuleJudge) -> None:
    """A second worker joins while the first is in the middle of a batch that takes several polls."""
    entered, go_on = threading.Event(), threading.Event()

    def slowly(query: Offer, candidates: Sequence[Offer]) -> None:
        entered.set()
        go_on.wait(30)

    judge.during = slowly
    cluster.upsert(*(offer(number) for number in range(12)))
    first = start("0", batch_size=6)
    assert entered.wait(60)
    second = start("1", RuleJudge())
    go_on.set()
    answered(cluster, 12)
    cluster.wait(lambda: len(second.worker.session.owned) == 1, "the second worker's share")
    cluster.upsert(*(offer(number) for number in range(20, 32)))
    answered(cluster, 24)
    assert first.worker.session.owned | second.worker.session.owned == {0, 1}
    assert min(running.metrics.value(CHANGES, outcome="judged") for running in (first, second)) > 0


def test_a_lost_producer_is_replaced_and_a_twin_is_not_fought_for_ever(cluster: Cluster, start: Start) -> None:
    running = start()
    cluster.upsert(offer(0))
    answered(cluster, 1)
    twin_config = producer_config(cluster.settings().kafka)
    for number in range(1, 3):
        # Somebody else initialises our transactional.id: at our next transaction we are fenced, and take it back.
        twin = Producer(twin_config)
        twin.init_transactions(30)
        cluster.upsert(offer(number))
        answered(cluster, number + 1)
    twin = Producer(twin_config)
    twin.init_transactions(30)
    cluster.upsert(offer(3))
    cluster.wait(lambda: running.ended, "the worker to give up its slot")
    assert isinstance(running.failure, FencedByTwin)
    # Nothing was lost: whoever has the slot next answers it.
    start()
    answered(cluster, 4)


def test_missing_topics_are_refused(kafka: str, redis_url: str, judge: RuleJudge) -> None:
    cluster = Cluster(kafka, redis_url, Path("none"))
    with pytest.raises(StartupRefused, match="samesku topics apply"):
        Running(cluster.settings(), judge)


def test_a_catalogue_that_is_partitioned_otherwise_is_refused(kafka: str, redis_url: str, judge: RuleJudge) -> None:
    cluster = Cluster(kafka, redis_url, Path("none"), partitions=3)
    kafka_settings = cluster.settings().kafka
    admin = AdminClient({**kafka_settings.client_config()})
    made = admin.create_topics(
        [NewTopic(spec.name, 2 if spec.topic.name == topics.OFFERS else 3, 1) for spec in kafka_settings.topic_specs()]
    )
    for future in made.values():
        future.result(30)
    with pytest.raises(StartupRefused, match=r"2 partitions.*3"):
        Running(cluster.settings(), judge)


def test_a_redis_that_may_evict_is_refused(cluster: Cluster, judge: RuleJudge) -> None:
    with EmbeddedRedis() as server:
        cluster.redis_url = server.url(0)
        with cluster.redis() as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
        with pytest.raises(UnfitRedis, match="noeviction"):
            Running(cluster.settings(), judge)
