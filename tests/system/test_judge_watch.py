"""The watch over judges on a real broker: doubtful pairs reach people once, and people's labels are counted."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Producer

from samesku.judging.watcher import Watcher
from samesku.topics import TopicAdmin
from schemas import topics
from schemas.decision import MatchDecision, Side
from schemas.drift import DriftEvent, Opinion
from schemas.events import Event, Position, dumps
from schemas.label import Label
from schemas.offer import Offer
from schemas.offer_record import OfferRecord
from schemas.rationale import ATTRIBUTES, AttributeVerdict, Rationale
from schemas.review import ReviewTask
from schemas.settings import Settings
from tests.decisions import NOW, decision
from tests.train.judges.made import Indifferent
from train.judges.watch import WatchPolicy
from worker.replay.log import read, resolve
from worker.replay.span import Point
from worker.stream.logs import configure
from worker.stream.metrics import JUDGE_AGREEMENT, JUDGE_ALARM
from worker.stream.records import Record

pytestmark = pytest.mark.system
PAIRS = 24


def offer(number: int, side: str) -> Offer:
    return Offer(offer_id=str(number), source=side, title=f"sony dx-{4100 + number} camera {side}")


def made(number: int) -> MatchDecision:
    left, right = offer(number, "a"), offer(number, "b")
    items = {
        name: AttributeVerdict(verdict="same", probability=1, p_same=1, p_different=0, p_unknown=0)
        for name in ATTRIBUTES
    }
    sides = [Side(key=each.key, effective_version=number, digest=each.digest()) for each in (left, right)]
    return decision(left.key, right.key, "match").model_copy(
        update={
            "decision_id": f"d{number}", "first": sides[0], "second": sides[1],
            "rationale": Rationale(attributes=items, answer="same"),
        }
    )  # fmt: skip


def publish(settings: Settings, events: list[tuple[str, str, Event]], *, abort: bool = False) -> None:
    producer = Producer(
        {**settings.kafka.client_config(), "transactional.id": f"{settings.kafka.topic_prefix}test", "linger.ms": 0}
    )
    producer.init_transactions(60)
    producer.begin_transaction()
    for topic, key, event in events:
        producer.produce(settings.kafka.topic(topic), key=key.encode(), value=dumps(event))
    producer.flush(60)
    producer.abort_transaction(60) if abort else producer.commit_transaction(60)
    # The markers are written after the commit has returned; a successor of the same name waits for them.
    Producer(
        {**settings.kafka.client_config(), "transactional.id": f"{settings.kafka.topic_prefix}test"}
    ).init_transactions(60)


def committed(settings: Settings, topic: str, count: int) -> list[Record]:
    """The records of a topic, as soon as so many are visible."""
    while True:
        span = resolve(settings.kafka, settings.kafka.topic(topic), Point(edge="start"), Point(edge="end"))
        found = list(read(settings.kafka, span))
        if len(found) >= count:
            return found


def test_doubtful_pairs_go_to_people_once_and_labels_are_counted(kafka: str, tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {
            "kafka": {
                "bootstrap_servers": kafka, "topic_prefix": "judgewatch.", "group_id": "judgewatch.workers",
                "transactional_id_prefix": "judgewatch.worker", "partitions": 1,
            },
            "log": {"json_lines": True},
        }
    )  # fmt: skip
    TopicAdmin(settings.kafka.client_config()).apply(settings.kafka.topic_specs())
    offers: list[tuple[str, str, Event]] = [
        (
            topics.OFFERS,
            each.key,
            OfferRecord(
                key=each.key,
                offer=each,
                effective_version=number,
                digest=each.digest(),
                indexed_at=NOW,
                source=Position(topic="catalog.changes", partition=0, offset=number),
            ),
        )
        for number in range(PAIRS)
        for each in (offer(number, "a"), offer(number, "b"))
    ]
    publish(settings, [*offers, *((topics.DECISIONS, made(n).pair_id, made(n)) for n in range(PAIRS))])
    publish(settings, [(topics.DECISIONS, made(PAIRS).pair_id, made(PAIRS))], abort=True)

    # One judge is sure of what the other two accept: every pair is in conflict about the product.
    judges = [
        Indifferent("core_identity", 0.97), Indifferent("model_identifier", 0.03), Indifferent("variant_conflict", 0.97)
    ]  # fmt: skip

    log = configure(settings.log)

    def watcher() -> Watcher:
        return Watcher(settings, judges, WatchPolicy(share=1.0), tmp_path / "state.json", log, now=lambda: NOW)

    first = watcher().once()
    assert (first.judged, len(first.tasks)) == (PAIRS, PAIRS)  # the aborted one is not seen
    assert watcher().once().judged == 0  # the state stands in the file
    sent = [ReviewTask.model_validate_json(each.value or b"") for each in committed(settings, topics.REVIEW, PAIRS)]
    assert sorted(task.task_id for task in sent) == sorted(f"d{number}" for number in range(PAIRS))
    assert {reason for task in sent for reason in task.reasons} == {
        "judges_conflict:product", "judge_rejects:model_identifier:specification",
    }  # fmt: skip
    assert sent[0].first_offer.title.startswith("sony dx-")

    labels: list[tuple[str, str, Event]] = [
        (
            topics.LABELS,
            made(number).pair_id,
            Label(
                label_id=f"l{number}",
                pair_id=made(number).pair_id,
                verdict="match",
                reviewer="ann",
                labeled_at=NOW,
                first_digest=made(number).first.digest if number else "of another content",
                second_digest=made(number).second.digest,
                attributes={"product": "same"},
            ),
        )
        for number in range(PAIRS)
    ]
    publish(settings, labels)
    last = watcher()
    assert last.once().tasks == []
    # One label was given on other contents: it tells nothing of this decision.
    counts = {name: (each.claims, each.agreed) for name, each in last.state.tallies.items()}
    bound = PAIRS - 1
    assert counts == {"core_identity": (bound, bound), "model_identifier": (bound, 0), "variant_conflict": (0, 0)}
    assert last.metrics.value(JUDGE_AGREEMENT, judge="core_identity") == 1
    assert last.metrics.value(JUDGE_ALARM, judge="model_identifier") == 1
    assert last.alarms == ["model_identifier: agrees with people in 0 of 23 claims, certainly below 75%"]
    assert watcher().once().judged == 0
    # The alarm is told once, and still stands for the watch that comes after.
    (event,) = (DriftEvent.model_validate_json(each.value or b"") for each in committed(settings, topics.DRIFT, 1))
    assert (event.stream, event.kind, event.observations) == (
        "opinions/all/people.judge:model_identifier", "alarm", bound,
    )  # fmt: skip
    again = watcher()
    again.once()
    assert again.metrics.value(JUDGE_ALARM, judge="model_identifier") == 1
    opined = committed(settings, topics.OPINIONS, 3 * PAIRS + 2 * bound)
    said = [Opinion.model_validate_json(each.value or b"") for each in opined]
    # Three judges of each decision; of each label the two that are asked about the product.
    assert [sum(each.about == about for each in said) for about in ("decision", "label")] == [3 * PAIRS, 2 * bound]
