from __future__ import annotations

import pytest
import redis

from worker.blocking import Index, UnfitRedis
from worker.blocking.server import _check_info, connect

FIT = {"redis_version": "6.2.14", "maxmemory_policy": "noeviction", "role": "master"}


def test_the_embedded_redis_is_fit(redis_url: str) -> None:
    Index.connect(redis_url).start_check()


def test_an_evicting_redis_is_refused(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            with pytest.raises(UnfitRedis, match=r"maxmemory-policy 'allkeys-lru'.*Set maxmemory-policy to noeviction"):
                Index.connect(redis_url).start_check()
        finally:
            client.config_set("maxmemory-policy", "noeviction")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"redis_version": "6.0.20"}, "version 6.0.20; the index needs Redis 6.2"),
        ({"redis_version": "5.0"}, "version 5.0"),
        ({"maxmemory_policy": "volatile-ttl"}, "volatile-ttl"),
        ({"role": "slave"}, "replica"),
    ],
)
def test_what_is_unfit_is_named(changed: dict[str, str], message: str) -> None:
    _check_info("redis", FIT)
    _check_info("redis", {**FIT, "redis_version": "7.2.4"})
    with pytest.raises(UnfitRedis, match=message):
        _check_info("redis", {**FIT, **changed})


def test_no_server_is_a_redis_error() -> None:
    with connect("redis://127.0.0.1:1/0", connect_timeout=0.2) as client, pytest.raises(redis.ConnectionError):
        Index(client).start_check()
