"""One OpenAI-compatible endpoint, asked politely: limits, pauses, and the form of reply that it supports.

`Endpoint.attempt` is one request and no more; who asks again, and who pays, is `train.teacher.oracle`'s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self, cast

import openai
from aiolimiter import AsyncLimiter
from openai.types.chat import ChatCompletion

from train.teacher.config import TeacherConfig
from train.teacher.costs import likely_tokens, most_prompt_tokens
from train.teacher.store import Usage

FORMS = ("json_schema", "json_object", "plain")
"""From the strictest form of reply down to none."""

RETRIED = frozenset({408, 409, 429})
"""Statuses below 500 after which the same request may succeed."""

MAYBE_CHARGED = frozenset({408, 502, 504})
"""Statuses that a gateway sends while the work behind it may go on."""

# A bucket of a minute's tokens would let two minutes' worth pass in the first.
TOKEN_WINDOW_S = 6
_NO_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached"})


class EndpointRefused(Exception):
    """The endpoint will never answer this run: no such model, a wrong key, no money. The text is the server's own."""


class AttemptFailed(Exception):
    """One request without a reply.

    ``charged`` when the server may have done the work, ``again`` when the same request may succeed, ``pause_s`` as the
    server asked for, ``reached`` unless there was nobody to talk to.
    """

    def __init__(
        self, why: str, charged: bool, again: bool, pause_s: float | None = None, reached: bool = True
    ) -> None:
        super().__init__(why)
        self.reached = reached
        self.charged = charged
        self.again = again
        self.pause_s = pause_s


