"""`samesku load` on a real broker: what arrives, what is rejected, and what the exit code says."""

from __future__ import annotations

import itertools
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Consumer, TopicPartition
from typer.testing import CliRunner, Result

from samesku.commands.load import app
from samesku.topics import TopicAdmin
from schemas.change import CatalogChange, parse_change
from schemas.sections import KafkaSettings

_prefixes = itertools.count()


@pytest.fixture
def settings(kafka: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> KafkaSettings:
    found = KafkaSettings(bootstrap_servers=kafka, topic_prefix=f"load-{next(_prefixes)}.", partitions=2)
    monkeypatch.setenv("SAMESKU_KAFKA__BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("SAMESKU_KAFKA__TOPIC_PREFIX", found.topic_prefix)
    monkeypatch.chdir(tmp_path)
    return found


@pytest.fixture
def topics(settings: KafkaSettings) -> KafkaSettings:
    TopicAdmin(settings.client_config()).apply(settings.topic_specs())
    return settings


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def arrived(settings: KafkaSettings, count: int) -> list[CatalogChange]:
    consumer = Consumer({**settings.client_config(), "group.id": "reads-what-was-loaded"})
    consumer.assign([TopicPartition(settings.topic("catalog.changes"), number, 0) for number in range(2)])
    try:
        messages = consumer.consume(count, timeout=30)
        assert len(messages) == count
        assert consumer.consume(1, timeout=0.5) == []
        return [parse_change(bytes(message.key() or b""), bytes(message.value() or b"")) for message in messages]
    finally:
        consumer.close()


CATALOGUE = """id;name;Manufacturer;EAN;preis;price
1;Lamp;Lumo;4006381333931;;12,50
2;;Lumo;;;
3;Lamp;Lumo;4006381333932;;
4;Desk;;;;1.299,00 €
"""


def test_a_catalogue_arrives_and_its_bad_rows_are_reported(topics: KafkaSettings, tmp_path: Path) -> None:
    Path("north.csv").write_text(CATALOGUE, encoding="utf-8")
    result = run("north.csv", "--index-only", "--max-lag", "0")
    assert result.exit_code == 1, result.output
    assert "2 offers sent and acknowledged, 2 rows rejected" in result.output
    assert "line 3: missing_field" in result.output
    assert "line 4: bad_gtin" in result.output
    changes = sorted(arrived(topics, 2), key=lambda change: change.key)
    assert [change.key for change in changes] == ["north:1", "north:4"]
    assert all(change.index_only for change in changes)
    assert [change.offer.price if change.offer else None for change in changes] == ["12.50", "1299.00"]
    rejects = [orjson.loads(line) for line in Path("north.csv.rejects.jsonl").read_bytes().splitlines()]
    assert [(each["line"], each["reason"], each["row"]) for each in rejects] == [
        (3, "missing_field", "2;;Lumo;;;"),
        (4, "bad_gtin", "3;Lamp;Lumo;4006381333932;;"),
    ]


def test_a_clean_catalogue_ends_with_zero_and_leaves_no_rejects_file(topics: KafkaSettings) -> None:
    Path("a.jsonl").write_text('{"id": 1, "title": "Lamp"}\n{"id": 1, "title": "Lamp 2", "seller": "x"}\n')
    result = run("a.jsonl", "--source", "north")
    assert result.exit_code == 0, result.output
    assert sorted(change.key for change in arrived(topics, 2)) == ["north:1", "x:1"]
    assert not Path("a.jsonl.rejects.jsonl").exists()


def test_missing_topics_are_said_so(settings: KafkaSettings) -> None:
    Path("a.jsonl").write_text('{"id": 1, "title": "Lamp"}\n')
    result = run("a.jsonl")
    assert result.exit_code == 1
    assert "samesku topics apply" in str(result.exception)


def test_wrong_usage_ends_with_two(settings: KafkaSettings) -> None:
    Path("a.xlsx").write_text("")
    assert run("a.xlsx").exit_code == 2
    assert run("missing.csv").exit_code == 2


def test_a_damaged_file_is_said_so(topics: KafkaSettings) -> None:
    Path("a.jsonl.gz").write_bytes(b"\x1f\x8b\x08\x00garbage")
    result = run("a.jsonl.gz")
    assert result.exit_code == 1
    assert "a.jsonl.gz" in str(result.exception)
