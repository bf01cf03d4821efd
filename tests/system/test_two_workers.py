"""Two workers of one group, one of them killed in the middle: nothing is answered twice, and the same decisions stand.

What can be compared, and why it is truly equal. Which of two offers asks first is chance, and a student may judge
(A, B) otherwise than (B, A). So these runs put the pair's first id first in the prompt (`pair_order = first_id`):
then a decision is a function of the two contents and versions, and its id is one, whoever asked and however often. With
fixed idf and k larger than the catalogue every two offers that share a trigram are judged, whatever was indexed before.
Each change alters the text at its front, so that no standing decision is reused (whether it could be depends on whether
a link was settled before the kill). Under these conditions the standing decisions of all pairs are the same, id by id.
"""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest

from schemas.columns import offer_from_record
from schemas.decision import MatchDecision, standing
from schemas.offer import Offer, pair_id
from schemas.partitioner import murmur2
from tests.system.cluster import Cluster, by_position, change_record, delete_record
from tests.system.conftest import MakeCluster
from worker.student.student import Student

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

# Known matches whose offers are streamed, of both tables: 48 offers and 12 updates, about 1,600 judged pairs a run.
PAIRS = 24
UPDATED = 12
REPRODUCIBLE: dict[str, Any] = {
    "partitions": 4,
    "blocking": {"idf": "fixed", "k": 1000},
    "stream": {"batch_size": 4, "lag_policy": [], "pair_order": "first_id"},
    # A random student contradicts itself all the time; here its probability alone decides.
    "policy": {
        "match_threshold": 0.6, "review_low": 0.55, "review_high": 0.65, "contradiction": "match", "explain": "never",
    },
}  # fmt: skip


def sample(data: Path) -> list[Offer]:
    """Both sides of the first known matches by id, the two tables in turn, as a fixed sample."""
    tables = {}
    for name, source in (("left", "abt"), ("right", "buy")):
        lines = (data / "abt-buy" / f"{name}.jsonl").read_text().splitlines()
        tables[name] = {row["id"]: offer_from_record(row, source) for row in map(json.loads, lines)}
    known = [json.loads(line) for line in (data / "abt-buy" / "matches_known.jsonl").read_text().splitlines()]
    known.sort(key=lambda row: (row["left_id"], row["right_id"]))
    offers: dict[str, Offer] = {}
    for row in known:
        both = (tables["left"][row["left_id"]], tables["right"][row["right_id"]])
        if len(offers) < 2 * PAIRS and not any(offer.key in offers for offer in both):
            offers.update((offer.key, offer) for offer in both)
    return list(offers.values())


