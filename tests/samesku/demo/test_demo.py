"""The demo itself, on the real parts with a tiny student: whole, interrupted, kept, and on a configured broker."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr
from rich.console import Console

from samesku.demo.run import Stage
from samesku.demo.script import Script, demo_catalog
from samesku.demo.serving import WorkerEnded, await_worker, check_alive, running_worker, worker_environment
from samesku.embedded.supervise import is_listening
from samesku.topics import TopicAdmin
from schemas.sections import KafkaSettings, RedisSettings, StreamSettings
from schemas.settings import Settings

pytestmark = pytest.mark.system

OWN = 12
LIVE = 4


@pytest.fixture
def settings(kafka: str, redis_url: str) -> Settings:
    name = f"demo-{uuid.uuid4().hex[:8]}"
    return Settings(
        kafka=KafkaSettings(
            bootstrap_servers=kafka, topic_prefix=f"{name}.", group_id=name, transactional_id_prefix=name, partitions=2
        ),
        redis=RedisSettings(url=SecretStr(redis_url), namespace=name),
        stream=StreamSettings(max_wait_ms=100, dead_letter_max_share=1.0),
    )


def small(script: Script) -> Script:
    """Some of our own shop, the listings that the events are about and a few more, and all events."""
    own, live, *events = script.acts
    named = {key for act in events for key, _ in act.records}
    asked = [record for record in live.records if record[0] in named]
    more = [record for record in live.records if record[0] not in named][:LIVE]
    return replace(script, acts=[replace(own, records=own.records[:OWN]), replace(live, records=asked + more), *events])


def test_every_act_is_answered_as_it_says(settings: Settings, tiny_bundle: Path, tmp_path: Path) -> None:
    TopicAdmin(settings.kafka.client_config()).apply(settings.kafka.topic_specs())
    script = small(demo_catalog())
    with (tmp_path / "said").open("w") as said:
        console = Console(file=said, width=200, highlight=False)
        with running_worker(worker_environment(settings, str(tiny_bundle))) as worker:
            await_worker(worker, settings.kafka)
            outcome = Stage(settings.kafka, script, console, lambda: check_alive(worker)).play()
    tally = outcome.tally
    assert tally.answers == sum(len(act.records) for act in script.acts)
    assert tally.outcomes["indexed_only"] == OWN
    assert tally.outcomes["dead_lettered"] == 4
    assert tally.outcomes["deleted"] == 2
    assert tally.outcomes["delete_unknown"] == 1
    assert tally.outcomes["superseded"] == 1
    assert dict(tally.dead) == {"bad_gtin": 1, "empty_title": 1, "unknown_operation": 1, "not_json": 1}
    assert all("PR-709" not in pair for pair, each in tally.stands.items() if each.verdict in ("match", "review"))
    assert outcome.quality is not None
    text = (tmp_path / "said").read_text()
    assert text.count("▶ ") == len(script.acts)
    assert "each has exactly one answer" in text
    assert "ground truth" in text


def test_a_worker_that_cannot_start_is_said_so(settings: Settings, tmp_path: Path) -> None:
    TopicAdmin(settings.kafka.client_config()).apply(settings.kafka.topic_specs())
    with running_worker(worker_environment(settings, str(tmp_path))) as worker:
        with pytest.raises(WorkerEnded, match="no bundle at"):
            await_worker(worker, settings.kafka)
        with (tmp_path / "said").open("w") as said, pytest.raises(WorkerEnded):
            Stage(settings.kafka, demo_catalog(), Console(file=said), lambda: check_alive(worker)).play()


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    path = tmp_path / "shop.csv"
    rows = ["sku,name,brand,price", "1,Lumo desk lamp L-100 black,Lumo,19.99", "2,LUMO L100 LAMP BLACK *SALE*,,18.99"]
    path.write_text("\n".join([*rows, "3,,Lumo,1"]), encoding="utf-8")
    return path


@pytest.fixture
def started(catalogue: Path, tiny_bundle: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Demos that were started by a test; whatever is left of them is ended."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def mind_interrupts() -> None:
    """A test run in the background ignores SIGINT, and children inherit that; the demo of a user does not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(
    started: list[subprocess.Popen[str]], catalogue: Path, bundle: Path, *more: str, **environment: str
) -> subprocess.Popen[str]:
    """`samesku demo` on a small catalogue, as a process of its own with output to a pipe."""
    command = [sys.executable, "-m", "samesku.cli", "demo", "--catalog", str(catalogue), "--bundle", str(bundle), *more]
    free = {name: value for name, value in os.environ.items() if not name.startswith("SAMESKU_")}
    process = subprocess.Popen(
        command,
        env={**free, **environment},
        cwd=catalogue.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=mind_interrupts,
    )
    started.append(process)
    return process


def port(text: str, what: str) -> int:
    found = re.search(rf"{what} (?:redis://)?127\.0\.0\.1:(\d+)", text)
    assert found is not None, text
    return int(found[1])


def test_a_catalogue_of_ones_own_ends_by_itself_and_leaves_nothing(
    started: list[subprocess.Popen[str]], catalogue: Path, tiny_bundle: Path
) -> None:
    process = start(started, catalogue, tiny_bundle)
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    assert "line 4 cannot be used: missing_field" in output
    assert "2 changes went in, and each has exactly one answer" in output
    assert "\x1b[" not in output, "colours are for terminals"
    assert not is_listening(port(output, "Kafka"))
    assert not is_listening(port(output, "Redis"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_takes_everything_down(
    started: list[subprocess.Popen[str]], catalogue: Path, tiny_bundle: Path, number: signal.Signals
) -> None:
    process = start(started, catalogue, tiny_bundle)
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if "the worker starts" in line:
            break
    process.send_signal(number)
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 130, seen + output
    assert not is_listening(port(seen, "Kafka"))
    assert not is_listening(port(seen, "Redis"))


def test_keep_leaves_both_up_and_says_how_to_connect(
    started: list[subprocess.Popen[str]], catalogue: Path, tiny_bundle: Path
) -> None:
    process = start(started, catalogue, tiny_bundle, "--keep")
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    pids = re.search(r"kill ([\d ]+\d)", output)
    assert pids is not None, output
    try:
        exported = dict(re.findall(r"export (\S+?)=(\S+)", output))
        with redis.Redis.from_url(exported["SAMESKU_REDIS__URL"]) as client:
            assert client.ping()
        matches = [sys.executable, "-m", "samesku.cli", "matches", "shop:1", "--json"]
        shown = subprocess.run(matches, env={**os.environ, **exported}, capture_output=True, text=True, check=True)
        assert "shop:1#shop:2" in shown.stdout
    finally:
        for pid in pids[1].split():
            os.kill(int(pid), signal.SIGTERM)


def test_a_configured_broker_and_redis_are_used_and_left_clean(
    started: list[subprocess.Popen[str]], catalogue: Path, tiny_bundle: Path, kafka: str, redis_url: str
) -> None:
    before = set(AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).topics)
    environment = {"SAMESKU_KAFKA__BOOTSTRAP_SERVERS": kafka, "SAMESKU_REDIS__URL": redis_url}
    process = start(started, catalogue, tiny_bundle, **environment)
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    assert f"Kafka {kafka}" in output
    after = set(AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).topics)
    assert {name for name in after - before if "samesku-demo" in name} == set()
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
