"""The whole loop in one worker process: an offer comes, matches are published, the worker leaves when it is told to."""

from __future__ import annotations

import pytest

from schemas.decision import standing
from schemas.offer import Offer
from tests.system.cluster import by_position, delete_record
from tests.system.conftest import MakeCluster

pytestmark = pytest.mark.system


def offer(number: int, title: str, source: str = "s", **fields: object) -> Offer:
    return Offer.model_validate({"offer_id": str(number), "source": source, "title": title, **fields})


CAMERAS = [
    offer(number, f"sony cyber-shot dsc-w{100 + number} digital camera {colour}")
    for number, colour in enumerate(("black", "pink", "blue"))
]


def test_answers_every_change_and_leaves_on_sigterm(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(
        policy={"match_threshold": 0.0, "review_low": 0.0, "review_high": 0.0, "contradiction": "match"}
    )
    worker = cluster.worker()
    sent = cluster.upsert(*CAMERAS)
    answers = cluster.await_answers(sent)
    assert sorted(len(found) for found in by_position(answers).values()) == [1] * sent
    assert {answer.outcome for answer in answers} <= {"judged", "no_candidates"}
    sent += cluster.upsert(CAMERAS[0])
    cluster.await_answers(sent)
    sent += cluster.produce([delete_record(CAMERAS[0])])
    answers = cluster.await_answers(sent)
    decisions = {made.decision_id: made for made in cluster.decisions()}
    for answer in answers:
        assert {*answer.decision_ids, *answer.standing_ids} <= decisions.keys()
    assert {each.outcome for each in answers if each.key == CAMERAS[0].key} == {"judged", "unchanged", "deleted"}
    stands = standing(decisions.values())
    assert {made.verdict for made in stands.values()} == {"match", "retracted"}
    assert worker.terminate() == 0
    assert worker.events("worker_stopped")


def test_sigterm_in_the_middle_loses_and_repeats_nothing(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(blocking={"idf": "fixed", "k": 100}, stream={"batch_size": 2})
    offers = [offer(number, f"sony cyber-shot dsc-w{100 + number} digital camera") for number in range(48)]
    worker = cluster.worker()
    cluster.upsert(*offers)
    cluster.await_answers(2)
    assert worker.terminate() == 0
    assert len(cluster.answers()) < len(offers), "it had finished before it was told to stop"
    cluster.worker()
    answers = cluster.await_answers(len(offers))
    assert [found for found in by_position(answers).values() if len(found) != 1] == []
    published = {made.decision_id for made in cluster.decisions()}
    assert all({*answer.decision_ids, *answer.standing_ids} <= published for answer in answers)
