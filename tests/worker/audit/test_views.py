"""What SQL sees is what the events say."""

from __future__ import annotations

import random
from datetime import timedelta

from schemas.decision import standing
from tests.decisions import NOW
from tests.worker.audit.making import (
    decision_record,
    fill,
    fill_pairs,
    judged,
    label_record,
    offer,
    offer_record,
    tombstone,
)
from worker.audit import views
from worker.audit.chain import Segment
from worker.audit.erasing import erase
from worker.audit.parquet import arrow_of, writing
from worker.audit.store import AuditStore
from worker.audit.tables import DECISIONS, LABELS, OFFERS
from worker.stream.records import Record


def test_standing_in_sql_is_standing_in_the_schema(store: AuditStore) -> None:
    """Every rule of `supersedes` decides some pair here."""
    chance = random.Random(7)
    bundles = [
        {"name": "s", "version": version, "digest": digest, "built_at": built}
        for version, digest, built in (
            ("1.9.0", "x", None), ("1.10.0", "y", None), ("1.10.0", "z", NOW), ("1.10.0-rc.1", "r", NOW),
            ("odd", "o", None),
        )
    ]  # fmt: skip
    a, b = [offer(n, "a") for n in range(40)], [offer(n, "b") for n in range(40)]
    made = []
    for n in range(400):
        pair = n % 40
        fields = {
            "decision_id": f"id{n}", "bundle": chance.choice(bundles), "deployment": chance.choice([0, 0, 1]),
            "decided_by": chance.choice(["student", "student", "label", "operator"]),
            "source": {"topic": "t", "partition": 0, "offset": chance.choice([1, 2])},
            "decided_at": NOW + timedelta(microseconds=chance.choice([0, 1])),
        }  # fmt: skip
        keys = [a[pair].key, b[pair].key]
        chance.shuffle(keys)
        fields |= {"query_key": keys[0], "candidate_key": keys[1]}
        made.append(judged(a[pair], b[pair], (chance.choice([1, 1, 2]), chance.choice([1, 1, 2])), **fields))
    for start in range(0, 400, 90):
        part = made[start : start + 90]
        fill(store, DECISIONS, [decision_record(each, start + n) for n, each in enumerate(part)], start=start)
    views.create(store)
    found = dict(store.connection.execute("SELECT pair_id, decision_id FROM standing").fetchall())
    assert found == {pair: each.decision_id for pair, each in standing(made).items()}


def test_an_empty_store_has_all_views(store: AuditStore) -> None:
    views.create(store)
    for name in views.VIEWS:
        assert store.connection.execute(f"SELECT * FROM {name}").fetchall() == []


def test_each_view(any_store: AuditStore) -> None:
    made = fill_pairs(any_store, 4, versions=2)
    fill(any_store, OFFERS, [tombstone("a:1", 8, 9)], start=8)
    fill(any_store, LABELS, [label_record(made[0].pair_id, 0)])
    fill(any_store, DECISIONS, [Record("t", 1, 0, b"x:1#y:1", b"?")])
    views.create(any_store)
    ask = any_store.connection.execute
    assert ask("SELECT count(*) FROM decisions").fetchone() == (8,)
    keys = "first_key, second_key, query_key, candidate_key"
    assert ask(f"SELECT DISTINCT {keys} FROM decisions WHERE pair_id = 'a:2#b:2'").fetchall() == [
        ("a:2", "b:2", "a:2", "b:2")
    ]
    signals = "brand, brand_same, match_threshold, judge_ms"
    assert ask(f"SELECT {signals} FROM standing WHERE first_key = 'a:0'").fetchall() == [("same", 0.875, 0.5, 81.5)]
    assert ask("SELECT effective_version, deleted FROM offer_versions WHERE key = 'a:1' ORDER BY 1").fetchall() == [
        (1, False), (9, True),
    ]  # fmt: skip
    assert ask("SELECT count(*), count(DISTINCT digest) FROM contents").fetchone() == (8, 8)
    title = "SELECT json_extract_string(content, '$.title') FROM contents WHERE key = 'a:3'"
    assert ask(title).fetchone() == ("sony camera 3",)
    assert ask("SELECT verdict, reviewer FROM labels").fetchall() == [("no_match", "r1")]
    assert ask('SELECT "table", key, raw FROM unreadable').fetchall() == [("decisions", "x:1#y:1", b"?")]


def test_erased_text_is_hidden_from_sql(any_store: AuditStore) -> None:
    gone, other = offer(1, "a", "secret"), offer(1, "b")
    erase(any_store, gone.key, "legal", "request", NOW + timedelta(days=1), 100)
    table = DECISIONS.row(decision_record(judged(gone, other), 0))
    name = f"decisions/p0000/{Segment(0, 1).name}"
    with any_store.folder.creating(name) as out, writing(DECISIONS, out) as writer:
        writer.write(arrow_of(DECISIONS, [table]))
    fill(any_store, OFFERS, [offer_record(gone, 0), offer_record(other, 1)])
    views.create(any_store)
    ask = any_store.connection.execute
    assert ask("SELECT sentence, quotes FROM decisions").fetchall() == [("[erased]", None)]
    assert ask("SELECT key, content IS NULL, erased FROM contents ORDER BY key").fetchall() == [
        (gone.key, True, True), (other.key, False, False),
    ]  # fmt: skip
    assert ask("SELECT offer_key, erased_by, reason FROM erasures").fetchall() == [(gone.key, "legal", "request")]
