"""What can go wrong with the index, named by what to do about it."""

from __future__ import annotations


class BlockingError(Exception):
    """Base of all errors of the index that are not the connection's (those stay ``redis.RedisError``)."""


class UnfitRedis(BlockingError):
    """The server may not hold an index: it evicts, is too old, or cannot be asked. Fix the server; retrying does not
    help."""


class IndexLost(BlockingError):
    """The index of this generation is not there, or was built anew behind our back: restore it before judging."""


class IndexRegressed(IndexLost):
    """The index is there and has forgotten changes it had applied (a failed-over or restored Redis): index the
    gap."""
