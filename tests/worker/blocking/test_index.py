from __future__ import annotations

import threading

import pytest
import redis

from tests.worker.blocking.conftest import OpenIndex, offer
from worker.blocking import Delete, Index, Upsert, Write


def keys(index: Index, title: str = "sony dsc-w120/p camera", k: int = 10) -> list[str]:
    return [candidate.key for candidate in index.candidates(offer("query", title), k)]


def dump(url: str) -> dict[bytes, object]:
    """Everything that Redis holds, but for the build's stamp."""
    with redis.Redis.from_url(url) as client:
        held: dict[bytes, object] = {}
        for name in client.scan_iter():
            if client.type(name) == b"hash":
                held[name] = {k: v for k, v in client.hgetall(name).items() if k != b"generation"}
            else:
                held[name] = client.zrange(name, 0, -1, withscores=True)
        return held


def test_an_upsert_is_found_and_read_back(index: Index) -> None:
    written = index.upsert(offer(1, brand="Sony", colour="pink", version=3), 7)
    assert (written.status, written.standing_version) == (Write.CREATED, 7)
    stored = index.read(["s:none", "s:1"])
    assert stored[0] is None
    assert stored[1] is not None
    assert stored[1].offer == offer(1, brand="Sony", colour="pink", version=3)
    assert (stored[1].effective_version, stored[1].seller_version, stored[1].deleted) == (7, 3, False)
    assert stored[1].digest == offer(1, brand="Sony", colour="pink").digest()
    assert keys(index) == ["s:1"]


def test_the_query_is_never_its_own_candidate(index: Index) -> None:
    index.upsert_many([(offer(1), 1), (offer(2), 2)])
    assert [c.key for c in index.candidates(offer(1), 5)] == ["s:2"]
    assert index.candidates(offer(1), 0) == []


def test_an_update_leaves_no_stale_posting(index: Index, redis_url: str) -> None:
    index.upsert(offer(1, "pentax bridge"), 1)
    assert index.upsert(offer(1, "canon ixus"), 2).status is Write.UPDATED
    assert keys(index, "pentax bridge") == []
    assert keys(index, "canon") == ["s:1"]
    assert index.upsert(offer(1, "canon ixus"), 3).status is Write.UNCHANGED
    index.delete("s:1", 4)
    with redis.Redis.from_url(redis_url) as client:
        assert [name for name in client.scan_iter() if b":p:" in name] == []


def test_redelivery_changes_nothing(index: Index, redis_url: str) -> None:
    index.upsert_many([(offer(1, version=1), 1), (offer(2, "canon ixus"), 2)])
    index.delete("s:2", 3)
    before = dump(redis_url)
    assert index.upsert(offer(1, version=1), 1).status is Write.SAME
    again = index.delete("s:2", 3)
    assert (again.status, again.known) == (Write.SAME, True)
    assert index.upsert(offer(2, "canon ixus"), 2).status is Write.SUPERSEDED
    assert dump(redis_url) == before


def test_a_zombies_write_resurrects_nothing(index: Index) -> None:
    index.upsert(offer(1), 5)
    index.delete("s:1", 9)
    assert index.upsert(offer(1), 8).status is Write.SUPERSEDED
    assert index.read(["s:1"])[0].deleted  # type: ignore[union-attr]
    assert keys(index) == []
    assert index.upsert(offer(1), 10).status is Write.CREATED
    assert keys(index) == ["s:1"]


def test_a_delete_of_what_is_unknown_stays_unknown_when_repeated(index: Index) -> None:
    first, again = index.delete("s:9", 4), index.delete("s:9", 4)
    assert (first.status, first.known) == (Write.UNKNOWN, False)
    assert (again.status, again.known) == (Write.SAME, False)
    assert index.upsert(offer(9), 3).status is Write.SUPERSEDED
    assert index.delete("s:9", 6).status is Write.UNKNOWN


def test_the_sellers_version_counts(index: Index) -> None:
    index.upsert(offer(1, "canon a", version=5), 1)
    older = index.upsert(offer(1, "canon b", version=4), 2)
    assert (older.status, older.by_seller_version, older.standing_version) == (Write.SUPERSEDED, True, 1)
    equal = index.upsert(offer(1, "canon c", version=5), 3)
    assert (equal.status, equal.equal_version_conflict) == (Write.UPDATED, True)
    same_content = index.upsert(offer(1, "canon c", version=5), 4)
    assert (same_content.status, same_content.equal_version_conflict) == (Write.UNCHANGED, False)
    index.upsert(offer(1, "canon d"), 5)
    assert index.upsert(offer(1, "canon e", version=4), 6).status is Write.SUPERSEDED
    assert index.delete("s:1", 7, seller_version=4).status is Write.SUPERSEDED
    assert index.delete("s:1", 8, seller_version=6).status is Write.DELETED
    assert index.upsert(offer(1, "canon f", version=5), 9).status is Write.SUPERSEDED


def test_a_marker_may_expire(open_index: OpenIndex, redis_url: str) -> None:
    index = open_index(marker_days=1.0)
    index.upsert(offer(1), 1)
    index.delete("s:1", 2)
    name = index._layout.offer("s:1")
    with redis.Redis.from_url(redis_url) as client:
        assert 0 < client.pttl(name) <= 86_400_000
        index.upsert(offer(1), 3)
        assert client.pttl(name) == -1


