"""A planted fault is found from twenty reports, with all that is like it, and the page says so."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from schemas import topics
from schemas.decision import MatchDecision, standing
from schemas.events import dumps
from schemas.label import Label
from schemas.offer import split_pair
from tests.worker.audit.making import decision_record, fill
from tests.worker.incidents.world import FAULTY, history, keep
from worker.audit.store import AuditStore
from worker.audit.tables import DECISIONS, LABELS
from worker.incidents.affected import Standing, condition
from worker.incidents.findings import Findings, investigate
from worker.incidents.page import note_action, write_page
from worker.incidents.pattern import Pattern, Step
from worker.incidents.reports import Report
from worker.stream.records import Record

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def look(store: AuditStore, pairs: list[str]) -> Findings:
    said: list[str] = []
    return investigate(
        store, [Report(pair) for pair in pairs], NOW, cover=0.8, background=1_000, say=said.append
    )  # fmt: skip


def test_the_fault_and_everything_like_it_is_found(store: AuditStore) -> None:
    offers, made, wrong = history(240)
    keep(store, offers, made)
    reported = random.Random(1).sample(sorted(wrong), 20)
    found = look(store, [*reported, "never:1#seen:2"])
    assert found.unknown == ("never:1#seen:2",)
    assert found.standing == 240
    kind = found.kinds[0]
    assert {("pack sizes", "differ"), ("a seller", FAULTY)} & kind.pattern.conditions
    affected = {case.made.pair_id for case in kind.affected}
    assert affected == wrong - set(reported)
    assert found.pairs() == sorted(wrong)
    assert found.pairs(1, reported_only=True) == sorted(reported)


def test_what_no_longer_stands_is_not_found_again(store: AuditStore) -> None:
    offers, made, wrong = history(120)
    keep(store, offers, made)
    gone = sorted(wrong)[0]
    old = next(each for each in made if each.pair_id == gone)
    newer = old.model_copy(update={"verdict": "retracted", "deployment": 1, "decision_id": "newer"})
    fill(store, DECISIONS, [decision_record(newer, len(made))], start=len(made))
    cases = {case.made.pair_id: case.made for case in Standing(store).of([each.pair_id for each in made])}
    assert cases == standing([*made, newer])
    assert cases[gone].verdict == "retracted"


def test_sql_never_leaves_out_what_a_pattern_holds_for(store: AuditStore) -> None:
    offers, made, _ = history(60)
    keep(store, offers, made)
    stands = Standing(store)
    cases = stands.of([each.pair_id for each in made])
    for trait in {trait for case in cases for trait in case.traits}:
        step = Step(trait, (1, 1), (1, 0), 0.0)
        like = {case.made.pair_id for case in stands.like(Pattern((step,), ()), ["match", "no_match"])}
        assert like == {case.made.pair_id for case in cases if trait in case.traits}, (trait, condition([trait]))


def test_people_and_shadows_that_said_otherwise_are_named(store: AuditStore) -> None:
    offers, made, wrong = history(120)
    first, second, *_ = sorted(wrong)
    shadow = {
        "bundle": {"name": "tiny", "version": "2.0.0", "digest": "e"}, "verdict": "no_match", "probability": 0.1,
        "logit": -2.0,
    }  # fmt: skip
    made = [
        MatchDecision.model_validate({**each.model_dump(), "shadow": shadow}) if each.pair_id == first else each
        for each in made
    ]
    keep(store, offers, made)
    label = Label(
        label_id="l", pair_id=second, first_digest="f", second_digest="s", verdict="no_match", reviewer="r",
        labeled_at=NOW,
    )  # fmt: skip
    fill(store, LABELS, [Record(topics.LABELS, 0, 0, second.encode(), dumps(label), [], 1)])
    found = {each.who: each for each in look(store, sorted(wrong)).disagreements}
    assert (found["a person"].heard, found["a person"].otherwise, found["a person"].examples) == (1, 1, (second,))
    assert found["in the shadow: tiny 2.0.0"].examples == (first,)


def test_the_page_shows_pattern_pairs_and_actions(store: AuditStore, tmp_path: Path) -> None:
    offers, made, wrong = history(120)
    keep(store, offers, made)
    found = look(store, sorted(wrong)[:15])
    note_action(
        tmp_path, {"at": "now", "by": "<ann>", "target": "review", "action_id": "x", "published": 3, "reason": None}
    )
    page = write_page(tmp_path, found).read_text()
    assert "&lt;ann&gt;" in page
    assert "<ann>" not in page
    assert all(key in page for key in split_pair(sorted(wrong)[0]))
    assert "http" not in page
    data = orjson.loads((tmp_path / "incident.json").read_bytes())
    assert data == orjson.loads(orjson.dumps(found.as_json()))
    assert len(data["kinds"][0]["affected"]) == len(wrong) - 15


@pytest.mark.parametrize("count", [0, 3])
def test_few_reports_are_shown_without_a_pattern(count: int, store: AuditStore, tmp_path: Path) -> None:
    offers, made, wrong = history(60)
    keep(store, offers, made)
    found = look(store, sorted(wrong)[:count])
    assert found.kinds == ()
    assert "No pattern" in write_page(tmp_path, found).read_text()
