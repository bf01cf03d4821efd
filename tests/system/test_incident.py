"""Reported pairs, from the live topic through the audit store to an action, on a real broker, Redis and workers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from schemas import topics
from schemas.decision import MatchDecision, standing
from schemas.offer import Offer, split_pair
from schemas.review import ReviewTask
from schemas.settings import Settings
from tests.system.cluster import Cluster, environment_of
from tests.system.conftest import MakeCluster
from worker.audit.errors import AuditError
from worker.audit.store import AuditStore
from worker.stream.startup import look_around, open_index

pytestmark = pytest.mark.system

ALL_MATCH = {"match_threshold": 0.0, "review_low": 0.0, "review_high": 0.0, "contradiction": "match"}


def samesku(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("samesku"), *arguments],
        env={**os.environ, **environment_of(settings)}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def act(settings: Settings, folder: Path, pairs: list[str], target: str) -> str:
    """Report these pairs and act on nothing but them; returns what was said."""
    file = folder / "reports.jsonl"
    file.write_bytes(b"\n".join(orjson.dumps({"pair_id": pair, "note": "not the same"}) for pair in pairs))
    done = samesku(
        settings, "incident", str(file), "--out", str(folder / "out"), "--send-to", target, "--reported-only",
        "--by", "ann", "--reason", "ticket 7",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr


def stored(cluster: Cluster, settings: Settings) -> None:
    """Fill the audit store with everything that is published by now."""
    sink = subprocess.Popen(
        [Path(sys.executable).with_name("samesku"), "audit", "sink"],
        env={**os.environ, **environment_of(settings)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def held() -> int:
        try:
            return sum(1 for _ in AuditStore(settings.audit.root, memory_mb=256, threads=1).decisions())
        except AuditError:
            return -1

    try:
        cluster.wait(lambda: held() >= len(cluster.decisions()), "the sink")
    finally:
        sink.terminate()
        sink.wait(60)


def test_reported_pairs_are_retracted_or_sent_to_people_once(make_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = make_cluster(policy=ALL_MATCH, blocking={"k": 3})
    settings = cluster.settings().model_copy(
        update={
            "audit": cluster.settings().audit.model_copy(
                update={"root": str(tmp_path / "audit"), "group_id": f"{cluster.prefix}audit", "flush_s": 0.5}
            )
        }
    )
    offers = [
        Offer(offer_id=str(number), source=source, title=f"canon powershot a{400 + number} camera {source}")
        for number in range(6)
        for source in ("north", "south")
    ]
    cluster.worker()
    sent = cluster.upsert(*offers)
    cluster.await_answers(sent)
    stored(cluster, settings)
    before = standing(cluster.decisions())
    matches = sorted(pair for pair, made in before.items() if made.verdict == "match")
    assert len(matches) >= 8
    wrong, doubtful = matches[:4], matches[4:6]

    assert "retracted: 4 of 4 pairs" in act(settings, tmp_path, wrong, "retracted")
    assert "review: 2 of 2 pairs" in act(settings, tmp_path, doubtful, "review")
    now = standing(cluster.decisions())
    for pair in wrong:
        made = now[pair]
        assert (made.verdict, made.decided_by, made.previous_decision_id) == (
            "retracted", "operator", before[pair].decision_id,
        )  # fmt: skip
    tasks = {
        task.pair_id: task
        for task in (ReviewTask.model_validate_json(record.value or b"") for record in cluster.read(topics.REVIEW))
    }
    contents = {offer.key: offer for offer in offers}
    for pair in doubtful:
        assert (now[pair].verdict, now[pair].decided_by) == ("review", "operator")
        assert tasks[pair].task_id == now[pair].decision_id
        first, second = split_pair(pair)
        assert (tasks[pair].first_offer, tasks[pair].second_offer) == (contents[first], contents[second])
    assert {pair: made for pair, made in now.items() if pair not in {*wrong, *doubtful}} == {
        pair: made for pair, made in before.items() if pair not in {*wrong, *doubtful}
    }
    _check_links(settings, wrong, doubtful)

    # Given again it does nothing, and says why; the log has one line an action.
    count = len(cluster.decisions())
    assert "done already: 4" in act(settings, tmp_path, wrong, "retracted")
    assert len(cluster.decisions()) == count
    log = [orjson.loads(line) for line in (tmp_path / "out" / "actions.jsonl").read_bytes().splitlines()]
    assert [(each["target"], each["published"], each["by"], each["reason"]) for each in log] == [
        ("retracted", 4, "ann", "ticket 7"), ("review", 2, "ann", "ticket 7"), ("retracted", 0, "ann", "ticket 7"),
    ]  # fmt: skip

    # What changes afterwards is judged afresh, and stands over the operator's word about the old content.
    first, _ = split_pair(doubtful[0])
    renewed = contents[first].model_copy(update={"title": contents[first].title + " with case"})
    sent += cluster.upsert(renewed)
    cluster.await_answers(sent)
    again: MatchDecision = standing(cluster.decisions())[doubtful[0]]
    assert again.decided_by == "student"
    assert again.previous_decision_id == now[doubtful[0]].decision_id


def _check_links(settings: Settings, gone: list[str], kept: list[str]) -> None:
    """The live index follows: no live link of a retracted pair is left, and one in review says so."""
    index = open_index(settings)
    index.start_check()
    index.adopt(f"{look_around(settings).generation}-{index.format}")
    for pair in gone:
        first, second = split_pair(pair)
        assert second not in index.links(first)
        assert first not in index.links(second)
    for pair in kept:
        first, second = split_pair(pair)
        link = index.links(first)[second]
        assert link.standing is not None
        assert not link.pending
        assert link.standing.verdict == "review"
