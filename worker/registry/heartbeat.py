"""What each worker serves, as it says itself: one small record in Redis per slot.

Which workers there are is asked of Kafka (the members of the group); what they serve only they know. The record is
written whenever it changes and every few seconds, between batches, and is gone some minutes after its worker. It is
told to people and to `samesku models ... --wait`; no decision depends on it, so a Redis that is away is no failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import orjson
import redis
from pydantic import BaseModel, ConfigDict

from schemas.decision import BundleRef
from schemas.deployment import Mode
from schemas.events import Natural, Timestamp, dumps
from worker.blocking.scripts import Client

# Seconds between two records that say the same.
EVERY = 5.0
# Seconds. Longer than the longest time between two polls that the group allows (max_poll_interval_ms, 300 s).
KEPT = 600


class Serving(BaseModel):
    """What a worker serves."""

    model_config = ConfigDict(extra="allow", frozen=True)

    slot: str
    deployment: Natural
    """In force here."""
    live: BundleRef
    candidate: BundleRef | None = None
    mode: Mode = "off"
    share: float = 0.0
    refused: Natural = 0
    """Number of a later deployment that this worker could not take on."""
    refusal: str = ""
    """Why."""
    loading: bool = False
    at: Timestamp
    """When the worker said so."""


class Pulse(Protocol):
    """What takes a worker's word."""

    def say(self, serving: Serving) -> None: ...

    def stop(self) -> None: ...


class Heartbeat:
    """Writes one worker's record. `clock` is monotonic, in seconds."""

    def __init__(self, client: Client, namespace: str, slot: str, clock: Callable[[], float]) -> None:
        self._client = client
        self._key = key_of(namespace, slot)
        self._clock = clock
        self._said: Serving | None = None
        self._next = float("-inf")

    def say(self, serving: Serving) -> None:
        """Write it if it says something new, or if the last one is some seconds old."""
        same = self._said is not None and self._said.model_copy(update={"at": serving.at}) == serving
        if self._clock() < self._next and (same or self._said is None):
            return
        self._said, self._next = serving, self._clock() + EVERY
        try:
            self._client.set(self._key, dumps(serving), ex=KEPT)
        except redis.RedisError:
            # The loop notices, waits and says so; here it is tried again in a few seconds.
            self._said = None

    def stop(self) -> None:
        """Take the record away: this worker serves nothing any more."""
        try:
            self._client.delete(self._key)
        except redis.RedisError:
            return


def key_of(namespace: str, slot: str) -> str:
    """Beside the index, whose keys all begin with a brace, so that no generation is purged with it."""
    return f"{namespace}:worker:{slot}"


def read(client: Client, namespace: str, slots: Iterable[str]) -> dict[str, Serving]:
    """What the workers of these slots said last; a slot that said nothing is left out. Raises redis.RedisError."""
    found: dict[str, Serving] = {}
    for slot in slots:
        value = client.get(key_of(namespace, slot))
        if isinstance(value, bytes | str):
            found[slot] = Serving.model_validate(orjson.loads(value))
    return found
