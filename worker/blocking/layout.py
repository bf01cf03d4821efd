"""Names of the Redis keys.

Every key of an offer (document, links) and every posting that names it lies under the hash tag of the offer's shard,
so that one script touches one slot. A generation has its own keys: an old one may stand beside until it is purged.
"""

from __future__ import annotations

import hashlib
import re
import zlib

from worker.blocking.settings import BlockingSettings


class Layout:
    """Key names of one generation."""

    def __init__(self, settings: BlockingSettings, generation: str) -> None:
        self.shards = settings.shards
        self._namespace = settings.namespace
        self._generation = hashlib.blake2b(generation.encode(), digest_size=6).hexdigest()

    def shard(self, key: str) -> int:
        """The shard of an offer: CRC-32 of its key, which no Python version or seed changes."""
        return zlib.crc32(key.encode()) % self.shards

    def _name(self, shard: int, rest: str) -> bytes:
        return f"{{{self._namespace}:{shard}}}:{self._generation}:{rest}".encode()

    def meta(self, shard: int) -> bytes:
        return self._name(shard, "meta")

    def postings(self, shard: int) -> bytes:
        """What a term is appended to."""
        return self._name(shard, "p:")

    def offer(self, key: str) -> bytes:
        return self._name(self.shard(key), f"o:{key}")

    def offers(self, shard: int) -> bytes:
        """What the key of each offer of a shard begins with."""
        return self._name(shard, "o:")

    def pending(self, key: str) -> bytes:
        return self._name(self.shard(key), f"w:{key}")

    def standing(self, key: str) -> bytes:
        return self._name(self.shard(key), f"s:{key}")

    def labels(self, key: str) -> bytes:
        return self._name(self.shard(key), f"l:{key}")

    def everything(self) -> str:
        """Glob of all keys of the namespace, whatever their generation."""
        return f"{{{self._namespace}:*"

    def is_ours(self, name: bytes) -> bool:
        """Whether a key of the namespace belongs to this generation."""
        return name.partition(b"}:")[2].startswith(f"{self._generation}:".encode())


def escaped(name: bytes) -> bytes:
    """A key's name as a glob that matches nothing else."""
    return re.sub(rb"([*?\[\]\\^-])", rb"\\\1", name)
