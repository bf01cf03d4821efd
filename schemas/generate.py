"""Writes the published form of the contract: `schemas/json/*.schema.json` and `schemas/asyncapi.yaml`.

`python -m schemas.generate` writes, `--check` says what is stale and exits with 1. The files are committed, so that a
reader in any language takes them from the repository; a test runs the check.

JSON Schemas are draft 2020-12. The AsyncAPI document is 3.0.0 (asyncapi.com) with the Kafka bindings 0.5.0.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from schemas import topics
from schemas.answer import Answer
from schemas.bundle import BundleManifest
from schemas.change import CatalogChange
from schemas.deadletter import DEAD_LETTER_HEADERS, HEADER_OMITTED
from schemas.decision import MatchDecision
from schemas.deployment import Deployment, RegisteredBundle
from schemas.drift import DriftEvent, Opinion
from schemas.events import EVENT_SCHEMA_VERSION
from schemas.label import Label
from schemas.labeling import LabelingTask
from schemas.offer import Offer
from schemas.offer_record import OfferRecord
from schemas.review import ReviewTask
from schemas.settings import Settings

HERE = Path(__file__).resolve().parent
DIALECT = "https://json-schema.org/draft/2020-12/schema"

# What sellers and people send is described as it is read, what we publish as it is written.
_READ: tuple[type[BaseModel], ...] = (CatalogChange, Label, Offer, BundleManifest, Settings)
_WRITTEN: tuple[type[BaseModel], ...] = (
    Answer, Deployment, DriftEvent, LabelingTask, MatchDecision, Opinion, OfferRecord, RegisteredBundle, ReviewTask,
)  # fmt: skip


def file_name(model: str) -> str:
    """`CatalogChange` is published as `catalog-change.schema.json`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", model).lower() + ".schema.json"


def json_schemas() -> dict[str, dict[str, Any]]:
    """All published JSON Schemas, by file name."""
    schemas: dict[str, dict[str, Any]] = {}
    for model in _READ:
        schemas[file_name(model.__name__)] = model.model_json_schema(mode="validation")
    for model in _WRITTEN:
        schemas[file_name(model.__name__)] = model.model_json_schema(mode="serialization")
    change = schemas[file_name("CatalogChange")]
    # Both ids may stand in the change or in its offer; a delete has no offer.
    change["required"] = ["op"]
    change["anyOf"] = [
        {"required": ["source", "offer_id"]},
        {"properties": {"op": {"const": "upsert"}}, "required": ["offer"]},
    ]
    schemas[file_name("DeadLetterHeaders")] = _dead_letter_schema()
    return {name: {"$schema": DIALECT, **schema} for name, schema in sorted(schemas.items())}


