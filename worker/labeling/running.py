"""From settings to a running sampler: check the surroundings, wire the parts, mind the signals.

Exit codes: 0 stopped by a signal, 1 failed, 2 refused (a topic is missing, no Redis is named).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from confluent_kafka import Producer

from schemas import topics
from schemas.settings import Settings
from worker.blocking import BlockingError, Index
from worker.labeling.loop import Loop
from worker.labeling.memory import RedisFirstSeen
from worker.labeling.opinions import TopicDoubts
from worker.labeling.sampler import Sampler, read_decision
from worker.stream.backoff import Log, Patience
from worker.stream.clients import consumer_config, producer_config
from worker.stream.errors import StreamError, Unavailable
from worker.stream.guard import redis_step
from worker.stream.metrics import Metrics
from worker.stream.process import find_topics, run_process
from worker.stream.session import Session, member_of
from worker.stream.startup import look_around, open_index, redis_client, utc_now
from worker.stream.transaction import Checkpoint

PURPOSE = "labeling"


def run_sampler(settings: Settings) -> None:
    """Sample until SIGTERM or SIGINT. Raises SystemExit with one of the codes above when it ends otherwise."""
    run_process(settings, lambda metrics, log: build_loop(settings, metrics, log), (BlockingError,))


def build_loop(settings: Settings, metrics: Metrics, log: Log, now: Callable[[], datetime] = utc_now) -> Loop:
    """A loop that is ready to `run`. Waits for an absent broker. Raises StartupRefused."""
    kafka, stream, labeling = settings.kafka, settings.stream, settings.labeling
    backoff = (stream.backoff_initial_s, stream.backoff_max_s)
    at_start = Patience(time.sleep, time.monotonic, metrics, log, *backoff)
    surroundings = at_start.call(lambda: look_around(settings))
    decisions = kafka.topic(topics.DECISIONS)
    needed = [decisions, *(kafka.topic(name) for name in (topics.LABELING, topics.OPINIONS))]
    found = at_start.call(lambda: find_topics(kafka, needed))[decisions]
    parts = found.partitions
    index = open_index(settings)
    client = redis_client(settings)
    loop = Loop(labeling, kafka, time.monotonic, now, metrics, log, backoff)
    # Named after the sampler, so that it fences its own dead predecessor and no worker.
    named = kafka.model_copy(update={"slot": f"{PURPOSE}-{kafka.slot}", "group_id": labeling.group_id})
    # A registry of its own: the catalogue's gauges of partitions are the workers'.
    session = Session(
        member_of(consumer_config(named)), decisions, loop.buffer, loop.gone, loop.gone, Metrics(), log, read_decision
    )
    loop.attach(
        session, Checkpoint(lambda: Producer(producer_config(named)), loop.patience, time.monotonic, metrics, log),
        index, lambda: adopt(index, f"{surroundings.generation}-{index.format}", surroundings.partitions),
        Sampler(
            index, RedisFirstSeen(client, settings.redis.namespace, found.topic_id), labeling, parts, now,
            TopicDoubts(kafka) if labeling.opinions_wait_s else None,
        ),
        parts,
    )  # fmt: skip
    log.info(
        "starting", group=labeling.group_id, budget_per_day=labeling.budget_per_day, uniform_rate=labeling.uniform_rate
    )
    return loop


def adopt(index: Index, generation: str, partitions: int) -> None:
    """Use the workers' index once it holds every partition. Raises Unavailable while it does not."""

    def whole() -> int:
        index.adopt(generation)
        return len(index.applied())

    try:
        known = redis_step(whole)
    except StreamError as lost:
        raise Unavailable("index", str(lost)) from lost
    if known < partitions:
        raise Unavailable("index", f"{partitions - known} of {partitions} partitions are not restored yet")
