"""The monitor's part of Redis: windows, marks, and the state of every comparison.

All keys share one hash tag, so that the scripts run on a Redis Cluster as well: one node is enough for thousands of
decisions a second. Counts are added by `apply.lua`, exactly once a record; comparisons move on by
`advance.lua`, by whoever is first. Exceptions of redis-py pass through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal, cast

import orjson
import redis

from schemas.drift import InputKind
from schemas.monitor_settings import MonitorSettings
from schemas.sections import RedisSettings
from worker.monitor.facts import Facts
from worker.monitor.windows import Window, WindowId, parse_fields, tidy, window_start

Outcome = Literal["counted", "old", "twice", "gap", "empty"]

DAY_MS = 86_400_000
# An event that the log holds twice comes twice within seconds (an unknown fate of a transaction); re-reading a whole
# topic is the marks' affair. So the ids need not be kept for long after their window.
SEEN_EXTRA_MS = 15 * 60 * 1000


@dataclass(frozen=True)
class Place:
    """Where a record stands: the topic's full name, and when the log took it (milliseconds)."""

    topic: str
    partition: int
    offset: int
    at_ms: int

    @property
    def name(self) -> str:
        return f"{self.topic}/{self.partition}"


class MonitorStore:
    """Synchronous; the Faust app calls it from a thread."""

    def __init__(self, client: redis.Redis, namespace: str, settings: MonitorSettings) -> None:
        self._redis = client
        self._prefix = f"{namespace}:{{monitor}}"
        self._settings = settings
        here = files(__package__) / "lua"
        self._apply = client.register_script((here / "apply.lua").read_text("utf-8"))
        self._advance = client.register_script((here / "advance.lua").read_text("utf-8"))

    @classmethod
    def connect(cls, settings: RedisSettings, monitor: MonitorSettings) -> MonitorStore:
        """Raises ValueError without a URL."""
        if settings.url is None:
            raise ValueError("redis.url is not set (SAMESKU_REDIS__URL)")
        client = redis.Redis.from_url(
            settings.url.get_secret_value(),
            socket_timeout=settings.socket_timeout_s,
            socket_connect_timeout=settings.connect_timeout_s,
            health_check_interval=int(settings.health_check_interval_s),
        )
        return cls(client, settings.namespace, monitor)

    def close(self) -> None:
        self._redis.close()

    def _key(self, *parts: str) -> str:
        return ":".join((self._prefix, *parts))

    # Counting

    def apply(self, place: Place, known_from: int, facts: Facts | None) -> tuple[Outcome, int]:
        """Count a record. `known_from`: the caller knows that there is no data in [known_from, place.offset).

        Returns what happened and the partition's mark: `old` if it was counted before, `gap` if records after the mark
        were skipped by somebody (nothing is counted then), `twice` if the window holds an event of the same id.
        """
        start = window_start(place.at_ms, self._settings.window_s)
        inputs = facts.inputs if facts is not None else "none"
        window = WindowId(start, facts.epoch if facts is not None else "-").member
        payload = {
            "segments": [tidy(name) for name in facts.segments] if facts is not None else [],
            "counts": facts.counts if facts is not None else [],
            "bundle": facts.bundle if facts is not None else "",
        }
        keys = [
            self._key("marks"), self._key("times"), self._key("window", inputs, window),
            self._key("segments", inputs, window), self._key("seen", inputs, window), self._key("windows", inputs),
        ]  # fmt: skip
        settings = self._settings
        args: list[str | int | bytes] = [
            place.name, known_from, place.offset, place.at_ms, window, start, facts.unique if facts is not None else "",
            settings.max_segments, int(settings.retention_days * DAY_MS),
            settings.window_s * 1000 + SEEN_EXTRA_MS, orjson.dumps(payload),
        ]  # fmt: skip
        outcome, mark = cast("list[bytes]", self._apply(keys=keys, args=args))
        return cast(Outcome, outcome.decode()), int(mark)

    def marks(self) -> dict[str, tuple[int, int]]:
        """(last counted offset, its time in ms) by `topic/partition`."""
        marks = cast("dict[bytes, bytes]", self._redis.hgetall(self._key("marks")))
        times = cast("dict[bytes, bytes]", self._redis.hgetall(self._key("times")))
        return {name.decode(): (int(mark), int(times.get(name, b"0"))) for name, mark in marks.items()}

    def mark(self, topic: str, partition: int) -> int | None:
        found = cast("bytes | None", self._redis.hget(self._key("marks"), f"{topic}/{partition}"))
        return int(found) if found is not None else None

    # Windows

    def windows(self, inputs: InputKind, after: int | None = None, before: int | None = None) -> list[WindowId]:
        """Windows that hold something, oldest first, with a start greater than `after` and less than `before`."""
        low = "-inf" if after is None else f"({after}"
        high = "+inf" if before is None else f"({before}"
        found = cast("list[bytes]", self._redis.zrangebyscore(self._key("windows", inputs), low, high))
        return sorted(WindowId.parse(member.decode()) for member in found)

    def window(self, inputs: InputKind, window: WindowId) -> Window:
        """The counts of a window as they are now; empty when it has expired."""
        fields = cast("dict[bytes, bytes]", self._redis.hgetall(self._key("window", inputs, window.member)))
        bundle = fields.get(b"@bundle", b"").decode()
        return Window(window, window.start + self._settings.window_s * 1000, parse_fields(fields), bundle)

    def forget_before(self, inputs: InputKind, moment_ms: int) -> int:
        """Drop the names of windows that began before a moment; returns how many. Their counts expire by themselves.

        What was not compared yet is kept: a topic that is read from its beginning has windows of long ago.
        """
        position = self.position(inputs)
        if not position:
            return 0
        before = min(moment_ms, WindowId.parse(position).start)
        return self._redis.zremrangebyscore(self._key("windows", inputs), "-inf", f"({before}")

    # Comparisons

    def position(self, inputs: InputKind) -> str:
        """The last window that was compared (its member); empty for none."""
        found = cast("bytes | None", self._redis.get(self._key("position", inputs)))
        return found.decode() if found is not None else ""

    def states(self, inputs: InputKind, prefix: str = "") -> dict[str, dict[str, Any]]:
        """The states of the streams whose names begin with `prefix` (epoch/)."""
        key = self._key("states", inputs)
        found: dict[str, dict[str, Any]] = {}
        for name, value in self._redis.hscan_iter(key, match=f"{_literal(prefix)}*" if prefix else None, count=100):
            found[name.decode()] = orjson.loads(value)
        return found

    def advance(
        self, inputs: InputKind, expected: str, reached: str, edits: int, states: Mapping[str, Mapping[str, Any]]
    ) -> bool:
        """Write the states after a window; False (and nothing written) if somebody has been faster or changed them."""
        args: list[str | bytes | int] = [expected, reached, edits]
        for name, state in states.items():
            args += [name, orjson.dumps(state)]
        keys = [self._key("position", inputs), self._key("states", inputs), self._key("edits", inputs)]
        return bool(self._advance(keys=keys, args=args))

    def replace_states(self, inputs: InputKind, states: Mapping[str, Mapping[str, Any]]) -> None:
        """Put states in the place of those with the same names (a reference that was kept)."""
        if states:
            self._redis.hset(
                self._key("states", inputs), mapping={name: orjson.dumps(state) for name, state in states.items()}
            )

    def touch(self, inputs: InputKind) -> None:
        """Make monitors read the states anew: they were changed from outside."""
        self._redis.incr(self._key("edits", inputs))

    def edits(self, inputs: InputKind) -> int:
        """How often the states were changed from outside."""
        return int(cast("bytes | None", self._redis.get(self._key("edits", inputs))) or 0)

    # Vocabulary

    def save_vocabulary(self, bitmap: bytes) -> None:
        self._redis.set(self._key("vocabulary"), bitmap)

    def vocabulary(self) -> bytes | None:
        return cast("bytes | None", self._redis.get(self._key("vocabulary")))


def _literal(text: str) -> str:
    """Text as a glob that matches only itself."""
    return "".join(f"\\{char}" if char in "*?[]^\\" else char for char in text)