def test_an_offer_twice_in_a_batch_is_refused(index: Index) -> None:
    with pytest.raises(ValueError, match="twice"):
        index.write_many([Upsert(offer(1), 1), Delete("s:1", 2)])


def test_equal_identifiers_come_first(index: Index) -> None:
    index.upsert_many([
        (offer(1, "sony pink cyber shot camera"), 1),
        (offer(2, "unrelated words", gtin="4006381333931"), 2),
        (offer(3, "kamera DSCW120P"), 3),
        *((offer(n, f"filler {n} thing"), n) for n in range(10, 40)),
    ])  # fmt: skip
    query = offer("q", "sony cyber shot dsc-w120/p", gtin="04006381333931")
    assert {c.key for c in index.candidates(query, 3)} == {"s:1", "s:2", "s:3"}
    assert index.candidates(offer("q", "other", gtin="04006381333931"), 1)[0].key == "s:2"
    assert index.candidates(offer("q", "DSC W120 P", model_number="dsc-w120 p"), 1)[0].key == "s:3"


@pytest.mark.parametrize("shards", [1, 5])
def test_ties_go_by_the_bytes_of_the_key_at_any_k(open_index: OpenIndex, shards: int) -> None:
    index = open_index(shards=shards)
    names = ["b", "a", "C", "ä", "B", "中", "aa", "0"]
    index.upsert_many((offer(name), i) for i, name in enumerate(names))
    ordered = sorted((f"s:{name}" for name in names), key=str.encode)
    for k in (1, 3, 8, 300):
        assert keys(index, k=k) == ordered[:k]
    assert [c.rank for c in index.candidates(offer("query"), 3)] == [1, 2, 3]


def test_the_number_of_shards_changes_no_score(open_index: OpenIndex) -> None:
    found = []
    for shards in (1, 4):
        index = open_index(f"g{shards}", shards=shards)
        index.upsert_many((offer(i, f"sony camera model {i * 7919 % 101}"), i) for i in range(60))
        found.append(index.candidates(offer("query", "sony camera model 42"), 20))
    assert found[0] == found[1]


def test_same_source_and_low_scores_can_be_left_out(open_index: OpenIndex) -> None:
    index = open_index(exclude_same_source=True)
    index.upsert_many([(offer(1), 1), (offer(1, source="sx"), 2), (offer(2, source="t", title="sony"), 3)])
    assert keys(index) == ["sx:1", "t:2"]
    strict = open_index(min_score=index.candidates(offer("q"), 1)[0].score)
    assert [c.key for c in strict.candidates(offer("q"), 5)] == ["s:1", "sx:1"]


def test_a_fixed_idf_score_depends_on_the_two_offers_alone(open_index: OpenIndex) -> None:
    index = open_index(idf="fixed", max_posting=1, max_read=1)
    index.upsert(offer(1), 1)
    alone = index.candidates(offer("q"), 1)[0].score
    index.upsert_many((offer(i, f"sony camera {i}"), i) for i in range(2, 50))
    assert {c.key: c.score for c in index.candidates(offer("q"), 100)}["s:1"] == alone


def test_common_trigrams_are_pruned_and_something_is_always_found(open_index: OpenIndex) -> None:
    index = open_index(max_posting=5, max_read=8)
    index.upsert_many((offer(i, "usb cable" if i else "usb cable zx81"), i) for i in range(20))
    assert keys(index, "zx81 usb cable")[0] == "s:0"
    assert len(keys(index, "usb cable", k=20)) == 8


def test_many_clients_race_and_the_newest_version_stands(open_index: OpenIndex) -> None:
    clients = [open_index(shards=2) for _ in range(2)]
    titles = {version: f"camera model{version}xyz" for version in range(1, 120)}
    barrier = threading.Barrier(2)

    def race(client: Index, versions: list[int]) -> None:
        barrier.wait()
        for version in versions:
            if version % 5 == 0:
                client.delete("s:1", version)
            else:
                client.upsert(offer(1, titles[version]), version)

    threads = [
        threading.Thread(target=race, args=(clients[0], sorted(titles))),
        threading.Thread(target=race, args=(clients[1], sorted(titles, reverse=True))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = clients[0].read(["s:1"])[0]
    assert stored is not None
    assert (stored.effective_version, stored.deleted) == (119, False)
    assert keys(clients[0], "model119xyz") == ["s:1"]
    frequencies, documents = clients[0]._frequencies(["code:model119xyz", "code:model118xyz", "g:$ca"])
    assert (frequencies, documents) == ({"code:model119xyz": 1, "code:model118xyz": 0, "g:$ca": 1}, 1)


def test_scripts_are_loaded_again_when_the_server_forgot_them(index: Index, redis_url: str) -> None:
    index.upsert(offer(1), 1)
    with redis.Redis.from_url(redis_url) as client:
        client.script_flush()
    index.upsert_many((offer(i), i) for i in range(2, 5))
    assert len(keys(index)) == 4


def test_seller_text_is_stored_as_data(index: Index) -> None:
    hostile = offer(1, 'x"; redis.call("FLUSHALL") -- {a} \x1f\x00 ﷽ 🎧 %s %d', description="\u2028\x1b[31m")
    index.upsert(hostile, 1)
    assert index.read(["s:1"])[0].offer == hostile  # type: ignore[union-attr]
    assert [c.key for c in index.candidates(offer("q", hostile.title), 2)] == ["s:1"]
