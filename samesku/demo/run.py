"""The demo from the first record to the last answer: send an act, show what comes, go on when all is answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import orjson
from confluent_kafka import KafkaException
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from samesku.demo.reader import Reader, Seen
from samesku.demo.script import Act, Script
from samesku.demo.show import Voice
from samesku.demo.tally import Quality, Tally, quality
from samesku.load.send import ChangeProducer
from schemas.answer import Answer
from schemas.decision import MatchDecision
from schemas.sections import KafkaSettings
from schemas.topics import CHANGES

READ_SECONDS = 0.2
# A worker that answers nothing for so long has lost its way; a batch takes seconds, a start ten of them.
SILENCE_SECONDS = 180.0


class DemoFailed(Exception):
    """The demo could not come to its end; the text says why."""


@dataclass(frozen=True)
class Outcome:
    """What the demo saw."""

    tally: Tally
    quality: Quality | None
    seconds: float


class Stage:
    """Plays a script on a broker that a worker serves."""

    def __init__(
        self,
        kafka: KafkaSettings,
        script: Script,
        console: Console,
        check_worker: Callable[[], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`check_worker` raises when the worker is gone."""
        self._script, self._console, self._check, self._now = script, console, check_worker, now
        self._voice = Voice(console, script.titles)
        self._producer = ChangeProducer(kafka, kafka.topic(CHANGES))
        self._reader = Reader(kafka)
        self._tally = Tally()
        self._sent = 0
        self._answers: list[Answer] = []
        self._judging = (0.0, 0, 0)

    def play(self) -> Outcome:
        """All acts, then the summary. Raises DemoFailed, NotDelivered and what `check_worker` raises."""
        began = self._now()
        try:
            for act in self._script.acts:
                self._play(act)
        except KafkaException as error:
            raise DemoFailed(f"Kafka: {error}") from error
        finally:
            self._reader.close()
        right = self._quality()
        seconds, changes, pairs = self._judging
        self._voice.summary(self._tally, right, seconds, changes, pairs)
        return Outcome(self._tally, right, self._now() - began)

    def _play(self, act: Act) -> None:
        self._voice.act(act)
        for key, value in act.records:
            self._retitle(key, value)
            self._producer.send(key, value)
        self._producer.flush()
        self._sent += len(act.records)
        began, judged = self._now(), self._tally.judged
        self._until_answered(act)
        seconds, pairs = self._now() - began, self._tally.judged - judged
        # Last, whatever partition was read first: an answer sums up what stands above it.
        for answer in self._answers if act.detailed else ():
            self._voice.answer(answer)
        self._answers.clear()
        self._voice.end_of_act(act, len(act.records), seconds, pairs)
        if act.judged and not act.detailed:
            self._judging = (self._judging[0] + seconds, self._judging[1] + len(act.records), self._judging[2] + pairs)

    def _until_answered(self, act: Act) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        hidden = act.detailed or not self._console.is_terminal
        last = self._now()
        with Progress(*columns, console=self._console, transient=True, disable=hidden) as progress:
            task = progress.add_task("answered", total=len(act.records))
            before = self._sent - len(act.records)
            while self._tally.answers < self._sent:
                for seen in self._reader.read(READ_SECONDS):
                    self._take(seen, act)
                    last = self._now()
                progress.update(task, completed=self._tally.answers - before)
                self._check()
                if self._now() - last > SILENCE_SECONDS:
                    missing = self._sent - self._tally.answers
                    raise DemoFailed(f"no answer for {SILENCE_SECONDS:.0f} s; {missing} are missing")
            # Committed together with the last answer, but on other partitions: they may be a moment later.
            for seen in self._reader.read(READ_SECONDS):
                self._take(seen, act)

    def _take(self, seen: Seen, act: Act) -> None:
        if isinstance(seen, MatchDecision):
            self._tally.add_decision(seen)
            self._voice.decision(seen, act.detailed)
        elif isinstance(seen, Answer):
            self._tally.add_answer(seen)
            self._answers.append(seen)
        else:
            self._tally.add_dead_letter(seen)
            self._voice.dead_letter(seen)

    def _retitle(self, key: bytes, value: bytes | None) -> None:
        try:
            self._voice.retitle(key.decode(), str(orjson.loads(value or b"")["offer"]["title"]))
        except (ValueError, KeyError, TypeError):
            return  # a delete, or one of the events that are bad on purpose

    def _quality(self) -> Quality | None:
        if not self._script.truth:
            return None
        truth: dict[str, str | None] = dict(self._script.truth)
        indexed_only: set[str] = set()
        for act in self._script.acts:
            truth.update(act.products)
            if not act.judged:
                indexed_only.update(key.decode() for key, _ in act.records)
        known = {key: product for key, product in truth.items() if product is not None}
        return quality(self._tally.stands, known, indexed_only)
