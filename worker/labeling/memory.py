"""Where each source and brand was first seen, in Redis.

The note is the offset of a decision in its partition, and only ever gets smaller: a batch that is delivered again finds
what it found before. If Redis forgets, everything is new for a while; the budget bounds what that costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from worker.blocking.scripts import Client


class RedisFirstSeen:
    """One hash a partition, under the namespace of the settings but of no index generation."""

    def __init__(self, client: Client, namespace: str, topic_id: str) -> None:
        """`topic_id`: offsets of a topic that was made anew mean nothing."""
        self._client = client
        self._prefix = f"{{{namespace}}}:labeling:{topic_id}:first:"

    def note(self, partition: int, seen: Mapping[str, int]) -> dict[str, int]:
        """Note where things were seen; returns where each was seen first. One caller a partition at a time."""
        if not seen:
            return {}
        name = f"{self._prefix}{partition}"
        held = self._client.hmget(name, list(seen))
        known = {
            thing: offset if value is None else min(offset, int(value))
            for (thing, offset), value in zip(seen.items(), held, strict=True)
        }
        news: dict[Any, Any] = {
            thing: known[thing]
            for thing, value in zip(seen, held, strict=True)
            if value is None or int(value) > known[thing]
        }
        if news:
            self._client.hset(name, mapping=news)
        return known
