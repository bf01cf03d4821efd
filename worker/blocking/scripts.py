"""Runs the Lua scripts, many per round trip, and loads them where the server does not have them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import redis
from redis.cluster import RedisCluster
from redis.exceptions import NoScriptError

from worker.blocking.errors import IndexLost

Client = redis.Redis | RedisCluster
Argument = str | bytes | int | float

# Calls of one pipeline. Redis answers a pipeline once all of it is done, so this many of the dearest look-ups (about
# 5 ms each) must stay far below the socket's time-out, also on a busy machine; it hides the round trip well enough.
CHUNK = 64
_UNGUARDED = frozenset({"initialise"})


def pipeline(client: Client) -> Any:
    """A pipeline that is no transaction; redis-py leaves the cluster's untyped."""
    if isinstance(client, redis.Redis):
        return client.pipeline(transaction=False)
    return client.pipeline()  # type: ignore[no-untyped-call]


@cache
def source(name: str) -> str:
    """Text of a script, the guard before it."""
    folder = files("worker.blocking") / "lua"
    body = (folder / f"{name}.lua").read_text("utf-8")
    return body if name in _UNGUARDED else (folder / "guard.lua").read_text("utf-8") + body


@cache
def sha(name: str) -> str:
    return hashlib.sha1(source(name).encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Call:
    """One script with its keys (all of one hash tag) and arguments."""

    script: str
    keys: Sequence[bytes]
    args: Sequence[Argument]


def run(client: Client, calls: Sequence[Call]) -> list[Any]:
    """Results of the calls, in order.

    Calls of one run must not depend on each other: one whose script had to be loaded first runs after the rest.

    Raises:
        IndexLost: a script did not find its generation. Other calls may have been carried out.
        redis.RedisError: no connection, no memory, or any other refusal.
    """
    results: list[Any] = []
    for start in range(0, len(calls), CHUNK):
        results.extend(_run_chunk(client, calls[start : start + CHUNK]))
    return results


def _run_chunk(client: Client, calls: Sequence[Call]) -> list[Any]:
    results = _execute(client, calls)
    missing = [i for i, result in enumerate(results) if isinstance(result, NoScriptError)]
    if missing:
        _load(client, {calls[i].script for i in missing})
        for i, result in zip(missing, _execute(client, [calls[i] for i in missing]), strict=True):
            results[i] = result
    for result in results:
        if isinstance(result, Exception):
            if str(result).startswith("INDEXLOST"):
                raise IndexLost(str(result).removeprefix("INDEXLOST ")) from result
            raise result
    return results


def _execute(client: Client, calls: Sequence[Call]) -> list[Any]:
    with pipeline(client) as pipe:
        for call in calls:
            pipe.execute_command("EVALSHA", sha(call.script), len(call.keys), *call.keys, *call.args)
        results: list[Any] = pipe.execute(raise_on_error=False)
    return results


def _load(client: Client, names: Iterable[str]) -> None:
    for name in sorted(names):
        client.script_load(source(name))
