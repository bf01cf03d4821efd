"""What the topics say for an estimate and for people: tasks, answers, and how much was decided. The joins are pure.

An answer belongs to a draw if it is about the very contents that were judged, whichever task asked for it: of a pair
that was drawn twice with the same contents, one answer is an answer to both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from schemas import topics
from schemas.decision import MatchDecision
from schemas.events import BadEvent, UnknownMajorVersion
from schemas.label import Label, LabeledBy, parse_label, replaces
from schemas.labeling import LabelingTask
from schemas.settings import Settings
from worker.labeling.chances import eligible
from worker.labeling.estimate import Drawn
from worker.replay import log
from worker.replay.span import Point

PEOPLE: tuple[LabeledBy, ...] = ("person",)
ANYBODY: tuple[LabeledBy, ...] = ("person", "teacher")

Passed = Callable[[str, int, int], None]
Answers = dict[tuple[str, str, str], Label]
"""Labels by pair and both digests."""


@dataclass
class Draws:
    """The tasks of a period."""

    first: dict[str, LabelingTask] = field(default_factory=dict)
    """By task id, as they were drawn."""
    last: dict[str, LabelingTask] = field(default_factory=dict)
    """By task id, as they are now."""
    of_pair: dict[str, str] = field(default_factory=dict)
    """The task that counts of each pair."""

    def add(self, task: LabelingTask) -> None:
        """The next record of `match.labeling`, of one pair in order."""
        self.first.setdefault(task.task_id, task)
        self.last[task.task_id] = task
        if task.withdrawn is None or task.pair_id not in self.of_pair:
            self.of_pair[task.pair_id] = task.task_id

    def open(self, answers: Collection[tuple[str, str, str]], at: datetime) -> list[LabelingTask]:
        """What stands in the queue, most urgent first."""
        waiting = [self.last[name] for name in self.of_pair.values()]
        return sorted(
            (
                task
                for task in waiting
                if task.withdrawn is None and task.expires_at > at and contents_of(task) not in answers
            ),
            key=lambda task: (-task.priority, task.created_at, task.task_id),
        )


def contents_of(task: LabelingTask) -> tuple[str, str, str]:
    """Pair and both digests that a task asks about."""
    return task.pair_id, task.first.digest, task.second.digest


def answers_of(labels: Iterable[tuple[int, Label]], by: Collection[LabeledBy]) -> Answers:
    """The label that counts of each pair's contents, from (offset, label)."""
    found: dict[tuple[str, str, str], tuple[int, Label]] = {}
    for offset, label in labels:
        if label.by not in by:
            continue
        key = (label.pair_id, *label.digests)
        held = found.get(key)
        if held is None or replaces(label, offset, held[1], held[0]):
            found[key] = offset, label
    return {key: label for key, (_, label) in found.items()}


def drawn_of(
    draws: Draws, answers: Mapping[tuple[str, str, str], Label], begin: datetime, end: datetime
) -> list[Drawn]:
    """The draws of decisions made in a period (begin inclusive, end exclusive), with what is known of them."""
    found = []
    for task in draws.first.values():
        if begin <= task.decided_at < end:
            answer = answers.get(contents_of(task))
            found.append(
                Drawn(
                    predicted=task.verdict == "match",
                    truth=None if answer is None else answer.verdict == "match",
                    inclusion=task.inclusion_probability,
                    least=task.rates.get("uniform", task.inclusion_probability),
                    uniform="uniform" in task.reasons,
                )
            )
    return found


# Topics


def read_draws(settings: Settings, begin: datetime | None, passed: Passed) -> Draws:
    """The tasks published since `begin` (all without it). Raises ReplayError."""
    draws = Draws()
    for value, _ in _values(settings, topics.LABELING, begin, passed):
        draws.add(LabelingTask.model_validate(orjson.loads(value)))
    return draws


def read_answers(settings: Settings, by: Collection[LabeledBy], passed: Passed) -> Answers:
    """All labels by these; what cannot be read was dead-lettered by the workers. Raises ReplayError."""

    def labels() -> Iterator[tuple[int, Label]]:
        for value, record in _values(settings, topics.LABELS, None, passed):
            try:
                yield record[1], parse_label(record[0], value)
            except (BadEvent, UnknownMajorVersion):
                continue

    return answers_of(labels(), by)


def count_matches(settings: Settings, begin: datetime, end: datetime, passed: Passed) -> tuple[int, int]:
    """(decisions, matches among them) of the population that were made in a period. Raises ReplayError."""
    seen: dict[str, bool] = {}
    for value, _ in _values(settings, topics.DECISIONS, begin, passed):
        made = MatchDecision.model_validate(orjson.loads(value))
        if eligible(made) and begin <= made.decided_at < end:
            seen[made.decision_id] = made.verdict == "match"
    return len(seen), sum(seen.values())


def _values(
    settings: Settings, topic: str, begin: datetime | None, passed: Passed
) -> Iterator[tuple[bytes, tuple[bytes | None, int]]]:
    name = settings.kafka.topic(topic)
    point = Point(edge="start") if begin is None else Point(at=begin)
    span = log.resolve(settings.kafka, name, point, Point(edge="end"))
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        passed(name, done, span.size)

    for record in log.read(settings.kafka, span, passed=count):
        if record.value is not None:
            yield record.value, (record.key, record.offset)
