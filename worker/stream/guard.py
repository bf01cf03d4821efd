"""A step that needs Redis, told apart: an absent Redis is waited for, a lost index restored, all else is a defect."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import redis

from worker.blocking.errors import IndexLost
from worker.stream.errors import IndexNotWhole, Unavailable

T = TypeVar("T")

# What says that Redis cannot serve right now, whatever is asked: down, loading, failing over, or full. A full Redis
# never evicts (start refuses that); it answers with an error until somebody gives it memory.
_REDIS_DOWN = (
    redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, redis.exceptions.ReadOnlyError,
    redis.exceptions.ClusterDownError, redis.exceptions.OutOfMemoryError, redis.exceptions.MasterDownError,
)  # fmt: skip


def redis_step(step: Callable[[], T]) -> T:
    """Do a step; an absent Redis becomes `Unavailable`, a lost index `IndexNotWhole`."""
    try:
        return step()
    except IndexLost as lost:
        raise IndexNotWhole(str(lost)) from lost
    except _REDIS_DOWN as error:
        raise Unavailable("redis", f"{type(error).__name__}: {error}") from error
