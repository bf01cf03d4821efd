"""Reading `match.decisions` from its start to where it ends now, committed decisions only.

The log is the truth: which of a pair's decisions stands is asked of `schemas.decision`, and never of Redis. A reader
that stops at the end offsets found here and a reader that goes on from them miss nothing and see nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from schemas.decision import MatchDecision
from schemas.sections import KafkaSettings
from schemas.topics import DECISIONS
from worker.replay import log
from worker.replay.errors import LogUnreadable, ReplayError
from worker.replay.planning import as_decision
from worker.replay.span import Point, Span
from worker.stream.records import Record

__all__ = ["LogUnreadable", "bounds", "read_decisions", "read_messages"]


def bounds(kafka: KafkaSettings, name: str = DECISIONS) -> Span:
    """Where a topic begins and where it ends for `read_committed` now. Raises LogUnreadable."""
    try:
        return log.resolve(kafka, kafka.topic(name), Point(edge="start"), Point(edge="end"))
    except LogUnreadable:
        raise
    except ReplayError as error:
        raise LogUnreadable(str(error)) from error


def read_decisions(
    kafka: KafkaSettings,
    span: Span,
    wanted: Callable[[bytes], bool] = lambda key: True,
    progress: Callable[[int], None] = lambda done: None,
) -> Iterator[MatchDecision]:
    """Every committed decision of the span whose Kafka key (the pair id) is wanted; `progress` gets records passed.

    Raises LogUnreadable: the broker fell silent, or a record is no decision that this code can read.
    """
    return map(as_decision, read_messages(kafka, span, wanted, progress))


def read_messages(
    kafka: KafkaSettings,
    span: Span,
    wanted: Callable[[bytes], bool] = lambda key: True,
    progress: Callable[[int], None] = lambda done: None,
) -> Iterator[Record]:
    """Every committed record of the span whose Kafka key is wanted; `progress` gets records passed.

    What retention removes meanwhile is left out. Raises LogUnreadable: the broker fell silent or failed.
    """
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        progress(done)

    return log.read(kafka, span, wanted, count, gone="earliest")