@dataclass(frozen=True)
class Answer:
    """What came back."""

    text: str
    finish_reason: str
    served_by: str
    structured: str
    usage: Usage


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that a response asks to wait (RFC 9110 section 10.2.3: seconds, or a date); None when it does not."""
    value = (headers.get("retry-after") or "").strip()
    if not value:
        return None
    try:
        return max(float(value), 0.0) if float(value) < float("inf") else None
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max((when.replace(tzinfo=when.tzinfo or UTC) - now).total_seconds(), 0.0)


class Endpoint:
    """The client with its limits. Use as an asynchronous context manager, inside one event loop."""

    def __init__(self, config: TeacherConfig, api_key: str) -> None:
        self._config = config
        # Retries are counted and paid for by the caller, so the client makes none of its own.
        self._client = openai.AsyncOpenAI(
            base_url=config.base_url, api_key=api_key, timeout=config.timeout_s, max_retries=0
        )
        self._slots = asyncio.Semaphore(config.concurrency)
        # Evenly, without a burst: servers count in windows shorter than the minute that they advertise.
        self._requests = AsyncLimiter(1, 60 / config.requests_per_minute) if config.requests_per_minute else None
        self._tokens = (
            AsyncLimiter(config.tokens_per_minute * TOKEN_WINDOW_S / 60, TOKEN_WINDOW_S)
            if config.tokens_per_minute
            else None
        )
        self._open_at = 0.0
        self.structured: str = "json_schema" if config.structured == "auto" else config.structured

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    def pause(self, seconds: float) -> None:
        """Send nothing for so long; every request waits, or the others would run into the same limit."""
        self._open_at = max(self._open_at, time.monotonic() + seconds)

    async def turn(self, messages: Sequence[Mapping[str, str]]) -> None:
        """Wait until the limits let a request of this size go."""
        if self._requests is not None:
            await self._requests.acquire()
        if self._tokens is not None:
            left = likely_tokens(messages, self._config.max_tokens)
            while left > 0:  # more than the bucket holds is taken in parts
                await self._tokens.acquire(min(left, self._tokens.max_rate))
                left -= self._tokens.max_rate
        while (wait := self._open_at - time.monotonic()) > 0:
            await asyncio.sleep(wait)

    @property
    def slots(self) -> asyncio.Semaphore:
        """Requests that may be under way at once."""
        return self._slots

    async def attempt(self, name: str, messages: Sequence[Mapping[str, str]], schema: dict[str, Any]) -> Answer:
        """One request.

        Where the server refuses the form of reply and the setting is ``auto``, the next weaker form is tried, and
        kept for the rest of the run if it is accepted.

        Raises:
            AttemptFailed: no reply this time.
            EndpointRefused: none ever.
        """
        forms = FORMS[FORMS.index(self.structured) :] if self._config.structured == "auto" else (self.structured,)
        refusal: openai.APIStatusError | None = None
        for form in forms:
            try:
                completion = await self._send(form, name, messages, schema)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                # The first complaint is about what was asked for; that of a weaker form may be a consequence.
                refusal = refusal or error
                continue
            except openai.APIStatusError as error:
                raise _failure(error) from error
            except openai.APITimeoutError as error:
                raise AttemptFailed(
                    f"no reply within {self._config.timeout_s:g} s", charged=True, again=True
                ) from error
            except openai.APIConnectionError as error:
                sent = type(error.__cause__).__name__ not in {"ConnectError", "ConnectTimeout", "PoolTimeout"}
                why = f"connection: {error.__cause__ or error}"
                raise AttemptFailed(why, charged=sent, again=True, reached=sent) from error
            except (openai.APIError, ValueError) as error:  # a body that is no completion, or no JSON
                raise AttemptFailed(f"unreadable: {error}", charged=True, again=True) from error
            if FORMS.index(form) > FORMS.index(self.structured):
                self.structured = form
            return self._answer(completion, form, messages, schema)
        assert refusal is not None
        raise AttemptFailed(f"refused: {_words(refusal)}", charged=False, again=False) from refusal

    async def _send(
        self, form: str, name: str, messages: Sequence[Mapping[str, str]], schema: dict[str, Any]
    ) -> ChatCompletion:
        body = self._config.sampling()
        if form == "json_schema":
            body["response_format"] = {
                "type": form,
                "json_schema": {"name": name, "schema": schema, "strict": True},
            }
        elif form == "json_object":
            body["response_format"] = {"type": form}
        found: object = await self._client.chat.completions.create(
            model=self._config.model, messages=cast(Any, list(messages)), extra_body=body
        )
        if not isinstance(found, ChatCompletion):  # a page of a proxy comes back as text
            raise ValueError(f"not a completion but {type(found).__name__}")
        return found

    def _answer(
        self, completion: ChatCompletion, form: str, messages: Sequence[Mapping[str, str]], schema: dict[str, Any]
    ) -> Answer:
        # The client reads bodies leniently, and servers differ: a reply may come without a choice or without text,
        # and is then one that cannot be used.
        choice: Any = completion.choices[0] if completion.choices else None
        message = choice.message if choice else None
        text = (message.content or message.refusal or "") if message else ""
        return Answer(
            text,
            str(choice.finish_reason or "") if choice else "",
            completion.model or "",
            form,
            self._usage(completion, text, messages, schema),
        )

    def _usage(
        self, completion: ChatCompletion, text: str, messages: Sequence[Mapping[str, str]], schema: dict[str, Any]
    ) -> Usage:
        # The types promise numbers, but the client reads leniently: so the values are asked.
        stated: Any = completion.usage
        if stated is None or not all(isinstance(n, int) for n in (stated.prompt_tokens, stated.completion_tokens)):
            return Usage(most_prompt_tokens(messages, schema), len(text.encode()), estimated=True)
        details = stated.prompt_tokens_details
        cached = int(details.cached_tokens or 0) if details else 0
        return Usage(int(stated.prompt_tokens), int(stated.completion_tokens), min(cached, int(stated.prompt_tokens)))


def _failure(error: openai.APIStatusError) -> Exception:
    """What a status means for us."""
    status, words = error.status_code, _words(error)
    if status in (401, 403, 404) or error.code in _NO_MONEY:
        return EndpointRefused(words)
    pause = retry_after(error.response.headers, datetime.now(UTC))
    again = status in RETRIED or status >= 500
    return AttemptFailed(words, charged=status in MAYBE_CHARGED, again=again, pause_s=pause)


def _words(error: openai.APIStatusError) -> str:
    return f"{error.status_code} {' '.join(str(error.message).split())[:500]}"
