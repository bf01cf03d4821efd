"""Asking with memory and a purse: from the store if it was ever answered, else from the endpoint, within the budget."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_random_exponential

from train.teacher.config import TeacherConfig
from train.teacher.costs import Tally, ceiling_of, cost_of
from train.teacher.endpoint import Answer, AttemptFailed, Endpoint, EndpointRefused
from train.teacher.prompts import PROMPT_VERSION, Messages, Step
from train.teacher.store import Reply, Store, content_key

# The first pause of a server that names none; doubles, at random below it, up to the last.
BACKOFF_S = 1.0
BACKOFF_MAX_S = 60.0


class RunStopped(Exception):
    """No further request may be sent in this run; what is done is kept. The text says why and what helps."""


class BudgetExhausted(RunStopped):
    """The next request could exceed the budget."""


class Unanswered(Exception):
    """This request got no reply, retries included; others may."""


class Oracle:
    """Replies to prompts. Made inside one event loop; every reply is counted in ``tally``."""

    def __init__(self, config: TeacherConfig, store: Store, endpoint: Endpoint) -> None:
        self.config = config
        self.tally = Tally()
        self._store = store
        self._endpoint = endpoint
        self._under_way: dict[str, asyncio.Task[Reply]] = {}
        # What the requests under way can cost; the rest of what is at risk was lost, and no wait brings it back.
        self._in_flight = Decimal(0)
        self._settled = asyncio.Condition()
        self._given_up = 0
        self._answered = False
        self._sending: set[asyncio.Task[Any] | None] = set()
        self._closing = False
        self._backoff = wait_random_exponential(multiplier=BACKOFF_S, max=BACKOFF_MAX_S)

    async def ask(self, step: Step, messages: Messages, repair: bool = False) -> Reply:
        """The reply to a prompt: kept, under way for another pair, or new.

        Raises:
            Unanswered: no reply this time.
            RunStopped: the budget, or the server's silence, ends the run.
            EndpointRefused: the server will never answer.
        """
        key = content_key(step.name, self.config.model, PROMPT_VERSION, messages, self.config.sampling())
        if (kept := self._store.get(key)) is not None:
            self.tally.count(step.name, kept, repair)
            return kept
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._fetch(key, step, messages, repair))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        # Shielded: a pair that is given up must not take the reply from another that waits for it.
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Wait for the requests that were sent: they are paid for, so their replies are kept. No other goes out."""
        self._closing = True
        for task in self._under_way.values():
            if task not in self._sending:
                task.cancel()
        while self._under_way:
            await asyncio.wait(list(self._under_way.values()))

    def _forget(self, key: str, task: asyncio.Task[Reply]) -> None:
        self._under_way.pop(key, None)
        if not task.cancelled():
            task.exception()  # looked at, so that a failure which nobody waits for any more is no warning

    async def _fetch(self, key: str, step: Step, messages: Messages, repair: bool) -> Reply:
        retrying = AsyncRetrying(
            retry=retry_if_exception(self._worth_another),
            stop=stop_after_attempt(self.config.max_retries + 1),
            wait=self._wait,
            reraise=True,
        )
        try:
            reply: Reply = await retrying(self._attempt, key, step, messages)
        except AttemptFailed as error:
            if self._nobody_there(error):
                raise RunStopped(f"base_url = {self.config.base_url!r} cannot be reached: {error}") from error
            self._given_up += 1
            if self._given_up >= self.config.max_outages:
                raise RunStopped(
                    f"{self.config.base_url}: {self._given_up} requests in a row had no reply ({error})"
                ) from error
            raise Unanswered(str(error)) from error
        self._given_up = 0
        self._answered = True
        self.tally.count(step.name, reply, repair)
        return reply

    def _worth_another(self, error: BaseException) -> bool:
        return isinstance(error, AttemptFailed) and error.again and not self._nobody_there(error)

    def _nobody_there(self, error: AttemptFailed) -> bool:
        """A server that has never answered is a wrong address, not an outage."""
        return not error.reached and not self._answered

    def _wait(self, state: RetryCallState) -> float:
        if self._closing:
            raise RunStopped("the run has ended")
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, AttemptFailed) and error.pause_s is not None:
            if error.pause_s > self.config.max_retry_after_s:
                raise RunStopped(
                    f"{self.config.base_url} asks for a pause of {error.pause_s:.0f} s, longer than"
                    f" max_retry_after_s = {self.config.max_retry_after_s:g} ({error}); run it again later"
                )
            self._endpoint.pause(error.pause_s)
            return 0.0
        return self._backoff(state)

    async def _attempt(self, key: str, step: Step, messages: Messages) -> Reply:
        schema = step.schema()
        async with self._endpoint.slots:
            await self._endpoint.turn(messages)
            ceiling = await self._reserve(messages, schema)
            line = self._store.sending(key, step.name, ceiling)
            self._sending.add(asyncio.current_task())
            try:
                answer = await self._endpoint.attempt(step.name, messages, schema)
            except AttemptFailed as error:
                if not error.charged:
                    self._store.not_charged(line)
                raise
            except EndpointRefused:
                self._store.not_charged(line)
                raise
            else:
                return self._keep(line, key, step, messages, answer)
            finally:
                self._sending.discard(asyncio.current_task())
                async with self._settled:
                    self._in_flight -= ceiling
                    self._settled.notify_all()

    async def _reserve(self, messages: Messages, schema: dict[str, Any]) -> Decimal:
        """Set aside what a request can cost at most; waits while requests under way may turn out cheaper."""
        ceiling = ceiling_of(messages, schema, self.config.max_tokens, self.config.price)
        budget = self.config.budget
        async with self._settled:
            while budget is not None and self._store.spent + self._store.at_risk + ceiling > budget:
                if self._in_flight == 0:
                    raise BudgetExhausted(
                        f"budget = {budget} {self.config.currency}: {self._store.spent:.6f} is spent,"
                        f" {self._store.at_risk:.6f} may be (requests whose end is unknown), and the next request"
                        f" can cost {ceiling:.6f}; everything paid for is in {self._store.path}, so raise the budget"
                        " and run it again"
                    )
                await self._settled.wait()
            self._in_flight += ceiling
        return ceiling

    def _keep(self, line: int, key: str, step: Step, messages: Sequence[dict[str, str]], answer: Answer) -> Reply:
        reply = Reply(
            key, answer.text, answer.finish_reason, answer.served_by, answer.structured, answer.usage,
            cost_of(answer.usage, self.config.price), fresh=True,
        )  # fmt: skip
        request = {"messages": messages, "sampling": self.config.sampling()}
        self._store.put(line, reply, step.name, self.config.model, PROMPT_VERSION, request, self.config.base_url)
        return reply
