"""Every event comes back byte for byte, whoever wrote it."""

from __future__ import annotations

from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.decision import MatchDecision
from schemas.events import dumps
from tests.decisions import decision
from tests.worker.audit.making import judged, offer
from worker.audit.columns import FIELDS, bytes_of, row_of
from worker.audit.patch import apply, difference

SCHEMA = pa.schema(FIELDS)
FULL = judged(
    offer(1, "a"), offer(2, "b"), deployment=3, canary=True, replay="r", action_id="act", label_id="l", orders=2,
    shadow={
        "bundle": {"name": "n", "version": "2.0.0", "digest": "d"},
        "verdict": "review", "probability": 0.5, "logit": 0.0,
    },
)  # fmt: skip

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def through_arrow(row: dict[str, Any]) -> dict[str, Any]:
    """As a row comes back from a file."""
    found: dict[str, Any] = pa.Table.from_pylist([row], schema=SCHEMA).to_pylist()[0]
    return found


def changed(**fields: Any) -> bytes:
    return orjson.dumps({**orjson.loads(dumps(FULL)), **fields}, option=orjson.OPT_SORT_KEYS)


@pytest.mark.parametrize("made", [FULL, decision("a:1", "b:2", "retracted"), decision("a:1", "b:2", "match")])
def test_ordinary_decisions_need_nothing_but_their_columns(made: MatchDecision) -> None:
    row = through_arrow(row_of(dumps(made)))
    assert bytes_of(row) == dumps(made)
    assert row["raw"] is None
    assert row["rest"] is None


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(changed(schema_version="1.7", news={"deep": [1, {"x": None}]}), id="unknown field"),
        pytest.param(changed(rationale={**FULL.model_dump(mode="json")["rationale"], "tone": 1}), id="unknown inside"),
        pytest.param(changed(timings={"judge_ms": 1}), id="whole number for a float"),
        pytest.param(changed(decided_at="2026-11-23T13:00:00+01:00"), id="time in another form"),
        pytest.param(changed(rationale=None, thresholds=None, timings=None, shadow=None), id="nothing optional"),
    ],
)
def test_unusual_events_come_back_without_being_kept_whole(data: bytes) -> None:
    MatchDecision.model_validate_json(data)
    row = through_arrow(row_of(data))
    assert bytes_of(row) == data
    assert row["raw"] is None


def test_what_an_older_writer_left_out_stays_left_out() -> None:
    event = orjson.loads(dumps(FULL))
    for name in ("thresholds", "timings", "deployment", "canary", "shadow", "action_id"):
        del event[name]
    data = orjson.dumps(event, option=orjson.OPT_SORT_KEYS)
    row = through_arrow(row_of(data))
    assert bytes_of(row) == data
    assert orjson.loads(row["rest"]).keys() == {"-"}


def test_bytes_in_another_form_are_kept_as_they_came() -> None:
    data = orjson.dumps(orjson.loads(dumps(FULL)), option=orjson.OPT_INDENT_2)
    assert bytes_of(through_arrow(row_of(data))) == data


def test_a_time_in_another_form_is_still_a_time_in_its_column() -> None:
    row = row_of(changed(decided_at="2026-11-23T13:00:00+01:00"))
    assert row["decided_at"].isoformat() == "2026-11-23T12:00:00+00:00"


@given(json_values, json_values)
def test_a_difference_applied_is_the_other_value(base: Any, wanted: Any) -> None:
    change = difference(base, wanted)
    made = apply(base, orjson.loads(orjson.dumps(change)))
    assert orjson.dumps(made, option=orjson.OPT_SORT_KEYS) == orjson.dumps(wanted, option=orjson.OPT_SORT_KEYS)
