"""What judges say in production, on a real broker and a real Redis: published once, drawn for people, shown."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import orjson
import pytest

from samesku.judging.watcher import Watcher
from schemas import topics
from schemas.drift import Opinion
from schemas.labeling import LabelingTask
from schemas.offer import Offer
from schemas.rationale import ATTRIBUTES, Attribute, AttributeVerdict
from schemas.settings import Settings
from tests.system.cluster import Cluster
from tests.system.test_labeling import settings_of
from tests.worker.stream.conftest import RuleJudge, offer
from tests.worker.stream.test_worker import Start, answered, cluster, start
from train.evaluation.metrics import Floats
from train.judges.claims import Claim
from train.judges.interface import JudgeName
from train.judges.watch import WatchPolicy
from worker.labeling.chances import place
from worker.labeling.running import build_loop
from worker.monitor.facts import facts_of
from worker.monitor.overview import overview
from worker.monitor.store import MonitorStore, Place
from worker.stream import logs
from worker.stream.metrics import Metrics
from worker.stream.startup import utc_now
from worker.student.judge import Judgement

__all__ = ["cluster", "start"]
pytestmark = pytest.mark.system
WAIT_S = 3_600.0
SAME = AttributeVerdict(verdict="same", probability=1, p_same=1, p_different=0, p_unknown=0)


class Talker(RuleJudge):
    """A student that gives its reasons."""

    def judge(self, query: Offer, candidates: Sequence[Offer]) -> list[Judgement]:
        return [
            Judgement(each.logit, each.probability, dict.fromkeys(ATTRIBUTES, SAME))
            for each in super().judge(query, candidates)
        ]


class Doubter:
    """A judge that holds every claim about the offer number 1 for wrong."""

    name: JudgeName = "core_identity"
    attributes: tuple[Attribute, ...] = ("brand", "product")
    digest = "doubter"

    def score(self, claims: Sequence[Claim]) -> Floats:
        return np.array([0.3 if "1" in (each.left.offer_id, each.right.offer_id) else 0.9 for each in claims])


@pytest.fixture
def judge() -> Talker:
    return Talker()


def opinions(cluster: Cluster) -> list[Opinion]:
    return [Opinion.model_validate(orjson.loads(each.value or b"")) for each in cluster.read(topics.OPINIONS)]


def tasks(cluster: Cluster) -> dict[str, LabelingTask]:
    found = [LabelingTask.model_validate(orjson.loads(each.value or b"")) for each in cluster.read(topics.LABELING)]
    return {task.task_id: task for task in found}


def sampling(cluster: Cluster) -> Settings:
    settings = settings_of(cluster)
    rates = {"uniform_rate": 0.3, "min_uniform_rate": 0.3, "disagreement_rate": 1.0, "opinions_wait_s": WAIT_S}
    section = settings.labeling.model_copy(update={**rates, "value_rate": 0.0, "batch_size": 5})
    return settings.model_copy(update={"labeling": section})


def test_what_judges_doubt_is_drawn_with_a_known_chance_and_shown(
    cluster: Cluster, start: Start, tmp_path: Path
) -> None:
    start()
    settings, judged = sampling(cluster), threading.Event()
    log = logs.configure(settings.log)
    # The time that decisions are given is over when the judges have spoken, and not before.
    loop = build_loop(
        settings, Metrics(), log, lambda: utc_now() + timedelta(seconds=2 * WAIT_S if judged.is_set() else 0)
    )
    sampler = threading.Thread(target=loop.run)
    sampler.start()
    try:
        cluster.upsert(*(offer(number, f"sony camera w{number % 2}") for number in range(8)))
        answered(cluster, 8)
        made = {each.decision_id: each for each in cluster.decisions()}

        def watch(state: str) -> int:
            watcher = Watcher(settings, [Doubter()], WatchPolicy(share=1.0), tmp_path / state, log)
            return len(watcher.once().opinions)

        assert watch("one") == len(made)
        assert watch("one") == 0
        # A watch that has lost its state says all of it again, and the same.
        assert watch("other") == len(made)
        cluster.wait(lambda: len(opinions(cluster)) >= 2 * len(made), "the opinions")
        said = opinions(cluster)
        assert len(said) == 2 * len({each.opinion_id for each in said}) == 2 * len(made)
        assert {each.inclusion_probability for each in said} == {1.0}
        assert tasks(cluster) == {}
        judged.set()
        doubted = {name for name, each in made.items() if "s:1" in (each.first.key, each.second.key)}
        expected = doubted | {name for name in made if place(name) < 0.3}
        assert doubted
        cluster.wait(lambda: tasks(cluster).keys() >= expected, "the tasks")
    finally:
        loop.stop()
        sampler.join()
    drawn = tasks(cluster)
    assert drawn.keys() == expected
    for name, task in drawn.items():
        assert task.inclusion_probability == (1.0 if name in doubted else 0.3)
        assert ("disagreement" in task.reasons) == (name in doubted)

    store = MonitorStore.connect(settings.redis, settings.monitor)
    for record in cluster.read(topics.OPINIONS):
        at = Place(record.topic, record.partition, record.offset, record.timestamp_ms or 0)
        store.apply(at, record.offset, facts_of(topics.OPINIONS, record.value))
    agreement = overview(store, settings.monitor, 50)["agreement"]
    store.close()
    assert [(row["by"], row["with"]) for row in agreement] == [("judge:core_identity", "student")]
    assert 1 - agreement[0]["share"] == pytest.approx(len(doubted) / len(made))
