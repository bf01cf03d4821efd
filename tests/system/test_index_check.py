"""The index that a real worker made, held against the topics; and every kind of damage to it found."""

from __future__ import annotations

import threading

import orjson
import pytest
import redis
from typer.testing import CliRunner

from samesku.commands.index import app
from samesku.indexing.check import IndexCheck
from samesku.indexing.compare import MEANING
from tests.system.cluster import Cluster, delete_record, environment_of
from tests.worker.stream.conftest import judge, offer
from tests.worker.stream.test_worker import Start, answered, cluster, start
from worker.blocking import Index
from worker.stream.startup import look_around, open_index

__all__ = ["cluster", "judge", "start"]
pytestmark = pytest.mark.system


@pytest.fixture
def filled(cluster: Cluster, start: Start, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Twelve offers in four groups of equal words, one of them deleted again; the worker goes on."""
    start()
    for name, value in environment_of(cluster.settings()).items():
        monkeypatch.setenv(name, value)
    offers = [offer(number, f"sony camera w{number % 4}") for number in range(12)]
    cluster.upsert(*offers)
    cluster.produce([delete_record(offers[11])])
    answered(cluster, 13)
    return cluster


def index_of(cluster: Cluster) -> Index:
    settings = cluster.settings()
    index = open_index(settings)
    index.adopt(f"{look_around(settings).generation}-{index.format}")
    return index


def checked(*arguments: str) -> tuple[int, dict[str, list[str]]]:
    done = CliRunner().invoke(app, ["check", "--json", "--pause", "0.1", *arguments])
    assert done.exit_code in (0, 1), done.output
    report = orjson.loads(done.stdout)
    assert report["offers"] == 12
    found: dict[str, list[str]] = {}
    for fault in report["faults"]:
        found.setdefault(fault["kind"], []).append(fault["key"])
    return done.exit_code, found


def test_a_sound_index_has_no_fault_and_each_damage_is_named(filled: Cluster) -> None:
    assert checked() == (0, {})
    index = index_of(filled)
    assert sorted(index.keys()) == sorted(f"s:{number}" for number in range(12))
    key, other = "s:0", next(iter(index.links("s:0")))
    # Missing and orphan; older; another content; another decision; links lost and invented.
    layout, client = index._layout, redis.Redis.from_url(filled.redis_url)
    client.delete(layout.offer("s:5"))
    index.upsert(offer(99, "nobody knows it"), 7)
    client.hset(layout.offer("s:6"), "v", 0)
    client.hset(layout.offer("s:7"), "d", "0" * 64)
    standing = index.links(key)[other].standing
    assert standing is not None
    client.hset(layout.standing(key), other, standing.dumps().replace(standing.decision_id.encode(), b"0" * 64))
    client.hdel(layout.standing(other), key)
    client.hset(layout.standing("s:1"), "s:2", standing.dumps())
    code, found = checked()
    assert code == 1
    assert found.keys() == MEANING.keys()
    assert (found["missing"], found["orphan"], found["behind"], found["differs"]) == (
        ["s:5"], ["s:99"], ["s:6"], ["s:7"],
    )  # fmt: skip
    assert (found["link_differs"], found["link_missing"], found["link_orphan"]) == ([key], [other], ["s:1"])
    words = CliRunner().invoke(app, ["check", "--rounds", "1"])
    assert (words.exit_code, MEANING["orphan"] in words.output) == (1, True)


def test_changes_that_flow_meanwhile_are_no_faults(filled: Cluster) -> None:
    sent = 13

    def flow() -> None:
        for number in range(12, 40):
            filled.upsert(offer(number, f"sony camera w{number % 4}"))

    sender = threading.Thread(target=flow)
    sender.start()
    report = IndexCheck(filled.settings().kafka, index_of(filled), rounds=20, pause=0.5).run()
    sender.join()
    assert report.faults == []
    answered(filled, sent + 28)
    last = IndexCheck(filled.settings().kafka, index_of(filled), rounds=3, pause=0.5).run()
    assert (last.offers, last.faults) == (40, [])


def test_no_index_is_said_so(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment_of(cluster.settings()).items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, ["check"])
    assert (done.exit_code, "hold no index of generation" in str(done.exception)) == (1, True)
