"""Connecting to Redis or Valkey, and refusing one that may not hold an index."""

from __future__ import annotations

from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry

from worker.blocking.errors import UnfitRedis
from worker.blocking.scripts import Client

# ZRANGE/script semantics and `INFO` fields that are relied on are in 6.2; older servers are no longer maintained.
LEAST_VERSION = (6, 2)


def connect(
    *urls: str, timeout: float = 5.0, connect_timeout: float = 2.0, health_check_interval: float = 30.0
) -> Client:
    """A client for one server (one URL) or a cluster (several URLs, or one that starts with ``cluster+``).

    Times are in seconds. One retry at once covers a pooled connection that the server closed; longer outages are the
    caller's to wait out.
    """
    options: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": connect_timeout,
        "health_check_interval": health_check_interval,
    }
    if len(urls) == 1 and not urls[0].startswith("cluster+"):
        return redis.Redis.from_url(urls[0], retry=Retry(NoBackoff(), 1), **options)
    parse: Any = redis.connection.parse_url  # untyped in redis-py
    parsed: list[dict[str, Any]] = [parse(url.removeprefix("cluster+")) for url in urls]
    nodes = [ClusterNode(part["host"], part.get("port", 6379)) for part in parsed]  # type: ignore[no-untyped-call]
    options.update({name: parsed[0][name] for name in ("username", "password") if name in parsed[0]})
    if urls[0].removeprefix("cluster+").startswith("rediss:"):
        options["ssl"] = True
    return RedisCluster(startup_nodes=nodes, **options)


def check(client: Client) -> None:
    """Refuse a server that is too old or that may evict.

    Raises:
        UnfitRedis: with the setting to change.
        redis.RedisError: the server does not answer.
    """
    if isinstance(client, RedisCluster):
        for node in client.get_primaries():  # type: ignore[no-untyped-call]
            _check_info(f"{node.host}:{node.port}", client.info(target_nodes=node))
    else:
        _check_info("redis", client.info())


def _check_info(name: str, info: Any) -> None:
    version = str(info.get("redis_version", "0"))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < LEAST_VERSION:
        raise UnfitRedis(f"{name} is version {version}; the index needs Redis 6.2 or Valkey 7.2 or newer")
    policy = info.get("maxmemory_policy")
    if policy != "noeviction":
        raise UnfitRedis(
            f"{name} has maxmemory-policy {policy!r}: it may drop parts of the index unnoticed. "
            "Set maxmemory-policy to noeviction"
        )
    if str(info.get("role", "master")) != "master":
        raise UnfitRedis(f"{name} is a read-only replica: give the URL of its master")
