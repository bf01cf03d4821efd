"""One build of the index: making, adopting and checking it, and how far it was applied.

A generation is adopted first (:meth:`Generations.initialise` or :meth:`Generations.adopt`). It is a text that the
caller binds to whatever offsets and layout depend on: topic id, partition count and :attr:`Generations.format`. Each
build of it carries a random stamp per shard, which every script is given: once Redis was emptied, scripts of
everybody who knew the old build are refused with :class:`IndexLost`, also when somebody else has made a new one
already.

Applied offsets live in every shard's meta hash. They cannot be atomic with upserts in other slots, so they are
advanced by a call of their own after all upserts of a batch were acknowledged: a crash between leaves them too low
(the changes come again, idempotently), never too high. They are written to *every* shard and read as the least over
all, because replication keeps order only within a node: a failed-over node that forgot an upsert forgot its later
offset too.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from worker.blocking import server
from worker.blocking.errors import IndexLost, IndexRegressed
from worker.blocking.layout import Layout
from worker.blocking.scripts import Argument, Call, Client, pipeline, run
from worker.blocking.settings import BlockingSettings

# Purging deletes this many keys per round trip.
_PURGE_CHUNK = 1_000


class Generations:
    """The part of :class:`worker.blocking.index.Index` that every other part builds on."""

    def __init__(self, client: Client, settings: BlockingSettings | None = None) -> None:
        self.client = client
        self.settings = settings or BlockingSettings()
        self.generation: str | None = None
        self._layout = Layout(self.settings, "")
        self._stamps: list[bytes] = []
        self._seen: dict[int, int] = {}

    @property
    def format(self) -> str:
        """What the caller must bind into the generation beside topic id and partition count."""
        return self.settings.format

    def start_check(self) -> None:
        """Raises UnfitRedis for a server that is too old, evicts or is a replica."""
        server.check(self.client)

    def held(self, generation: str) -> list[bytes | None]:
        """Stamp of each shard for this generation, ``None`` where the shard has none."""
        layout = Layout(self.settings, generation)
        with pipeline(self.client) as pipe:
            for shard in range(self.settings.shards):
                pipe.hget(layout.meta(shard), "generation")
            stamps: list[bytes | None] = pipe.execute()
        return stamps

    def initialise(self, generation: str) -> None:
        """Make the index of this generation where it (or a shard of it) is missing, keep what is there, and adopt it.

        Several workers may do so at once: all end on the same build. Afterwards :meth:`applied` says what must be
        restored.
        """
        layout = Layout(self.settings, generation)
        fresh = secrets.token_hex(8)
        calls = [Call("initialise", [layout.meta(s)], [generation, fresh]) for s in range(self.settings.shards)]
        self._take(generation, layout, run(self.client, calls))

    def adopt(self, generation: str) -> None:
        """Work on an index that exists.

        Raises:
            IndexLost: it is missing, wholly or in part.
        """
        stamps = self.held(generation)
        whole = [stamp for stamp in stamps if stamp is not None]
        if len(whole) < len(stamps):
            raise IndexLost(
                f"{len(stamps) - len(whole)} of {len(stamps)} shards hold no index of generation {generation}"
            )
        self._take(generation, Layout(self.settings, generation), whole)

    def _take(self, generation: str, layout: Layout, stamps: list[bytes]) -> None:
        for stamp in stamps:
            if stamp.rpartition(b" ")[0] != generation.encode():
                raise IndexLost(f"expected generation {generation}, found {stamp.decode()}")
        self.generation, self._layout, self._stamps, self._seen = generation, layout, stamps, {}

    def applied(self) -> dict[int, int]:
        """Next offset to index, for each partition that every shard knows. Raises IndexLost."""
        with pipeline(self.client) as pipe:
            for shard in range(self.settings.shards):
                pipe.hgetall(self._layout.meta(shard))
            metas: list[dict[bytes, bytes]] = pipe.execute()
        tables = []
        for shard, meta in enumerate(metas):
            if not self._stamps or meta.get(b"generation") != self._stamps[shard]:
                raise IndexLost(f"shard {shard} does not hold the adopted index of generation {self.generation}")
            tables.append({int(n[8:]): int(v) for n, v in meta.items() if n.startswith(b"applied:")})
        common = set.intersection(*(set(table) for table in tables))
        return {partition: min(table[partition] for table in tables) for partition in sorted(common)}

    def set_applied(self, offsets: Mapping[int, int]) -> None:
        """Advance partitions' next offset to index, after the writes it speaks of. Lower values change nothing."""
        args = [item for partition, offset in offsets.items() for item in (partition, offset)]
        if args:
            run(self.client, [self._call("applied", s, [], *args) for s in range(self.settings.shards)])
            for partition, offset in offsets.items():
                self._seen[partition] = max(offset, self._seen.get(partition, 0))

    def check(self) -> None:
        """Cheap check, once a batch, that the index has not forgotten what this client told it.

        Raises:
            IndexRegressed: an applied offset went backwards. After the gap is indexed, :meth:`set_applied` heals it.
            IndexLost: the index is gone.
        """
        applied = self.applied()
        for partition, seen in sorted(self._seen.items()):
            if applied.get(partition, 0) < seen:
                raise IndexRegressed(
                    f"partition {partition} was applied up to {seen}, Redis says {applied.get(partition, 0)}"
                )

    def purge_other_generations(self) -> int:
        """Remove the keys of all other generations of this namespace; returns how many. Slow, and may be repeated."""
        removed = 0
        batch: list[bytes] = []
        for name in self.client.scan_iter(match=self._layout.everything(), count=_PURGE_CHUNK):
            if not self._layout.is_ours(name):
                batch.append(name)
            if len(batch) >= _PURGE_CHUNK:
                removed, batch = removed + self._remove(batch), []
        return removed + self._remove(batch)

    def purge(self) -> int:
        """Remove every key of this namespace, whatever its generation; returns how many. The index is gone then."""
        removed = 0
        batch: list[bytes] = []
        for name in self.client.scan_iter(match=self._layout.everything(), count=_PURGE_CHUNK):
            batch.append(name)
            if len(batch) >= _PURGE_CHUNK:
                removed, batch = removed + self._remove(batch), []
        self.generation, self._stamps, self._seen = None, [], {}
        return removed + self._remove(batch)

    def _remove(self, names: Sequence[bytes]) -> int:
        with pipeline(self.client) as pipe:
            for name in names:
                pipe.execute_command("UNLINK", name)
            return sum(pipe.execute()) if names else 0

    def _call(self, script: str, shard: int, keys: Sequence[bytes], *args: Argument) -> Call:
        if not self._stamps:
            raise IndexLost("no generation was adopted yet")
        return Call(script, [self._layout.meta(shard), *keys], [self._stamps[shard], *args])

    def _by_shard(self, script: str, keys: Sequence[str], names: Callable[[str], list[bytes]]) -> list[list[Any]]:
        """Run a reading script over many offers, one call a shard; each offer's rows, in the order of ``keys``."""
        groups: dict[int, list[int]] = {}
        for i, key in enumerate(keys):
            groups.setdefault(self._layout.shard(key), []).append(i)
        calls, members = [], []
        for shard, group in groups.items():
            calls.append(self._call(script, shard, [name for i in group for name in names(keys[i])]))
            members.append(group)
        rows: list[list[Any]] = [[] for _ in keys]
        for group, result in zip(members, run(self.client, calls), strict=True):
            width = len(result) // len(group)
            for at, i in enumerate(group):
                rows[i] = result[at * width : (at + 1) * width]
        return rows
