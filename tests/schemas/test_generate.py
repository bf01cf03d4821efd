from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
import yaml

from schemas import topics
from schemas.answer import Answer
from schemas.change import parse_change
from schemas.events import Position, dumps
from schemas.generate import HERE, asyncapi, json_schemas, main, rendered, stale, to_yaml, write

SCHEMAS = json_schemas()


def test_the_committed_files_are_what_the_models_say() -> None:
    assert stale() == [], "run: python -m schemas.generate"
    assert main(["--check"]) == 0


def test_stale_files_are_found_and_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert write(tmp_path) == sorted(rendered())
    assert stale(tmp_path) == []
    (tmp_path / "asyncapi.yaml").write_text("asyncapi: 2\n")
    (tmp_path / "json" / "gone.schema.json").write_text("{}")
    (tmp_path / "json" / "offer.schema.json").unlink()
    assert write(tmp_path) == ["asyncapi.yaml", "json/gone.schema.json", "json/offer.schema.json"]
    assert stale(tmp_path) == []


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_schemas_are_valid_and_open_to_unknown_fields(name: str) -> None:
    schema = SCHEMAS[name]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema.get("additionalProperties", True) is (name != "settings.schema.json")


@pytest.mark.parametrize(
    ("event", "valid"),
    [
        ({"op": "upsert", "offer": {"source": "s", "offer_id": "1", "title": "x", "colour": "red"}}, True),
        ({"op": "delete", "source": "s", "offer_id": "1", "event_time": "2026-11-23T10:00:00Z"}, True),
        ({"op": "upsert", "source": "s", "offer_id": "1"}, True),
        ({"op": "delete", "offer_id": "1"}, False),
        ({"op": "replace", "source": "s", "offer_id": "1"}, False),
        ({"op": "upsert", "offer": {"source": "s", "offer_id": "1"}}, False),
        ({"op": "delete", "source": "s", "offer_id": "1", "schema_version": "2.0"}, False),
    ],
)
def test_the_published_change(event: dict[str, Any], valid: bool) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMAS["catalog-change.schema.json"])
    assert validator.is_valid(event) == valid


def test_what_we_write_is_what_we_publish() -> None:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    source = Position(topic=topics.CHANGES, partition=0, offset=1)
    answer = Answer(source=source, key="s:1", outcome="no_candidates", answered_at=at)
    change = parse_change(b"s:1", b'{"op": "upsert", "offer": {"source": "s", "offer_id": "1", "title": "x"}}')
    jsonschema.validate(orjson.loads(dumps(answer)), SCHEMAS["answer.schema.json"])
    jsonschema.validate(orjson.loads(dumps(change)), SCHEMAS["catalog-change.schema.json"])


def test_the_yaml_says_the_same_as_the_document() -> None:
    assert yaml.safe_load((HERE / "asyncapi.yaml").read_text(encoding="utf-8")) == asyncapi()
    odd = {"a b": [{}, [], [1, [2]], {"x": None}], "yes": "no", "1": "on", "t": 'q"\n: #', "n": {"m": {"k": [True]}}}
    assert yaml.safe_load(to_yaml(odd)) == odd


def test_the_document_names_every_topic_and_points_at_files_that_exist() -> None:
    document = asyncapi()
    assert {channel["address"] for channel in document["channels"].values()} == {topic.name for topic in topics.ALL}
    references = [
        schema["$ref"]
        for channel in document["channels"].values()
        for message in channel["messages"].values()
        for part in (message.get("payload"), message.get("headers"))
        if part
        for schema in part["schema"].get("oneOf", [part["schema"]])
    ]
    assert len(references) == 12
    assert all((HERE / reference).is_file() for reference in references)
