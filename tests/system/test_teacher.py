"""The teacher at work on a real broker, asked through a real server with a real (and far too small) model."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import orjson
import pytest
import structlog

from samesku.teacher.serving import Serving
from schemas import topics
from schemas.drift import Opinion
from schemas.events import dumps
from schemas.label import Label
from schemas.review import ReviewTask
from tests.system.cluster import Cluster
from tests.train.teacher.conftest import LlamaServer, llama
from tests.train.teacher.test_answering import REVIEW, labeling
from tests.worker.stream.test_worker import cluster
from train.teacher.answering import ANSWERED, Rules
from train.teacher.config import Price, TeacherConfig
from train.teacher.ledger import Ledger
from train.teacher.store import Store

__all__ = ["cluster", "llama"]
pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

# Whatever the small model says counts: what is shown is the way of an answer, not its worth.
ANYTHING = Rules(least_confidence=0.0, check_share=0.0)


class Teacher:
    """Serves from one folder, as one process after another would."""

    def __init__(self, cluster: Cluster, server: LlamaServer, folder: Path) -> None:
        self.cluster = cluster
        self.config = TeacherConfig(
            base_url=server.base_url, model="smollm2", max_tokens=140, concurrency=1, store=folder / "store.sqlite",
            repairs=0, prices={"smollm2": Price(input=Decimal(100), output=Decimal(100))},
        )  # fmt: skip
        self.answers = folder / "answers.sqlite"

    def serve(self, group: str, per_day: str, until: Callable[[Serving], None] | None = None) -> None:
        """Until nothing has come for a while, or until `until` returns."""
        with Store(self.config.store) as store, Ledger(self.answers) as ledger:
            serving = Serving(
                self.cluster.settings(), self.config, Decimal(per_day), ANYTHING, (), store, ledger,
                structlog.get_logger(), group=f"{self.cluster.prefix}{group}",
                idle_s=4.0 if until is None else None,
            )  # fmt: skip
            if until is not None:
                threading.Thread(target=until, args=(serving,)).start()
            serving.run()

    def labels(self) -> list[Label]:
        return [Label.model_validate(orjson.loads(each.value or b"")) for each in self.cluster.read(topics.LABELS)]

    def paid(self) -> Decimal:
        with Store(self.config.store) as store:
            return store.spent


@pytest.fixture
def teacher(cluster: Cluster, llama: LlamaServer, tmp_path: Path) -> Teacher:
    return Teacher(cluster, llama, tmp_path)


def send(cluster: Cluster, *tasks: ReviewTask) -> None:
    cluster.produce(((each.pair_id.encode(), dumps(each)) for each in tasks), topic=topics.REVIEW)


def test_an_answer_is_paid_for_once_and_published_once(
    cluster: Cluster, teacher: Teacher, llama: LlamaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(cluster, REVIEW)
    # No money today: nobody is asked, nothing is committed, nothing is lost.
    monkeypatch.setattr("samesku.teacher.serving.AGAIN", 0.5)
    before = llama.counted()

    refused = threading.Event()

    def wait_in_vain(serving: Serving) -> None:
        assert refused.wait(120)
        serving.stop()

    def heard(logger: object, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if event["event"] == "teacher_waits":
            refused.set()
        return event

    with structlog.testing.capture_logs(processors=[heard]):
        teacher.serve("a", "0.000001", until=wait_in_vain)
    assert refused.is_set()
    assert llama.counted() == before
    assert teacher.labels() == []
    # The same group goes on where it was, and pays.
    teacher.serve("a", "1000")
    paid, counted = teacher.paid(), llama.counted()
    assert paid > 0
    with Ledger(teacher.answers) as ledger:
        outcomes, answered = ledger.outcomes(), ledger.answered()
    assert sum(outcomes.values()) == 1
    labels = teacher.labels()
    # An answer is published exactly where the ledger says so; what it failed at is left to people.
    assert len(labels) == sum(count for name, count in outcomes.items() if name in ANSWERED) == len(answered)
    for label in labels:
        assert (label.by, label.reviewer, label.pair_id) == ("teacher", "smollm2", REVIEW.pair_id)
        assert (label.verdict, label.digests) == (answered[0].verdict, (REVIEW.first.digest, REVIEW.second.digest))
    # Another group reads the task from its beginning: what was answered is skipped, what was not is free. Of a decision
    # about the same contents that the sampling drew uniformly, its word becomes an opinion.
    drawn = labeling(reasons=["uniform"], rates={"uniform": 0.02}, verdict="match")
    cluster.produce([(drawn.pair_id.encode(), dumps(drawn))], topic=topics.LABELING)
    teacher.serve("b", "1000")
    assert (teacher.paid(), llama.counted()) == (paid, counted)
    assert len(teacher.labels()) == len(labels)
    said = [Opinion.model_validate(orjson.loads(each.value or b"")) for each in cluster.read(topics.OPINIONS)]
    assert [(each.by, each.decision_id, each.inclusion_probability) for each in said] == [
        ("teacher", drawn.decision_id, 0.02) for _ in answered
    ]
    assert [each.score for each in said] == [float(each.verdict == "match") for each in answered]
