"""Sampling on a real broker and a real Redis: drawn once, over restarts and among two, refreshed, and counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Consumer, TopicPartition
from typer.testing import CliRunner

from samesku.commands.labeling import app
from schemas import topics
from schemas.labeling import LabelingTask
from schemas.settings import Settings
from tests.labels import label, label_record
from tests.system.cluster import Cluster, environment_of
from tests.worker.stream.conftest import judge, offer
from tests.worker.stream.test_worker import Start, answered, cluster, start
from worker.labeling.budget import Budget
from worker.labeling.chances import eligible, place
from worker.labeling.running import build_loop
from worker.stream import logs
from worker.stream.metrics import Metrics

__all__ = ["cluster", "judge", "start"]
pytestmark = pytest.mark.system

RATE = 0.5
LABELING = {
    "uniform_rate": RATE, "min_uniform_rate": RATE, "uncertainty_rate": 0.0, "novelty_rate": 0.0,
    "disagreement_rate": 0.0, "budget_per_day": 10_000, "sweep_s": 0.5, "batch_size": 7, "max_wait_ms": 50,
}  # fmt: skip


class Sampling:
    """A sampler in a thread."""

    def __init__(self, settings: Settings) -> None:
        self.loop = build_loop(settings, Metrics(), logs.configure(settings.log))
        self._thread = threading.Thread(target=self.loop.run)
        self._thread.start()

    def stop(self) -> None:
        self.loop.stop()
        self._thread.join()


Sample = Callable[[str], Sampling]


def settings_of(cluster: Cluster, slot: str = "0") -> Settings:
    settings = cluster.settings(slot)
    section = settings.labeling.model_copy(update={**LABELING, "group_id": f"{cluster.prefix}labeling"})
    return settings.model_copy(update={"labeling": section})


@pytest.fixture
def sample(cluster: Cluster) -> Iterator[Sample]:
    running: list[Sampling] = []

    def begin(slot: str = "0") -> Sampling:
        running.append(Sampling(settings_of(cluster, slot)))
        return running[-1]

    yield begin
    for each in running:
        each.stop()


def tasks(cluster: Cluster) -> list[LabelingTask]:
    return [LabelingTask.model_validate(orjson.loads(record.value or b"")) for record in cluster.read(topics.LABELING)]


def expected(cluster: Cluster) -> set[str]:
    return {
        made.decision_id for made in cluster.decisions() if eligible(made) and place(made.decision_id) < RATE
    }  # fmt: skip


def all_drawn(cluster: Cluster) -> list[str]:
    """Wait until every decision that is to be drawn has been; the ids as they were published."""
    cluster.wait(lambda: {task.task_id for task in tasks(cluster)} >= expected(cluster), "tasks")
    return [task.task_id for task in tasks(cluster) if task.updated_at is None]


def test_each_decision_is_drawn_once_over_restarts_and_among_two(
    cluster: Cluster, start: Start, sample: Sample
) -> None:
    start()
    sampling = sample("0")
    cluster.upsert(*(offer(number, f"sony camera w{number % 4}") for number in range(12)))
    answered(cluster, 12)
    all_drawn(cluster)
    sampling.stop()
    # What it has spent lies with its offsets, where its successors find it.
    group = settings_of(cluster).labeling.group_id
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": group, "enable.auto.commit": False})
    places = [TopicPartition(cluster.topic(topics.DECISIONS), number) for number in range(cluster.partitions)]
    budgets = [Budget.loads(each.metadata or "", settings_of(cluster).labeling) for each in consumer.committed(places)]
    drawn = all_drawn(cluster)
    assert sum(budget.uniform_spent for budget in budgets) == len(drawn)
    assert sum(budget.seen for budget in budgets) == sum(map(eligible, cluster.decisions()))
    consumer.close()
    sample("1")
    sample("2")
    cluster.upsert(*(offer(number, f"sony camera w{number % 3}") for number in range(12, 24)))
    answered(cluster, 24)
    drawn = all_drawn(cluster)
    assert len(drawn) == len({*drawn})
    assert {*drawn} == expected(cluster)


def test_an_update_refreshes_a_task_and_answers_give_an_estimate(
    cluster: Cluster, start: Start, sample: Sample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    start()
    # So many pairs of equal words that it is all but impossible that none of them is drawn.
    offers = [offer(number, f"sony camera w{number % 4}") for number in range(16)]
    cluster.upsert(*offers)
    answered(cluster, 16)
    sample("0")
    all_drawn(cluster)
    drawn = {task.task_id: task for task in tasks(cluster)}
    assert all(task.first_offer is not None for task in drawn.values())
    by_key = {each.key: each for each in offers}
    # Half of the pairs of equal words are in truth not the same.
    said = [
        label(by_key[task.first.key], by_key[task.second.key], "no_match" if number % 2 else "match", f"l{number}")
        for number, task in enumerate(task for task in drawn.values() if task.verdict == "match")
    ]
    cluster.produce((label_record(each) for each in said), topic=topics.LABELS)
    changed = next(task for task in drawn.values() if task.verdict == "no_match")
    key = changed.first.key
    cluster.upsert(by_key[key].model_copy(update={"title": by_key[key].title, "price": "3.00"}))
    answered(cluster, 17)
    cluster.wait(lambda: any(task.task_id == changed.task_id and task.stale for task in tasks(cluster)), "a stale task")
    cluster.wait(lambda: any(task.withdrawn == "labelled" for task in tasks(cluster)), "an answered task")
    for name, value in environment_of(settings_of(cluster)).items():
        monkeypatch.setenv(name, value)
    shown = CliRunner().invoke(app, ["show"])
    assert (shown.exit_code, "waiting" in shown.output) == (0, True), shown.output
    out = tmp_path / "estimate.json"
    done = CliRunner().invoke(app, ["estimate", "--from", "1d", "--out", str(out)])
    assert done.exit_code == 0, done.output
    found = orjson.loads(out.read_bytes())
    # Of the decisions drawn and published as matches, all had an answer.
    matches = [task for task in drawn.values() if task.verdict == "match"]
    right = sum(each.verdict == "match" for each in said)
    assert found["found"]["value"] == pytest.approx(right / RATE, rel=0.5)
    assert found["precision"]["low"] <= right / len(matches) <= found["precision"]["high"]
    assert found["answered"] >= len(matches)
