"""`samesku why`: what it prints of each kind of pair, and what it says to machines."""

from __future__ import annotations

import itertools
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner, Result

from samesku.commands.why import app
from samesku.errors import CommandError
from samesku.topics import TopicAdmin
from schemas import topics
from schemas.answer import Answer
from schemas.events import Position, dumps
from schemas.partitioner import partition_of
from schemas.settings import Settings, load_settings
from tests.decisions import NOW
from tests.worker.audit.making import decision_record, fill, judged, label_record, offer, offer_record
from worker.audit.store import AuditStore
from worker.audit.tables import DECISIONS, LABELS, OFFERS
from worker.stream.startup import look_around, open_index

OLD, NEW = offer(1, "a"), offer(1, "a", "sony camera, pack of 2")
OTHER = offer(1, "b", price="19.99")
FAR = [offer(n, "c", "sony camera") for n in range(20)]
_prefixes = itertools.count()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AuditStore:
    monkeypatch.setenv("SAMESKU_AUDIT__ROOT", str(tmp_path / "audit"))
    made = AuditStore(str(tmp_path / "audit"), memory_mb=256, threads=1)
    made.claim({"match.decisions": "id"})
    fill(made, OFFERS, [offer_record(each, n, n) for n, each in enumerate((OLD, NEW, OTHER, *FAR))])
    matched = judged(OLD, OTHER, (0, 2), decision_id="one" * 10, shadow={
        "bundle": {"name": "next", "version": "9.0.0", "digest": "d"},
        "verdict": "review", "probability": 0.45, "logit": 0.1,
    })  # fmt: skip
    rejected = judged(
        NEW, OTHER, (1, 2), decision_id="two" * 10, verdict="no_match", decided_at=NOW + timedelta(days=30),
        rationale=None, deployment=2, reasons=["below_match_threshold"],
    )  # fmt: skip
    fill(made, DECISIONS, [decision_record(each, n) for n, each in enumerate((matched, rejected))])
    fill(made, LABELS, [label_record(matched.pair_id, 0)])
    return made


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_the_page_of_a_pair(store: AuditStore) -> None:
    done = run(OTHER.key, OLD.key, "--stored-only")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[:2] == ["a:1 and b:1: no_match", "2 decisions in the audit store"]
    text = done.stdout
    # Both listings as the standing decision had them.
    assert "sony camera, pack of 2 1" in text
    assert "19.99" in text
    assert text.index("1. 2026-11-23T12:00:00Z  match  p 0.9000 (logit 2.2500)") < text.index(
        "2. 2026-12-23T12:00:00Z  no_match"
    )
    assert "superseded by 2: newer versions: a:1 at version 1 instead of 0" in text
    assert "in the shadow next 9.0.0 said review, p 0.4500" in text
    assert "a:1 at 1 (content changed), b:1 at 2" in text
    assert "b:1 was candidate 1 of a:1, score 31.50" in text
    assert 'Both are "sony camera 1" and "sony camera 1". (A: a:1, B: b:1)' in text
    assert "label label0: no_match by r1" in text
    assert text.count("stands") == 1


def test_the_same_for_machines(store: AuditStore) -> None:
    data = orjson.loads(run(OLD.key, OTHER.key, "--stored-only", "--json").stdout)
    assert data["standing"] == "two" * 10
    assert [each["superseded_because"] for each in data["decisions"]] == [
        "newer versions: a:1 at version 1 instead of 0", None,
    ]  # fmt: skip
    assert data["decisions"][0]["decision"]["rationale"]["answer"] == "same"
    assert data["contents"][OLD.digest()]["title"] == OLD.title
    assert data["why_not"] is None


def test_what_is_no_pair_and_no_store(store: AuditStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = run("nonsense", "b:1")
    assert wrong.exit_code == 2
    assert "not an offer key" in wrong.output
    monkeypatch.setenv("SAMESKU_AUDIT__ROOT", str(tmp_path / "nothing"))
    missing = run("a:1", "b:1")
    assert isinstance(missing.exception, CommandError)
    assert "samesku audit sink" in str(missing.exception)


def test_without_a_live_system_it_says_so(store: AuditStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SAMESKU_REDIS__URL", "SAMESKU_KAFKA__BOOTSTRAP_SERVERS"):
        monkeypatch.delenv(name, raising=False)
    done = run(OLD.key, FAR[0].key)
    assert "a:1 and c:0 were never compared." in done.stdout
    assert "live (says the store)" in done.stdout
    assert "the live index was not asked" in done.stderr
    assert "z:9 is unknown" in run(OLD.key, "z:9").stdout


@pytest.fixture
def live(store: AuditStore, kafka: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A broker with our topics, and an index with the offers."""
    monkeypatch.setenv("SAMESKU_KAFKA__BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("SAMESKU_KAFKA__TOPIC_PREFIX", f"why-{next(_prefixes)}.")
    monkeypatch.setenv("SAMESKU_KAFKA__PARTITIONS", "2")
    monkeypatch.setenv("SAMESKU_REDIS__URL", redis_url)
    monkeypatch.setenv("SAMESKU_BLOCKING__K", "3")
    settings = load_settings()
    TopicAdmin(settings.kafka.client_config()).apply(settings.kafka.topic_specs())
    index = open_index(settings)
    index.initialise(f"{look_around(settings).generation}-{index.format}")
    index.upsert_many([(each, n) for n, each in enumerate((NEW, OTHER, *FAR))])
    return settings


def publish(settings: Settings, topic: str, key: str, value: bytes) -> None:
    producer = Producer({**settings.kafka.client_config(), "partitioner": topics.PARTITIONER})
    producer.produce(settings.kafka.topic(topic), key=key.encode(), value=value)
    assert producer.flush(30) == 0


def test_never_compared_asks_index_and_answers(live: Settings) -> None:
    answer = Answer(
        source=Position(topic="catalog.changes", partition=0, offset=4), key=FAR[5].key, op="upsert", outcome="judged",
        candidates=1, k_requested=3, k_effective=1, lag=7_000, answered_at=NOW,
    )  # fmt: skip
    publish(live, topics.ANSWERS, FAR[5].key, dumps(answer))
    publish(live, topics.ANSWERS, "x:1", dumps(answer.model_copy(update={"key": "x:1"})))
    done = run(NEW.key, FAR[5].key)
    assert "beyond the candidates that were asked for" in done.stdout
    assert "judged, 1 candidates of 1 asked for (3 but for lag 7000)" in done.stdout.replace("\n", " ")
    data = orjson.loads(run(NEW.key, FAR[5].key, "--json").stdout)
    assert data["why_not"]["reason"] == "beyond_k"
    assert [look["k"] for look in data["why_not"]["looks"]] == [3, 1]
    assert [each["state"] for each in data["why_not"]["offers"]] == ["live", "live"]


def test_what_the_store_has_not_read_yet(live: Settings) -> None:
    # The store holds the first offsets of partition 0.
    far = next(each for each in FAR if partition_of(f"{NEW.key}#{each.key}".encode(), 2) == 1)
    made = judged(NEW, far)
    publish(live, topics.DECISIONS, made.pair_id, dumps(made))
    done = run(NEW.key, far.key)
    assert "match.decisions holds 1 decisions of this pair that are not in the store yet" in done.stderr
