"""From the topics to the frozen input of a run: which pairs or changes, with which contents.

Each function reads one range once and leaves `inputs` committed and whole, or as it was before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from pydantic import ValidationError

from schemas import topics
from schemas.decision import MatchDecision
from schemas.events import UnknownMajorVersion
from schemas.sections import KafkaSettings
from worker.blocking.records import Upsert
from worker.replay import log
from worker.replay.errors import LogUnreadable
from worker.replay.offers import OfferSource, TopicOffers, changed_offer, fetch
from worker.replay.span import Point, Span
from worker.replay.store import Inputs
from worker.stream.records import Record
from worker.stream.restore import as_write

COMPLETE, SPAN, ITEMS, DECISIONS, MISSING = "complete", "span", "items", "decisions_read", "contents_missing"
FOLLOWED = "followed"


class Progress(Protocol):
    """What is told of a long step. `stage` begins one; `total` is in the units that `advance` counts."""

    def stage(self, text: str, total: int | None) -> None: ...

    def advance(self, count: int) -> None: ...


def plan_pairs(
    kafka: KafkaSettings, inputs: Inputs, span: Span, every: bool, sources: Sequence[OfferSource] | None,
    with_contents: bool, progress: Progress,
) -> None:  # fmt: skip
    """The pairs decided in the range: what stands of the range, or `every` judgement; with their contents.

    `sources` is asked for contents first, then the topics. Raises LogUnreadable.
    """
    progress.stage(f"reading {span.topic}", span.size)
    read = 0
    for record in log.read(kafka, span, passed=progress.advance):
        made = as_decision(record)
        read += 1
        if every:
            inputs.note_found(made, f"{record.partition}:{record.offset}")
        else:
            inputs.note_standing(made)
    inputs.note_fact(ITEMS, inputs.number_pairs(every))
    inputs.note_fact(DECISIONS, read)
    if with_contents:
        progress.stage("reading contents", None)
        asked = [*(sources or ()), TopicOffers(kafka, inputs.sides(), progress.advance)]
        inputs.note_fact(MISSING, fetch(asked, inputs.digests(), inputs.note_offers))
    _complete(inputs, span)


def plan_events(kafka: KafkaSettings, inputs: Inputs, span: Span, progress: Progress) -> None:
    """The changes of the range, and the catalogue before it as far as `catalog.offers` still tells.

    Raises LogUnreadable.
    """
    offers = log.resolve(kafka, kafka.topic(topics.OFFERS), Point(edge="start"), Point(edge="end"))
    progress.stage(f"reading {offers.topic}", offers.size)
    for record in log.read(kafka, offers, passed=progress.advance):
        write = as_write(record)
        before = span.starts.get(record.partition)
        # `catalog.offers` lies partition by partition beside the changes, and the effective version is their offset.
        if write is not None and (before is None or write.effective_version < before):
            inputs.note_catalogue((record.key or b"").decode("utf-8", "replace"), record)
            inputs.note_offers([write.offer] if isinstance(write, Upsert) else [])
    progress.stage(f"reading {span.topic}", span.size)
    latest: dict[int, int] = {}
    for record in log.read(kafka, span, passed=progress.advance):
        # A producer's clock may go back; the order of a partition does not.
        at = latest[record.partition] = max(latest.get(record.partition, 0), record.timestamp_ms or 0)
        inputs.note_change(at, record)
        offer = changed_offer(record)
        inputs.note_offers([offer] if offer is not None else [])
    inputs.note_fact(ITEMS, inputs.number_changes())
    _complete(inputs, span)


def follow_standing(
    kafka: KafkaSettings, inputs: Inputs, whole: Callable[[MatchDecision], bool], progress: Progress | None = None
) -> None:
    """Bring what stands of the planned pairs up to the end of the log; the first time from its beginning.

    Decisions that are `whole` keep their rationale. Raises LogUnreadable.
    """
    everything = log.resolve(kafka, kafka.topic(topics.DECISIONS), Point(edge="start"), Point(edge="end"))
    known = inputs.fact(FOLLOWED)
    span = everything
    if known is not None:
        begun = Span(everything.topic, everything.starts, {int(number): end for number, end in known.items()})
        span = begun.after(everything.ends)
    if progress is not None:
        progress.stage(f"reading {span.topic}", span.size)
    passed = progress.advance if progress is not None else lambda count: None
    for record in log.read(kafka, span, passed=passed):
        if inputs.has_pair((record.key or b"").decode("utf-8", "replace")):
            made = as_decision(record)
            inputs.note_standing(made, whole(made))
    inputs.note_fact(FOLLOWED, {str(number): end for number, end in span.ends.items()})
    inputs.commit()


def as_decision(record: Record) -> MatchDecision:
    """Raises LogUnreadable for a record that this version cannot read."""
    try:
        return MatchDecision.model_validate_json(record.value or b"")
    except (ValidationError, UnknownMajorVersion) as error:
        raise LogUnreadable(f"{record} is no decision that this version can read: {error}") from error


def _complete(inputs: Inputs, span: Span) -> None:
    places = {str(number): [span.starts[number], span.ends[number]] for number in sorted(span.starts)}
    inputs.note_fact(SPAN, {"topic": span.topic, "partitions": places})
    inputs.note_fact(COMPLETE, True)
    inputs.commit()