def stream(offers: list[Offer]) -> list[tuple[bytes, bytes]]:
    """All offers, then a new title and price for some of each table."""
    updates = [
        offer.model_copy(update={"title": f"special offer {offer.title}", "price": "77.00"})
        for offer in offers[:: len(offers) // UPDATED]
    ]
    return [change_record(offer) for offer in [*offers, *updates]]


def standing_ids(cluster: Cluster) -> dict[str, tuple[str, str, tuple[int, int], float | None]]:
    return {
        pair: (made.decision_id, made.verdict, versions(made), made.probability)
        for pair, made in standing(cluster.decisions()).items()
    }


def versions(made: MatchDecision) -> tuple[int, int]:
    return made.first.effective_version, made.second.effective_version


def test_a_killed_worker_changes_nothing(make_cluster: MakeCluster, data_dir: Path) -> None:
    records = stream(sample(data_dir))

    calm = make_cluster(**REPRODUCIBLE)
    calm.worker("0")
    calm.produce(records)
    expected_answers = calm.await_answers(len(records))
    calm.close()

    rough = make_cluster(**REPRODUCIBLE)
    first, second = rough.worker("0"), rough.worker("1")
    rough.wait(
        lambda: all(worker.events("partitions_assigned") for worker in (first, second)), "partitions for both workers"
    )
    rough.produce(records)
    rough.await_answers(len(records) // 3)
    second.kill()
    rough.worker("1")
    answers = rough.await_answers(len(records))

    positions = by_position(answers)
    assert set(positions) == set(by_position(expected_answers))
    assert [found for found in positions.values() if len(found) != 1] == []
    published = {made.decision_id for made in rough.decisions()}
    for answer in answers:
        assert {*answer.decision_ids, *answer.standing_ids} <= published
    assert standing_ids(rough) == standing_ids(calm)
    verdicts = {made.verdict for made in standing(rough.decisions()).values()}
    assert verdicts == {"match", "no_match", "review"}, "a sample that shows nothing"


# Titles that a random student judges differently, short so that many rounds are quick.
TITLES = (
    "sony dsc-w120 camera", "sony dsc-w120/p camera pink", "canon ixus 95 camera", "sony dsc-w130 camera black",
    "canon ixus 95 is camera silver", "nikon coolpix s210 camera",
)  # fmt: skip
ROUNDS = 12
RACING = 3


def racing_offers(partitions: int) -> tuple[list[str], list[str]]:
    """Offer ids of two sellers that the partitioner puts into partition 0 and into partition 1."""
    found: tuple[list[str], list[str]] = ([], [])
    number = 0
    while min(map(len, found)) < RACING:
        place = (murmur2(f"race:{number}".encode()) & 0x7FFFFFFF) % partitions
        if place < 2 and len(found[place]) < RACING:
            found[place].append(str(number))
        number += 1
    return found


def test_racing_updates_leave_no_stale_match(make_cluster: MakeCluster, tiny_bundle: Path) -> None:
    threshold = 0.4
    cluster = make_cluster(
        policy={
            "match_threshold": threshold, "review_low": threshold, "review_high": threshold,
            "contradiction": "match", "explain": "never",
        },
        blocking={"idf": "fixed", "k": 50},
        stream={"batch_size": 2, "lag_policy": [], "max_wait_ms": 1},
    )  # fmt: skip
    workers = [cluster.worker(slot) for slot in ("0", "1")]
    cluster.wait(lambda: all(w.events("partitions_assigned") for w in workers), "partitions for both workers")

    chance = random.Random(7)
    ids = racing_offers(2)
    final: dict[str, Offer | None] = {}
    records: list[tuple[bytes, bytes]] = []
    for round_ in range(ROUNDS):
        for offer_id in (ids[side][place] for place in range(RACING) for side in (0, 1)):
            title = f"{chance.choice(TITLES)} lot {round_}"
            offer = Offer(offer_id=offer_id, source="race", title=title)
            deleted = chance.random() < 0.1
            final[offer.key] = None if deleted else offer
            records.append(delete_record(offer) if deleted else change_record(offer))
    cluster.produce(records)
    answers = cluster.await_answers(len(records))
    assert [found for found in by_position(answers).values() if len(found) != 1] == []

    newest: dict[str | None, int] = {}
    for answer in answers:
        newest[answer.key] = max(newest.get(answer.key, 0), answer.source.offset)
    stands = standing(cluster.decisions())
    sides = [side for made in stands.values() if made.verdict == "match" for side in (made.first, made.second)]
    assert [side for side in sides if side.effective_version != newest[side.key] or final[side.key] is None] == []
    # Nor was one forgotten: what both orders of the prompt call a match stands as one.
    student = Student.load(tiny_bundle, threads=1)
    for a, b in itertools.combinations([offer for offer in final.values() if offer is not None], 2):
        matches = {student.judge(*order)[0].probability >= threshold for order in ((a, [b]), (b, [a]))}
        stands_as_match = stands[pair_id(a.key, b.key)].verdict == "match"
        assert stands_as_match in matches, f"{a.title!r} and {b.title!r}"
    assert {made.verdict for made in stands.values()} >= {"match", "no_match"}, "a sample that shows nothing"
