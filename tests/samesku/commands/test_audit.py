"""`samesku audit`: asking, exporting, keeping small, forgetting and checking, on stores in a folder."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from pathlib import Path

import duckdb
import orjson
import pytest
from typer.testing import CliRunner, Result

from samesku.commands.audit import app
from samesku.errors import CommandError
from schemas.events import dumps
from schemas.settings import ConfigError
from tests.worker.audit.making import decision_record, fill, fill_pairs
from worker.audit.contents import Contents
from worker.audit.store import AuditStore
from worker.audit.tables import DECISIONS
from worker.stream.records import Record


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AuditStore:
    monkeypatch.setenv("SAMESKU_AUDIT__ROOT", str(tmp_path / "audit"))
    made = AuditStore(str(tmp_path / "audit"), memory_mb=256, threads=1)
    made.claim({"match.decisions": "id"})
    return made


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_a_question_as_json_csv_and_table(store: AuditStore) -> None:
    fill_pairs(store, 5, versions=2)
    asked = "SELECT pair_id, verdict, probability, reasons, decided_at FROM standing ORDER BY pair_id LIMIT 2"
    rows = [orjson.loads(line) for line in run("query", asked, "--json").stdout.splitlines()]
    assert rows[0] == {
        "pair_id": "a:0#b:0", "verdict": "match", "probability": 0.9, "reasons": ["because"],
        "decided_at": "2026-11-23T12:00:02+00:00",
    }  # fmt: skip
    cells = list(csv.reader(io.StringIO(run("query", asked, "--csv").stdout)))
    assert cells[0] == ["pair_id", "verdict", "probability", "reasons", "decided_at"]
    assert cells[1] == ["a:0#b:0", "match", "0.9", '["because"]', "2026-11-23T12:00:02.000000Z"]
    shown = run("query", "SELECT pair_id FROM decisions", "--limit", "3")
    assert shown.stdout.count("#b:") == 3
    assert "--limit 0" in shown.stderr


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("SELECT * FROM read_text('/etc/hostname')", "disabled"),
        ("COPY (SELECT 1) TO '/tmp/samesku-audit-test.csv'", "disabled"),
        ("SELECT nonsense FROM decisions", "nonsense"),
    ],
)
def test_a_question_reads_the_store_and_nothing_else(store: AuditStore, statement: str, words: str) -> None:
    fill_pairs(store, 1)
    done = run("query", statement)
    assert isinstance(done.exception, CommandError)
    assert words in str(done.exception)


def test_exported_events_are_the_published_bytes(store: AuditStore, tmp_path: Path) -> None:
    made = fill_pairs(store, 6, files=2, versions=2)
    lines = tmp_path / "out.jsonl"
    assert run("export", "--out", str(lines)).exit_code == 0
    assert sorted(lines.read_bytes().splitlines()) == sorted(map(dumps, made))
    columns = tmp_path / "out.parquet"
    assert run("export", "--out", str(columns), "--where", "first_version = 2").exit_code == 0
    assert duckdb.connect().execute(f"SELECT count(*), max(logit) FROM '{columns}'").fetchall() == [(6, 2.25)]
    assert run("export", "--out", str(tmp_path / "out.xml")).exit_code == 2
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["out.jsonl", "out.parquet"]


def test_compact_then_expire(store: AuditStore) -> None:
    made = fill_pairs(store, 20, files=10, versions=2)
    done = run("compact")
    assert done.exit_code == 0
    assert "9 files fewer" in done.stdout
    assert sorted(store.events()) == sorted(map(dumps, made))
    missing = run("expire")
    assert isinstance(missing.exception, CommandError)
    assert "--days" in str(missing.exception)
    done = run("expire", "--days", "0")
    assert "dropped 20 decisions and 0 versions" in done.stdout, done.output
    assert len(list(store.events())) == 20
    assert run("check").exit_code == 0


def test_erase_and_its_entry(store: AuditStore) -> None:
    fill_pairs(store, 3)
    done = run("erase", "a:1", "--reason", "request 17", "--by", "legal")
    assert done.exit_code == 0, done.output
    assert "1 contents and the texts of 1 decisions" in done.stdout
    (entry,) = store.erasures().entries
    assert (entry.offer_key, entry.by, entry.reason) == ("a:1", "legal", "request 17")
    assert Contents(store).get(entry.digests) == {}
    assert run("erase", "nonsense", "--reason", "x").exit_code == 2
    assert run("check").exit_code == 0


def test_check_says_what_is_there_and_what_is_wrong(store: AuditStore) -> None:
    made = fill_pairs(store, 4)
    fill(store, DECISIONS, [Record("t", 1, 0, b"x:1#y:1", b"?")])
    done = run("check")
    assert done.exit_code == 0, done.output
    assert "sound" in done.stdout
    # A file that holds what its name does not say.
    rows = [
        DECISIONS.row(decision_record(made[0], 9, partition=2)),
        DECISIONS.row(decision_record(made[0], 9, partition=2)),
    ]
    store.append(DECISIONS, 2, 0, 5, rows)
    done = run("check")
    assert done.exit_code == 1
    assert "1 rows are there twice" in done.stdout
    assert "holds offsets 9 to 9" in done.stdout


def test_no_store_and_no_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = run("query", "SELECT 1", "--root", str(tmp_path / "nothing"))
    assert isinstance(missing.exception, CommandError)
    assert "holds no audit store" in str(missing.exception)
    monkeypatch.delenv("SAMESKU_KAFKA__BOOTSTRAP_SERVERS", raising=False)
    assert isinstance(run("sink", "--root", str(tmp_path)).exception, ConfigError)


def test_days_may_be_a_setting(store: AuditStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_pairs(store, 3, versions=2)
    monkeypatch.setenv("SAMESKU_AUDIT__RETENTION_DAYS", str(timedelta(days=36_500).days))
    assert "dropped 0 decisions" in run("expire").stdout
