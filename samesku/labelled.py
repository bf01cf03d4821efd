"""Labels and the contents that they are about, read from the topics."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

from pydantic import ValidationError

from samesku.matches.log import bounds, read_messages
from schemas import topics
from schemas.events import BadEvent, Event, UnknownMajorVersion
from schemas.label import Label, parse_label
from schemas.labeling import LabelingTask
from schemas.offer import Offer
from schemas.offer_record import OfferRecord
from schemas.review import ReviewTask
from schemas.sections import KafkaSettings

E = TypeVar("E", bound=Event)


def read_placed_labels(kafka: KafkaSettings) -> tuple[list[tuple[Label, int]], int]:
    """All labels of `match.labels` with their offsets, and how many records are none that this code can read.

    Raises LogUnreadable.
    """
    found, bad = [], 0
    for record in read_messages(kafka, bounds(kafka, topics.LABELS)):
        try:
            label = parse_label(record.key, record.value)
        except (BadEvent, UnknownMajorVersion):
            bad += 1
            continue
        found.append((label, record.offset))
    return found, bad


def read_contents(kafka: KafkaSettings, digests: Collection[str]) -> dict[str, Offer]:
    """Offers by digest: snapshots of review and labelling tasks, then what `catalog.offers` holds.

    Raises LogUnreadable.
    """
    found: dict[str, Offer] = {}
    for name in (topics.REVIEW, topics.LABELING, topics.OFFERS):
        if found.keys() >= set(digests):
            break
        for record in read_messages(kafka, bounds(kafka, name)):
            for digest, offer in _offers(name, record.value or b""):
                if digest in digests:
                    found[digest] = offer
    return found


def _offers(name: str, value: bytes) -> list[tuple[str, Offer]]:
    if not value:
        return []
    kept: list[Offer | None] = []
    if name == topics.REVIEW and (task := _read(ReviewTask, value)):
        kept = [task.first_offer, task.second_offer]
    elif name == topics.LABELING and (drawn := _read(LabelingTask, value)):
        kept = [drawn.first_offer, drawn.second_offer]
    elif name == topics.OFFERS and (record := _read(OfferRecord, value)):
        kept = [record.offer]
    return [(offer.digest(), offer) for offer in kept if offer is not None]


def _read(model: type[E], value: bytes) -> E | None:
    try:
        return model.model_validate_json(value)
    except (ValidationError, UnknownMajorVersion):
        return None
