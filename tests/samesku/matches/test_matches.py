"""Standing decisions from a real log: committed ones only, one per pair; and a snapshot to go on from."""

from __future__ import annotations

import itertools
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from typer.testing import CliRunner, Result

from samesku.commands.matches import app
from samesku.matches.snapshot import NotASnapshot, Snapshot, read_snapshot, write_snapshot
from samesku.topics import TopicAdmin
from schemas.decision import MatchDecision, supersedes
from schemas.events import dumps
from schemas.sections import KafkaSettings
from schemas.topics import DECISIONS, PARTITIONER
from tests.decisions import NOW, decision

_prefixes = itertools.count()


@pytest.fixture
def settings(kafka: str, monkeypatch: pytest.MonkeyPatch) -> KafkaSettings:
    found = KafkaSettings(bootstrap_servers=kafka, topic_prefix=f"matches-{next(_prefixes)}.", partitions=2)
    monkeypatch.setenv("SAMESKU_KAFKA__BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("SAMESKU_KAFKA__TOPIC_PREFIX", found.topic_prefix)
    TopicAdmin(found.client_config()).apply(found.topic_specs())
    return found


def publish(settings: KafkaSettings, decisions: list[MatchDecision], commit: bool = True) -> None:
    producer = Producer(
        {
            **settings.client_config(),
            "partitioner": PARTITIONER,
            "transactional.id": f"{settings.topic_prefix}writer",
        }
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    for each in decisions:
        producer.produce(settings.topic(DECISIONS), key=each.pair_id, value=dumps(each))
    producer.flush(30)
    if commit:
        producer.commit_transaction(30)
    else:
        producer.abort_transaction(30)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_one_offers_standing_decisions(settings: KafkaSettings) -> None:
    publish(
        settings,
        [
            decision("a:1", "b:1", "no_match", (5, 1)),
            decision("a:1", "b:1", "match", (4, 1)),
            decision("a:1", "c:1", "match"),
            decision("a:10", "c:1", "match"),
        ],
    )
    publish(settings, [decision("a:1", "b:1", "match", (9, 9))], commit=False)
    result = run("a:1", "--json")
    assert result.exit_code == 0, result.output
    listed = [orjson.loads(line) for line in result.stdout.splitlines()]
    assert [(each["pair_id"], each["verdict"]) for each in listed] == [("a:1#c:1", "match"), ("a:1#b:1", "no_match")]
    table = run("a:1").stdout
    assert "c:1" in table
    assert "because" in table
    assert "no decision about b:7" in run("b:7").stdout


def test_an_offer_is_named_by_its_key(settings: KafkaSettings) -> None:
    assert run("no-colon").exit_code == 2


def test_a_consumer_goes_on_from_a_snapshot(settings: KafkaSettings, tmp_path: Path) -> None:
    publish(settings, [decision(f"a:{number}", "b:1", "match") for number in range(40)])
    path = tmp_path / "snapshot.jsonl.gz"
    assert run("export", "--out", str(path)).exit_code == 0
    publish(settings, [decision("a:7", "b:1", "retracted", (2, 1)), decision("a:99", "b:1", "review")])
    snapshot = read_snapshot(path)
    consumer = Consumer({**settings.client_config(), "group.id": "new", "isolation.level": "read_committed"})
    consumer.assign([TopicPartition(snapshot.topic, number, at) for number, at in snapshot.offsets.items()])
    # A commit returns before every partition shows it, so that the snapshot may rightly end before some of the 40.
    messages = consumer.consume(42 - len(snapshot.decisions), timeout=30) + consumer.consume(1, timeout=0.5)
    consumer.close()
    stands = dict(snapshot.decisions)
    for message in messages:
        new = MatchDecision.model_validate_json(message.value() or b"")
        assert new.pair_id not in stands or supersedes(new, stands[new.pair_id])
        stands[new.pair_id] = new
    assert len(messages) + len(snapshot.decisions) == 42
    assert len(stands) == 41
    assert stands["a:7#b:1"].verdict == "retracted"


def test_an_empty_log_gives_an_empty_snapshot(settings: KafkaSettings, tmp_path: Path) -> None:
    path = tmp_path / "snapshot.jsonl"
    assert run("export", "--out", str(path)).exit_code == 0
    assert read_snapshot(path) == Snapshot(settings.topic(DECISIONS), {0: 0, 1: 0}, {})


@pytest.mark.parametrize("keep", [0, 1, 2])
def test_half_a_snapshot_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "snapshot.jsonl"
    pairs = {each.pair_id: each for each in (decision("a:1", "b:1", "match"), decision("a:2", "b:1", "match"))}
    write_snapshot(path, Snapshot("t", {0: 3}, pairs), NOW)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:keep]))
    with pytest.raises(NotASnapshot):
        read_snapshot(path)


def test_writing_leaves_nothing_beside_the_snapshot(tmp_path: Path) -> None:
    write_snapshot(tmp_path / "s.jsonl", Snapshot("t", {}, {}), NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["s.jsonl"]
