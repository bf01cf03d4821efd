"""Dead letters of a real worker: listed, shown, repaired, sent again, and known when they come back."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from samesku.commands.dlq import app
from samesku.dlq.letters import parse_place
from schemas import topics
from tests.system.cluster import Cluster, change_record, environment_of
from tests.worker.stream.conftest import judge, offer
from tests.worker.stream.test_worker import Start, cluster, start

__all__ = ["cluster", "judge", "start"]
pytestmark = pytest.mark.system


@pytest.fixture
def dlq(cluster: Cluster, start: Start, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A worker that has refused two records, and the settings in the environment."""
    start()
    for name, value in environment_of(cluster.settings()).items():
        monkeypatch.setenv(name, value)
    cluster.produce([(b"s:1", b'{"op": "upsert", '), (b"other:2", b"\xff\xfe")])
    cluster.await_answers(2)
    return cluster


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def listed(*arguments: str) -> list[dict[str, str]]:
    done = run("list", "--json", *arguments)
    assert done.exit_code == 0, done.output
    return [orjson.loads(line) for line in done.stdout.splitlines()]


def place(key: str) -> str:
    return next(each["place"] for each in listed() if each["key"] == key)


def test_letters_are_listed_by_reason_and_source_and_shown_byte_for_byte(dlq: Cluster) -> None:
    assert {(each["key"], each["reason"]) for each in listed()} == {("s:1", "not_json"), ("other:2", "not_utf8")}
    assert [each["key"] for each in listed("--reason", "not_json")] == ["s:1"]
    assert [each["key"] for each in listed("--source", "other")] == ["other:2"]
    assert listed("--from", "end") == []
    table = run("list")
    assert (table.exit_code, "2 letters, 1 " in table.output) == (0, True), table.output
    shown = orjson.loads(run("show", place("s:1")).stdout)
    assert (shown["value"], shown["bytes"]) == ('{"op": "upsert", ', 17)
    assert orjson.loads(run("show", place("other:2")).stdout)["value_hex"] == "fffe"


def test_a_repaired_letter_is_answered_and_one_that_comes_back_is_known(dlq: Cluster, tmp_path: Path) -> None:
    broken = place("s:1")
    asked = run("requeue", broken)
    assert (asked.exit_code, "1 of 1 would be sent again" in asked.output) == (0, True)
    # As it came: refused again, and known for it.
    assert run("requeue", broken, "--send").exit_code == 0
    dlq.await_answers(3)
    (back,) = (each for each in listed() if each["requeued"])
    assert (back["key"], back["reason"]) == ("s:1", "not_json")
    refused = run("requeue", back["place"], "--send")
    assert (refused.exit_code, len(listed())) == (1, 3)
    # All of a reason: what came back stays, what did not is sent.
    swept = run("requeue", "--source", "s", "--send")
    assert "1 of 2 sent again" in swept.output
    dlq.await_answers(4)
    repaired = tmp_path / "repaired.json"
    key, value = change_record(offer(1))
    assert key == b"s:1"
    repaired.write_bytes(value)
    assert run("requeue", back["place"], "--value", str(repaired), "--send", "--again").exit_code == 0
    answers = dlq.await_answers(5)
    assert [answer.outcome for answer in answers if answer.outcome != "dead_lettered"] == ["no_candidates"]
    (sent,) = (record for record in dlq.read(topics.CHANGES) if record.value == value)
    assert sent.headers == [("samesku-requeued-from", f"{dlq.topic(topics.DEAD_LETTERS)}:{back['place']}".encode())]


def test_what_is_no_letter_of_ours_is_shown_and_goes_nowhere(dlq: Cluster) -> None:
    dlq.produce([(b"x", b"y")], topic=topics.DEAD_LETTERS)
    found = next(each for each in listed() if each["key"] == "x")
    assert "the header samesku-reason is missing" in found["not_ours"]
    refused = run("requeue", found["place"], place("s:1"), "--send")
    assert (refused.exit_code, len(dlq.read(topics.CHANGES))) == (1, 2)


@pytest.mark.parametrize(
    "arguments",
    [["show", "0"], ["requeue"], ["list", "--reason", "bad"], ["list", "--from", "never"], ["show", "0:999999"]],
)
def test_what_cannot_be_asked_is_refused(dlq: Cluster, arguments: list[str]) -> None:
    assert run(*arguments).exit_code != 0


def test_places() -> None:
    assert parse_place("3:17") == (3, 17)
    with pytest.raises(ValueError, match="give partition:offset"):
        parse_place("3-17")
