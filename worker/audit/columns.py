"""A decision as a row of columns, and back to the very bytes that were published. Pure.

What follows from other columns is not kept: both offer keys and the query's side stand in `pair_id` and `query_first`,
an attribute's probability is that of its verdict. What the columns do not say of an event (unknown fields, fields that
an older writer did not know) is kept as JSON in `rest`; an event whose bytes are not canonical is kept as it came in
`raw`. `row_of` proves each row by making the bytes again from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow as pa

from schemas.events import format_time
from schemas.offer import split_pair
from schemas.rationale import ATTRIBUTES, VERDICTS
from worker.audit.patch import apply, difference

Row = dict[str, Any]

TIME = pa.timestamp("us", tz="UTC")
QUOTES = pa.list_(pa.struct([("offer", pa.string()), ("text", pa.string())]))

_SIDE = (("version", "effective_version"), ("digest", "digest"), ("seller_version", "seller_version"))
_BUNDLE = (("name", "name"), ("version", "version"), ("digest", "digest"), ("built_at", "built_at"))

# Column -> the place in the event, and the kind of value there. Objects that may be null follow from their columns.
PLACES: dict[str, tuple[tuple[str, ...], str]] = {
    "schema_version": (("schema_version",), "text"),
    "decision_id": (("decision_id",), "text"),
    "pair_id": (("pair_id",), "text"),
    **{
        f"{side}_{column}": ((side, name), "text" if name == "digest" else "int")
        for side in ("first", "second")
        for column, name in _SIDE
    },
    "verdict": (("verdict",), "text"),
    "probability": (("probability",), "float"),
    "logit": (("logit",), "float"),
    "reasons": (("reasons",), "texts"),
    **{attribute: (("rationale", "attributes", attribute, "verdict"), "text") for attribute in ATTRIBUTES},
    **{
        f"{attribute}_{verdict}": (("rationale", "attributes", attribute, f"p_{verdict}"), "float")
        for attribute in ATTRIBUTES
        for verdict in VERDICTS
    },
    "answer": (("rationale", "answer"), "text"),
    "sentence": (("rationale", "sentence"), "text"),
    "quotes": (("rationale", "quotes"), "quotes"),
    "previous_verdict": (("previous_verdict",), "text"),
    "previous_decision_id": (("previous_decision_id",), "text"),
    "decided_by": (("decided_by",), "text"),
    **{
        f"bundle_{column}": (("bundle", name), "time" if name == "built_at" else "text") for column, name in _BUNDLE
    },
    "prompt_version": (("prompt_version",), "text"),
    "grammar_version": (("grammar_version",), "text"),
    "policy_version": (("policy_version",), "text"),
    "candidate_rank": (("candidate_rank",), "int"),
    "candidate_score": (("candidate_score",), "float"),
    "linked": (("linked",), "bool"),
    "source_topic": (("source", "topic"), "text"),
    "source_partition": (("source", "partition"), "int"),
    "source_offset": (("source", "offset"), "int"),
    "decided_at": (("decided_at",), "time"),
    "match_threshold": (("thresholds", "match"), "float"),
    "review_low": (("thresholds", "review_low"), "float"),
    "review_high": (("thresholds", "review_high"), "float"),
    "orders": (("orders",), "int"),
    "judge_ms": (("timings", "judge_ms"), "float"),
    "explain_ms": (("timings", "explain_ms"), "float"),
    "deployment": (("deployment",), "int"),
    "canary": (("canary",), "bool"),
    **{
        f"shadow_bundle_{column}": (("shadow", "bundle", name), "time" if name == "built_at" else "text")
        for column, name in _BUNDLE
    },
    "shadow_verdict": (("shadow", "verdict"), "text"),
    "shadow_probability": (("shadow", "probability"), "float"),
    "shadow_logit": (("shadow", "logit"), "float"),
    "label_id": (("label_id",), "text"),
    "action_id": (("action_id",), "text"),
    "replay": (("replay",), "text"),
}  # fmt: skip

# Objects that an event has only sometimes, each with a column that is never null where it is there.
_OPTIONAL: tuple[tuple[tuple[str, ...], str], ...] = (
    (("rationale",), "answer"),
    *((("rationale", "attributes", attribute), attribute) for attribute in ATTRIBUTES),
    (("thresholds",), "match_threshold"),
    (("timings",), "judge_ms"),
    (("shadow",), "shadow_verdict"),
)

_ARROW = {
    "text": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "time": TIME,
    "texts": pa.list_(pa.string()), "quotes": QUOTES,
}  # fmt: skip

FIELDS: list[tuple[str, Any]] = [
    *((name, _ARROW[kind]) for name, (_, kind) in PLACES.items()),
    ("query_first", pa.bool_()),
    ("rest", pa.string()),
    ("raw", pa.binary()),
]

_PARENTS = dict(_OPTIONAL)


def row_of(data: bytes) -> Row:
    """The row of an event's bytes, which must be a JSON object that `MatchDecision` accepts."""
    event: dict[str, Any] = orjson.loads(data)
    row = {name: _read(_find(event, path), kind) for name, (path, kind) in PLACES.items()}
    row["query_first"] = event.get("query_key") == _keys(event["pair_id"])[0]
    row["rest"] = row["raw"] = None
    built = _build(row)
    if orjson.dumps(built, option=orjson.OPT_SORT_KEYS) != data:
        change = difference(built, event)
        row["rest"] = None if change is None else orjson.dumps(change, option=orjson.OPT_SORT_KEYS).decode()
        if orjson.dumps(apply(built, change), option=orjson.OPT_SORT_KEYS) != data:
            row["raw"] = data
    return row


