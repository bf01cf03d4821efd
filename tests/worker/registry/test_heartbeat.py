from __future__ import annotations

import pytest
import redis

from tests.deployments import NOW, A, B
from worker.registry.heartbeat import EVERY, Heartbeat, Serving, key_of, read

pytestmark = pytest.mark.system


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def serving(deployment: int = 1) -> Serving:
    return Serving(slot="0", deployment=deployment, live=A, candidate=B, mode="canary", share=0.1, at=NOW)


def test_what_a_worker_says_is_read_until_it_leaves(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        pulse = Heartbeat(client, "ns", "0", Clock())
        pulse.say(serving())
        assert read(client, "ns", ["0", "1"]) == {"0": serving()}
        assert 0 < int(client.ttl(key_of("ns", "0"))) <= 600
        pulse.stop()
        assert read(client, "ns", ["0"]) == {}


def test_news_are_written_at_once_and_the_same_only_now_and_then(redis_url: str) -> None:
    clock = Clock()
    with redis.Redis.from_url(redis_url) as client:
        pulse = Heartbeat(client, "ns", "0", clock)
        pulse.say(serving())
        client.delete(key_of("ns", "0"))
        pulse.say(serving())
        assert read(client, "ns", ["0"]) == {}
        clock.now += EVERY
        pulse.say(serving())
        assert read(client, "ns", ["0"]) == {"0": serving()}
        pulse.say(serving(2))
        assert read(client, "ns", ["0"]) == {"0": serving(2)}


def test_a_redis_that_is_away_is_no_failure_and_not_asked_all_the_time() -> None:
    clock = Clock()
    away = redis.Redis(host="127.0.0.1", port=1)
    pulse = Heartbeat(away, "ns", "0", clock)
    pulse.say(serving())
    pulse.say(serving())
    pulse.stop()
    with pytest.raises(redis.RedisError):
        read(away, "ns", ["0"])
