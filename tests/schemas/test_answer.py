from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from schemas.answer import Answer
from schemas.decision import Side
from schemas.events import Event, Position, dumps
from schemas.label import Label
from schemas.offer import Offer
from schemas.offer_record import OfferRecord
from schemas.review import ReviewTask

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
SOURCE = Position(topic="catalog.changes", partition=1, offset=7)
OFFERS = [Offer(source="a", offer_id="1", title="one"), Offer(source="b", offer_id="1", title="two")]
SIDES = [Side(key=offer.key, effective_version=7, digest=offer.digest()) for offer in OFFERS]

EVENTS: list[Event] = [
    Answer(source=SOURCE, key="a:1", op="upsert", outcome="judged", decision_ids=["d"], answered_at=NOW),
    Answer(source=SOURCE, key=None, outcome="dead_lettered", reason="not_json", answered_at=NOW),
    ReviewTask(
        task_id="d",
        pair_id="a:1#b:1",
        decision_id="d",
        first=SIDES[0],
        second=SIDES[1],
        first_offer=OFFERS[0],
        second_offer=OFFERS[1],
        reasons=["contradiction:variant"],
        created_at=NOW,
    ),
    Label(
        label_id="l",
        pair_id="a:1#b:1",
        first_digest=SIDES[0].digest,
        second_digest=SIDES[1].digest,
        verdict="no_match",
        attributes={"variant": "different"},
        reviewer="r1",
        labeled_at=NOW,
    ),
    OfferRecord(
        key="a:1", offer=OFFERS[0], effective_version=7, digest=OFFERS[0].digest(), source=SOURCE, indexed_at=NOW
    ),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_events_survive_the_wire_with_fields_they_do_not_know(event: Event) -> None:
    data: dict[str, Any] = orjson.loads(dumps(event)) | {"unknown": [1, {"a": None}]}
    assert data["schema_version"] == "1.0"
    assert orjson.loads(dumps(type(event).model_validate_json(orjson.dumps(data)))) == data


def test_an_unknown_outcome_is_refused() -> None:
    with pytest.raises(ValidationError):
        Answer.model_validate({"source": SOURCE, "key": "a:1", "outcome": "lost", "answered_at": NOW})