def bytes_of(row: Mapping[str, Any]) -> bytes:
    """The event as it was published, byte for byte."""
    if row["raw"] is not None:
        return bytes(row["raw"])
    change = None if row["rest"] is None else orjson.loads(row["rest"])
    return orjson.dumps(apply(_build(row), change), option=orjson.OPT_SORT_KEYS)


def _build(row: Mapping[str, Any]) -> dict[str, Any]:
    event: dict[str, Any] = {}
    for name, (path, kind) in PLACES.items():
        node = event
        for depth, part in enumerate(path[:-1], 1):
            parent = _PARENTS.get(path[:depth])
            if parent is not None and row[parent] is None:
                # An attribute that is not there has no key; other objects are null.
                if path[:depth][-1] not in ATTRIBUTES:
                    node[part] = None
                break
            node = node.setdefault(part, {})
        else:
            node[path[-1]] = _write(row[name], kind)
    if event["rationale"] is not None:
        for verdict in event["rationale"].setdefault("attributes", {}).values():
            verdict["probability"] = verdict.get(f"p_{verdict['verdict']}")
    first, second = _keys(event["pair_id"])
    event["first"]["key"], event["second"]["key"] = first, second
    event["query_key"], event["candidate_key"] = (first, second) if row["query_first"] else (second, first)
    return event


def _keys(pair: str) -> tuple[str, str]:
    return split_pair(pair)


def _find(event: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        if not isinstance(event, dict):
            return None
        event = event.get(part)
    return event


def _read(value: Any, kind: str) -> Any:
    """The value as its column has it, None where it has none; `rest` says where the event writes it otherwise."""
    if value is None:
        return None
    if kind == "time":
        return _moment(value)
    if kind == "float":
        return float(value) if type(value) in (float, int) else None
    if kind == "int":
        return value if type(value) is int and -(2**63) <= value < 2**63 else None
    if kind == "texts":
        return value if type(value) is list and all(type(each) is str for each in value) else None
    if kind == "quotes":
        return value if type(value) is list and all(_is_quote(each) for each in value) else None
    return value if type(value) is {"text": str, "bool": bool}[kind] else None


def _is_quote(value: Any) -> bool:
    return type(value) is dict and value.keys() == {"offer", "text"} and all(type(v) is str for v in value.values())


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _write(value: Any, kind: str) -> Any:
    return format_time(value) if kind == "time" and value is not None else value
