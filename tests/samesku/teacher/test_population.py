"""What an audit draws from, read from a real log and from files."""

from __future__ import annotations

import itertools
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Producer

from samesku.matches.snapshot import Snapshot, write_snapshot
from samesku.teacher.population import (
    PopulationError,
    decisions_of_file,
    decisions_of_log,
    offers_of_file,
    offers_of_log,
)
from samesku.topics import TopicAdmin
from schemas.events import Position, dumps
from schemas.offer import Offer
from schemas.offer_record import OfferRecord
from schemas.sections import KafkaSettings
from schemas.topics import DECISIONS, OFFERS, PARTITIONER
from tests.decisions import NOW, decision

_prefixes = itertools.count()


def quiet(topic: str, done: int, total: int) -> None:
    """No bar."""


def record(key: str, title: str, version: int) -> OfferRecord:
    source, _, identity = key.partition(":")
    offer = Offer(source=source, offer_id=identity, title=title)
    return OfferRecord(
        key=key, offer=offer, effective_version=version, digest=offer.digest(), indexed_at=NOW,
        source=Position(topic="catalog.changes", partition=0, offset=version),
    )  # fmt: skip


def test_committed_decisions_and_the_latest_texts(kafka: str) -> None:
    settings = KafkaSettings(bootstrap_servers=kafka, topic_prefix=f"audit-{next(_prefixes)}.", partitions=2)
    TopicAdmin(settings.client_config()).apply(settings.topic_specs())
    producer = Producer(
        {**settings.client_config(), "partitioner": PARTITIONER, "transactional.id": f"{settings.topic_prefix}w"}
    )
    producer.init_transactions(30)
    stands = decision("a:1", "b:1", "match", (2, 1))
    for commit, made in (
        (True, decision("a:1", "b:1", "no_match")),
        (True, stands),
        (False, decision("a:2", "b:2", "match")),
    ):
        producer.begin_transaction()
        producer.produce(settings.topic(DECISIONS), key=made.pair_id, value=dumps(made))
        for each in (record("a:1", "old", 1), record("a:1", "new", 2), record("b:1", "b", 1), record("c:1", "c", 1)):
            producer.produce(settings.topic(OFFERS), key=each.key, value=dumps(each))
        producer.produce(settings.topic(OFFERS), key="b:1", value=None)
        producer.flush(30)
        if commit:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)
    assert decisions_of_log(settings, quiet) == {stands.pair_id: stands}
    offers = offers_of_log(settings, ["a:1", "b:1"], quiet)
    assert {key: (digest, offer.title) for key, (digest, offer) in offers.items()} == {
        "a:1": (record("a:1", "new", 2).digest, "new")
    }


def test_decisions_come_from_a_snapshot_or_one_a_line(tmp_path: Path) -> None:
    made = decision("a:1", "b:1", "match")
    plain, snapshot, broken = tmp_path / "plain.jsonl", tmp_path / "snapshot.jsonl.gz", tmp_path / "broken"
    plain.write_bytes(dumps(made) + b"\n" + dumps(decision("a:1", "b:1", "no_match", (0, 1))))
    write_snapshot(snapshot, Snapshot("t", {0: 1}, {made.pair_id: made}), NOW)
    assert decisions_of_file(plain) == decisions_of_file(snapshot) == {made.pair_id: made}
    broken.write_text('{"verdict": "perhaps"}')
    with pytest.raises(PopulationError, match="no decision"):
        decisions_of_file(broken)
    with pytest.raises(PopulationError, match="nowhere"):
        decisions_of_file(tmp_path / "nowhere")


def test_offers_come_bare_or_as_in_the_topic(tmp_path: Path) -> None:
    path = tmp_path / "offers.jsonl"
    stored = record("a:1", "one", 3)
    path.write_bytes(dumps(stored) + b"\n" + orjson.dumps({"source": "b", "offer_id": "1", "title": "two"}))
    found = offers_of_file(path)
    assert found["a:1"] == (stored.digest, stored.offer)
    assert found["b:1"][0] == found["b:1"][1].digest()
    path.write_text('{"source": "b", "offer_id": "1"}')
    with pytest.raises(PopulationError, match="line 1: title: Field required"):
        offers_of_file(path)
