from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from tests.worker.blocking.conftest import OpenIndex, offer
from worker.blocking import BlockingSettings, Index, IndexLost, IndexRegressed

USES: dict[str, Callable[[Index], object]] = {
    "upsert": lambda index: index.upsert(offer(1), 1),
    "delete": lambda index: index.delete("s:1", 1),
    "read": lambda index: index.read(["s:1"]),
    "candidates": lambda index: index.candidates(offer(1), 3),
    "links": lambda index: index.links("s:1"),
    "link": lambda index: index.link("s:1", "s:2", "t"),
    "settle": lambda index: index.settle("s:1", "s:2", "t", None),
    "applied": lambda index: index.applied(),
    "set_applied": lambda index: index.set_applied({0: 1}),
    "check": lambda index: index.check(),
}


@pytest.mark.parametrize("use", USES)
def test_an_emptied_redis_is_noticed_by_every_use(index: Index, redis_url: str, use: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        with pytest.raises(IndexLost):
            USES[use](index)
        assert client.dbsize() == 0


@pytest.mark.parametrize("use", USES)
def test_an_index_built_anew_by_another_is_not_the_old_one(
    index: Index, open_index: OpenIndex, redis_url: str, use: str
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    open_index(shards=3)
    with pytest.raises(IndexLost):
        USES[use](index)
    index.adopt("g")
    USES[use](index)


def test_nothing_works_before_a_generation_is_adopted(redis_url: str) -> None:
    index = Index.connect(redis_url)
    with pytest.raises(IndexLost):
        index.upsert(offer(1), 1)
    with pytest.raises(IndexLost):
        index.applied()
    with pytest.raises(IndexLost, match="1 of 1 shards hold no index of generation g"):
        index.adopt("g")
    assert index.held("g") == [None]


def test_initialising_again_keeps_what_is_there(index: Index, open_index: OpenIndex) -> None:
    index.upsert(offer(1), 1)
    index.set_applied({0: 2})
    other = open_index(shards=3)
    assert other.applied() == {0: 2}
    assert other.read(["s:1"]) == index.read(["s:1"])


def test_a_lost_shard_is_missing_and_is_made_again(index: Index, redis_url: str) -> None:
    index.set_applied({0: 5, 1: 6})
    with redis.Redis.from_url(redis_url) as client:
        client.delete(index._layout.meta(1))
    with pytest.raises(IndexLost, match="shard 1"):
        index.check()
    with pytest.raises(IndexLost, match="1 of 3 shards"):
        index.adopt("g")
    index.initialise("g")
    assert index.applied() == {}


def test_generations_stand_beside_each_other_until_purged(open_index: OpenIndex, redis_url: str) -> None:
    old, new = open_index("old"), open_index("new")
    old.upsert(offer(1), 1)
    new.upsert(offer(2), 1)
    with redis.Redis.from_url(redis_url) as client:
        client.set("somebody:else", "1")
        assert new.purge_other_generations() > 10
        assert client.get("somebody:else") == b"1"
    assert [c.key for c in new.candidates(offer("q"), 5)] == ["s:2"]
    with pytest.raises(IndexLost):
        old.check()
    assert new.purge_other_generations() == 0


def test_namespaces_do_not_touch(redis_url: str) -> None:
    first, second = (Index.connect(redis_url, settings=BlockingSettings(namespace=name)) for name in ("a", "ab"))
    first.initialise("g")
    second.initialise("g")
    first.upsert(offer(1), 1)
    assert second.read(["s:1"]) == [None]
    second.initialise("h")
    second.purge_other_generations()
    first.check()


def test_applied_offsets_only_grow(index: Index) -> None:
    assert index.applied() == {}
    index.set_applied({0: 7, 3: 2})
    index.set_applied({0: 5})
    index.set_applied({})
    assert index.applied() == {0: 7, 3: 2}
    index.check()


def test_a_redis_that_forgot_a_little_is_noticed_and_healed(index: Index, redis_url: str) -> None:
    index.set_applied({0: 7, 1: 3})
    with redis.Redis.from_url(redis_url) as client:
        client.hset(index._layout.meta(2), "applied:0", "4")
    assert index.applied() == {0: 4, 1: 3}
    with pytest.raises(IndexRegressed, match="partition 0 was applied up to 7, Redis says 4"):
        index.check()
    index.set_applied({0: 7})
    index.check()
