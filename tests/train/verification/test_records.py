from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from schemas.label import Label
from schemas.offer import Offer
from tests.train.verification.making import check
from train.pairs.pairs import PairFileError
from train.rationales.door import write_records
from train.rationales.records import OfferRef, Provenance, RationaleRecord
from train.verification.plan import plan_tasks
from train.verification.records import (
    Claim,
    VerificationFileError,
    claim_of,
    collect,
    enriched,
    price_of,
    read_checks,
    read_claims,
    read_labels,
    read_tasks,
    set_digest,
    write_lines,
)


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    return path


def test_a_rationale_record_is_a_claim(tmp_path: Path) -> None:
    left, right = (Offer(offer_id=str(n), source="s", title=f"camera {n}") for n in (1, 2))
    record = RationaleRecord(
        pair_id="p",
        left=OfferRef.of(left),
        right=OfferRef.of(right),
        verdicts={"brand": "same", "quantity": "unknown"},
        answer="same",
        confidence=0.9,
        provenance=Provenance(teacher="t-1", prompt_version="1", prompt_revealed_label=False, source="here"),
    )
    path = tmp_path / "set.jsonl"
    write_records(path, [record])
    (claim,) = read_claims(path)
    assert (claim.pair_id, claim.answer, claim.confidence, claim.source) == ("p", "same", 0.9, "t-1")
    assert claim.verdicts == {"brand": "same", "quantity": "unknown"}
    assert (claim.student_probability, claim.price, claim.traffic, claim.change_rate) == (None, None, None, None)


def test_a_row_with_a_label_and_listings_is_a_claim() -> None:
    row = {
        "pair_id": 7, "teacher_label": 0, "teacher": "t", "traffic": "12.5", "change_rate": float("nan"),
        "left": {"name": "a", "price": "$1,299.00"}, "right": {"title": "b", "price": 3},
    }  # fmt: skip
    claim = claim_of(row, "here")
    assert (claim.pair_id, claim.answer, claim.source) == ("7", "different", "t")
    assert (claim.traffic, claim.change_rate) == (12.5, None)
    assert price_of({"title": "a", "price": "$1,299.00"}, {"title": "b", "price": 3}) == 1299
    assert price_of(None, {"title": "b"}) is None


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"answer": "same"}], "record 1: no pair_id"),
        ([{"pair_id": "a", "answer": "perhaps"}], "answer 'perhaps'; valid: 0, 1,"),
        ([{"pair_id": "a", "verdicts": {"brand": "alike"}}], "brand is 'alike'; valid: same, different, unknown"),
        ([{"pair_id": "a"}, {"pair_id": "a"}], "record 2: pair_id 'a' is there twice"),
        ([], "holds no claim"),
    ],
)
def test_claims_that_are_none(tmp_path: Path, rows: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(VerificationFileError, match=said):
        read_claims(lines(tmp_path / "set.jsonl", rows))


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(PairFileError):
        read_claims(tmp_path / "none.jsonl")


def test_the_digest_is_of_what_is_claimed() -> None:
    claims = [Claim(pair_id=str(number), answer="same", verdicts={"brand": "same"}) for number in range(3)]
    assert set_digest(claims) == set_digest(reversed(claims))
    assert set_digest(claims) == set_digest([claim.model_copy(update={"price": 3.0}) for claim in claims])
    assert set_digest(claims) != set_digest(claims[:2])
    assert set_digest(claims) != set_digest([*claims[:2], claims[2].model_copy(update={"answer": "different"})])


def test_other_files_fill_in_what_a_claim_does_not_state() -> None:
    claims = [Claim(pair_id="a", answer="same"), Claim(pair_id="b", answer="same", student_probability=0.5, price=1.0)]
    row = {"left": {"title": "x", "price": 8}, "right": {"title": "y"}}
    first, second = enriched(claims, {"a": 0.25, "b": 0.75}, {"a": row, "b": row})
    assert (first.student_probability, first.price, first.left) == (0.25, 8.0, row["left"])
    assert (second.student_probability, second.price, second.right) == (0.5, 1.0, row["right"])


def test_tasks_become_checks_when_a_verdict_is_written_in(tmp_path: Path) -> None:
    claims = [Claim(pair_id=str(number), answer="same" if number % 2 else None) for number in range(30)]
    tasks = plan_tasks(claims, 4, set_name="s")
    path = tmp_path / "tasks.jsonl.gz"
    write_lines(tmp_path / "tasks.jsonl", tasks)
    path.write_bytes(gzip.compress((tmp_path / "tasks.jsonl").read_bytes()))
    assert read_tasks(path) == tasks
    with pytest.raises(VerificationFileError, match="nothing is checked yet"):
        read_checks(path)
    rows = [task.model_dump(mode="json") for task in tasks]
    rows[0] |= {"reviewer": "ann", "verdict": "unsure", "attributes": {"brand": "same"}}
    (found,) = read_checks(lines(tmp_path / "checks.jsonl", rows))
    assert (found.task_id, found.verdict, found.attributes) == (tasks[0].task_id, "unsure", {"brand": "same"})


def test_checks_that_are_none(tmp_path: Path) -> None:
    row = check(1).model_dump(mode="json")
    with pytest.raises(VerificationFileError, match=r"record 1: verdict: .*'match', 'no_match' or 'unsure'"):
        read_checks(lines(tmp_path / "a.jsonl", [row | {"verdict": "maybe"}]))
    with pytest.raises(VerificationFileError, match="inclusion_probability"):
        read_checks(lines(tmp_path / "b.jsonl", [row | {"inclusion_probability": 0}]))
    with pytest.raises(VerificationFileError, match="pair pair-1: reviewer 'ann' is there twice"):
        read_checks(lines(tmp_path / "c.jsonl", [row, row]))


def test_labels_are_joined_to_the_tasks_they_answer(tmp_path: Path) -> None:
    def label(pair: str, reviewer: str, verdict: Any, hour: int) -> dict[str, Any]:
        made = Label(
            label_id=f"{pair}{reviewer}{hour}", pair_id=pair, first_digest="", second_digest="", verdict=verdict,
            attributes={"brand": "different"}, reviewer=reviewer, labeled_at=datetime(2026, 1, 1, hour, tzinfo=UTC),
        )  # fmt: skip
        return made.model_dump(mode="json")

    claims = [Claim(pair_id=str(number), answer="same") for number in range(10)]
    tasks = [task for task in plan_tasks(claims, 10, set_name="s") if task.pair_id in ("1", "2")]
    path = lines(
        tmp_path / "labels.jsonl",
        [
            label("1", "ann", "match", 3),
            label("1", "ann", "no_match", 2),
            label("1", "bob", "no_match", 1),
            label("9", "ann", "match", 1),
        ],
    )
    checks, foreign = collect(tasks, read_labels(path))
    assert foreign == 1
    assert {(found.pair_id, found.reviewer, found.verdict) for found in checks} == {
        ("1", "ann", "match"), ("1", "bob", "no_match"),
    }  # fmt: skip
    assert checks[0].attributes == {"brand": "different"}
    write_lines(tmp_path / "checks.jsonl", checks)
    assert read_checks(tmp_path / "checks.jsonl") == checks
