"""Many pairs: several at once, results in the order of the questions, a clean stop in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from train.rationales.records import RationaleRecord
from train.teacher.config import TeacherConfig
from train.teacher.costs import Tally
from train.teacher.endpoint import Endpoint, EndpointRefused
from train.teacher.oracle import Oracle, RunStopped
from train.teacher.pipeline import Failure, Teaching
from train.teacher.question import Question
from train.teacher.store import Store


@dataclass
class Run:
    """What became of the questions. ``stopped`` says why the rest was not asked; a run again goes on from there."""

    asked: int
    outcomes: dict[int, RationaleRecord | Failure] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    stopped: str | None = None

    @property
    def records(self) -> list[RationaleRecord]:
        """The records, in the order of the questions."""
        return [each for _, each in sorted(self.outcomes.items()) if isinstance(each, RationaleRecord)]

    @property
    def failures(self) -> list[Failure]:
        """The failures, in the order of the questions."""
        return [each for _, each in sorted(self.outcomes.items()) if isinstance(each, Failure)]


async def teach(
    run: Run,
    questions: Sequence[Question],
    config: TeacherConfig,
    store: Store,
    api_key: str,
    progress: Callable[[Run], None] = lambda run: None,
) -> None:
    """Put every question to the teacher; ``run`` fills as they are answered.

    When it is cancelled (an interrupt), requests under way are waited for and kept, and ``run`` holds what is done.
    """
    async with Endpoint(config, api_key) as endpoint:
        oracle = Oracle(config, store, endpoint)
        run.tally = oracle.tally
        waiting = iter(enumerate(questions))

        async def work() -> None:
            for number, question in waiting:
                run.outcomes[number] = await Teaching(question, oracle.ask, config).outcome()
                progress(run)

        try:
            # A pair has one request under way at a time, so that so many pairs fill the slots.
            async with asyncio.TaskGroup() as group:
                for _ in range(min(config.concurrency, len(questions))):
                    group.create_task(work())
        except* (RunStopped, EndpointRefused) as stop:
            run.stopped = str(_first(stop))
        finally:
            await oracle.close()
            progress(run)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