def _dead_letter_schema() -> dict[str, Any]:
    return {
        "title": "DeadLetterHeaders",
        "description": "Kafka headers that stand after the original ones on every record of catalog.changes.dlq.",
        "type": "object",
        "additionalProperties": True,
        "properties": {name: {"type": "string", "description": text} for name, text in DEAD_LETTER_HEADERS.items()},
        "required": [name for name in DEAD_LETTER_HEADERS if name != HEADER_OMITTED],
    }


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI document: a channel per topic, seen from the worker."""
    published = {model.__name__ for model in (*_READ, *_WRITTEN)}
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for spec in topics.topic_specs():
        topic = spec.topic
        name = topic.name.replace(".", "-")
        message: dict[str, Any] = {
            "name": topic.value,
            "bindings": {"kafka": {"bindingVersion": "0.5.0", "key": {"type": "string", "description": topic.key}}},
        }
        values = topic.value.split(" or ")
        if published.issuperset(values):
            references: list[dict[str, Any]] = [{"$ref": f"./json/{file_name(value)}"} for value in values]
            message["contentType"] = "application/json"
            message["payload"] = {
                "schemaFormat": "application/schema+json;version=draft-2020-12",
                "schema": references[0] if len(references) == 1 else {"oneOf": references},
            }
        elif topic.name == topics.DEAD_LETTERS:
            message["contentType"] = "application/octet-stream"
            message["headers"] = {
                "schemaFormat": "application/schema+json;version=draft-2020-12",
                "schema": {"$ref": f"./json/{file_name('DeadLetterHeaders')}"},
            }
        channels[name] = {
            "address": topic.name,
            "description": topic.description,
            "messages": {"event": message},
            "bindings": {
                "kafka": {
                    "bindingVersion": "0.5.0",
                    "partitions": spec.partitions,
                    "replicas": spec.replication_factor,
                    "topicConfiguration": {key: _config(key, value) for key, value in spec.configs.items()},
                }
            },
        }
        action = "receive" if topic.name in (topics.CHANGES, topics.LABELS) else "send"
        operations[f"{action}-{name}"] = {"action": action, "channel": {"$ref": f"#/channels/{name}"}}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "SameSKU",
            "version": EVENT_SCHEMA_VERSION,
            "description": "Catalogue changes in, match decisions out. Producers set partitioner="
            f"{topics.PARTITIONER} (the default of Java clients); readers set isolation.level=read_committed. "
            "Names may carry a prefix (setting kafka.topic_prefix); partitions and replicas are the defaults.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
    }


def _config(key: str, value: str) -> Any:
    if key == "cleanup.policy":
        return value.split(",")
    return int(value) if re.fullmatch(r"-?\d+", value) else value


# YAML 1.1 readers take these bare words for booleans or null.
_YAML_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null"])


def to_yaml(value: Any, indent: int = 0) -> str:
    """Block-style YAML of plain JSON data. Scalars are JSON scalars, which YAML 1.2 contains, so nothing is guessed."""
    pad = "  " * indent
    if isinstance(value, Mapping) and value:
        return "".join(_yaml_item(f"{pad}{_yaml_key(key)}:", inner, indent) for key, inner in value.items())
    if isinstance(value, list) and value:
        return "".join(_yaml_item(f"{pad}-", inner, indent) for inner in value)
    return f"{pad}{json.dumps(value, ensure_ascii=False)}\n"


def _yaml_item(head: str, inner: Any, indent: int) -> str:
    if isinstance(inner, Mapping | list) and inner:
        return f"{head}\n{to_yaml(inner, indent + 1)}"
    return f"{head} {json.dumps(inner, ensure_ascii=False)}\n"


def _yaml_key(key: str) -> str:
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]*", key) and key.lower() not in _YAML_WORDS
    return key if plain else json.dumps(key)


def rendered() -> dict[str, str]:
    """The text of every generated file, by its path below `schemas/`."""
    files = {
        f"json/{name}": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in json_schemas().items()
    }
    header = "# Generated by `python -m schemas.generate`; do not edit.\n"
    return {**files, "asyncapi.yaml": header + to_yaml(asyncapi())}


def stale(root: Path = HERE) -> list[str]:
    """Paths below `root` that are missing, differ from what would be written, or are no longer generated; sorted."""
    expected = rendered()
    found = {f"json/{path.name}" for path in (root / "json").glob("*.schema.json")}
    differing = {name for name, text in expected.items() if _read(root / name) != text}
    return sorted(differing | (found - expected.keys()))


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def write(root: Path = HERE) -> list[str]:
    """Bring the files below `root` up to date; returns the paths that changed."""
    changed = stale(root)
    expected = rendered()
    for name in changed:
        path = root / name
        if name not in expected:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(expected[name], encoding="utf-8", newline="\n")
    return changed


def main(arguments: Iterable[str] | None = None) -> int:
    """Exit code 0, or 1 when `--check` finds stale files."""
    parser = argparse.ArgumentParser(prog="python -m schemas.generate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when a file is stale")
    options = parser.parse_args(None if arguments is None else list(arguments))
    changed = stale() if options.check else write()
    for name in changed:
        print(f"{'stale' if options.check else 'written'}: schemas/{name}")
    return 1 if options.check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
