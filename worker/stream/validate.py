"""The first step: what a record says, or why it cannot be used. Pure; nothing is indexed before this has passed."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.change import CatalogChange, parse_change
from schemas.events import BadEvent, Reason
from schemas.offer import Offer
from schemas.prompt import render_query
from worker.stream.records import LookedAt, Record


@dataclass(frozen=True, slots=True)
class Incoming(LookedAt):
    """A record of `catalog.changes`: exactly one of `change` and `refusal` is set."""

    change: CatalogChange | None = None
    refusal: BadEvent | None = None

    @property
    def identity(self) -> bytes | None:
        """What two records of one offer share. Validation has made sure that the Kafka key is the offer's key."""
        return self.record.key if self.change is not None else None


def validate(record: Record) -> Incoming:
    """Look at one record.

    Raises:
        UnknownMajorVersion: this code cannot know what the record says; its partition must wait for one that can.
    """
    try:
        change = parse_change(record.key, record.value)
    except BadEvent as refusal:
        return Incoming(record, refusal=refusal)
    if change.offer is not None:
        offer = versioned(change.offer, change.version)
        change = change.model_copy(update={"offer": offer})
        # Rendered here once, so that text which the prompt cannot take never reaches the index, where it would fail
        # every neighbour's judgement as well.
        try:
            render_query(offer)
        except (ValueError, OverflowError, RecursionError) as error:
            return Incoming(record, refusal=BadEvent(Reason.BAD_VALUE, f"the offer cannot be rendered: {error}"))
    return Incoming(record, change=change)


def versioned(offer: Offer, version: int | None) -> Offer:
    """The offer with the seller's version, which may stand beside it in the change instead."""
    return offer if offer.version == version else offer.model_copy(update={"version": version})
