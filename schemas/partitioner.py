"""The partition of a key, as Java clients and `murmur2_random` choose it (`schemas.topics.PARTITIONER`). Pure."""

from __future__ import annotations

_MASK = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """32 bits, unsigned; as in `org.apache.kafka.common.utils.Utils.murmur2` (seed 0x9747b28c)."""
    multiplier = 0x5BD1E995
    value = 0x9747B28C ^ len(key)
    whole = len(key) - len(key) % 4
    for start in range(0, whole, 4):
        word = int.from_bytes(key[start : start + 4], "little") * multiplier & _MASK
        word = (word ^ word >> 24) * multiplier & _MASK
        value = value * multiplier & _MASK ^ word
    if rest := key[whole:]:
        value = (value ^ int.from_bytes(rest, "little")) * multiplier & _MASK
    value = (value ^ value >> 13) * multiplier & _MASK
    return value ^ value >> 15


def partition_of(key: bytes, partitions: int) -> int:
    """The partition that `murmur2_random` chooses for this key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
