"""A replay whose contents are in the audit store alone: the topics do not hold them any more, and one was erased."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from schemas import topics
from schemas.decision import MatchDecision, standing
from tests.system.cluster import PATIENCE, Cluster, environment_of
from tests.system.conftest import MakeCluster
from tests.system.test_replay import lines_of, samesku, serve
from worker.audit.store import AuditStore
from worker.audit.tables import DECISIONS, OFFERS
from worker.replay.folder import Folder

pytestmark = pytest.mark.system

# What AdminClient.delete_records takes for "up to the end".
END = -1


def forget(cluster: Cluster) -> None:
    """Take every content out of the topics, as retention, or a topic made anew, does."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    offers = cluster.topic(topics.OFFERS)
    # A compacted topic lets nobody delete its beginning.
    plain = ConfigEntry("cleanup.policy", "delete", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, offers, incremental_configs=[plain])
    for altered in admin.incremental_alter_configs([resource]).values():
        altered.result(PATIENCE)
    whole = [
        TopicPartition(name, number, END)
        for name in (offers, cluster.topic(topics.CHANGES))
        for number in range(cluster.partitions)
    ]
    for deleted in admin.delete_records(whole).values():
        deleted.result(PATIENCE)


def fill_store(cluster: Cluster, root: Path) -> None:
    """Let a sink run until the store holds everything that the topics do."""
    settings = cluster.settings()
    audit = settings.audit.model_copy(
        update={"root": str(root), "group_id": f"{cluster.prefix}audit", "flush_s": 0.2, "threads": 1}
    )
    sink = subprocess.Popen(
        [Path(sys.executable).with_name("samesku"), "audit", "sink"],
        env={**os.environ, **environment_of(settings.model_copy(update={"audit": audit}))},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wanted = ((DECISIONS, len(cluster.decisions())), (OFFERS, len(cluster.read(topics.OFFERS))))
        store = AuditStore(str(root), threads=1)
        cluster.wait(lambda: all(sum(1 for _ in store.stream(table)) == count for table, count in wanted), "the sink")
    finally:
        sink.kill()
        sink.wait()


def digests_in(decisions: Iterable[MatchDecision], key: str | None = None) -> set[str]:
    """The contents that decisions are about, of all offers or of one."""
    sides = [side for made in decisions for side in (made.first, made.second)]
    return {side.digest for side in sides if key in (None, side.key)}


def test_contents_come_from_the_audit_store_when_the_topics_have_forgotten_them(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    cluster = make_cluster()
    sent = serve(cluster, 8)
    # Every second offer moves on: half of what was judged is no longer what the index or a compacted topic would hold.
    cluster.upsert(*(offer.model_copy(update={"title": f"{offer.title} used"}) for offer in sent[::2]))
    cluster.await_answers(12)
    store = tmp_path / "audit"
    fill_store(cluster, store)
    replay = ("replay", "--bundle", cluster.bundle, "--all", "--name", "same")
    samesku(cluster, *replay, "--out", tmp_path / "topics")
    every = lines_of(tmp_path / "topics")
    assert len(every) == len(cluster.decisions())

    forget(cluster)
    lost = len(digests_in(cluster.decisions()))
    assert f"contents not found any more: {lost}\n" in samesku(cluster, *replay, "--out", tmp_path / "nothing")
    outcomes = Folder(tmp_path / "nothing").summary()["outcomes"]
    assert (outcomes["judged"], outcomes["missing_content"]) == (0, len(every))

    samesku(cluster, *replay, "--audit", store, "--out", tmp_path / "store")
    assert lines_of(tmp_path / "store") == every
    ended = [Folder(tmp_path / name).manifest() for name in ("topics", "store")]
    assert ended[0]["sha256_stable"] == ended[1]["sha256_stable"]

    gone = sent[0].key
    samesku(cluster, "audit", "erase", gone, "--root", store, "--reason", "asked for")
    pairs = ("replay", "--bundle", cluster.bundle, "--audit", store, "--out", tmp_path / "erased")
    stands = standing(cluster.decisions())
    lost = len(digests_in(stands.values(), gone))
    assert f"contents not found any more: {lost}\n" in samesku(cluster, *pairs)
    assert standing(Folder(tmp_path / "erased").read()).keys() == {
        pair for pair in stands if gone not in pair.split("#")
    }  # fmt: skip
