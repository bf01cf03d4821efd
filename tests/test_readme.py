"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
import uuid
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from samesku.cli import MOUNTS
from schemas.change import parse_change
from schemas.events import dumps
from tests.decisions import decision

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_event_is_a_change() -> None:
    found = re.search(r'\{"schema_version".*?\}\}', README, re.DOTALL)
    assert found is not None
    value = orjson.dumps(orjson.loads(found[0]))
    assert parse_change(b"my-shop:4711", value).op == "upsert"


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md", "docs/operations.md", "docs/scaling.md"])
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert ((ROOT / page).parent / target).exists(), target


def test_commands_exist() -> None:
    named = set(re.findall(r"`?samesku ([a-z]+)", README)) - {"config"}
    assert named <= {mount.name for mount in MOUNTS}


def test_the_consumer_keeps_what_stands(kafka: str) -> None:
    topic = f"readme-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(topic, num_partitions=1)])[topic].result(30)
    producer = Producer({"bootstrap.servers": kafka})
    for each in (
        decision("a:1", "b:1", "match", (1, 1)),
        decision("a:1", "b:1", "no_match", (3, 1)),
        decision("a:1", "b:1", "review", (2, 1)),
        decision("a:1", "c:1", "match"),
    ):
        producer.produce(topic, key=each.pair_id, value=dumps(each))
    producer.flush(30)
    block = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert block is not None
    program = block[1].replace("broker:9092", kafka).replace("match.decisions", topic)
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = [process.stdout.readline().split()[:2] for _ in range(3)]
        process.kill()
    assert seen == [["a:1#b:1", "match"], ["a:1#b:1", "no_match"], ["a:1#c:1", "match"]]
