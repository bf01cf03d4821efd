from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from schemas.offer import Offer
from train.rationales.imported import (
    STYLE,
    ImportReport,
    attribute_of,
    import_file,
    import_row,
    imported_rows,
    normalise,
    record_of,
)
from train.rationales.verdicts import SentenceTarget

LEFT = Offer(offer_id="1", source="s", title="Canon EOS 7D body black 18MP")
RIGHT = Offer(offer_id="2", source="s", title="canon eos7d kit silver 18 megapixel")


def said(attribute: str, left: str, right: str, similarity: float | None, importance: float = 0.5) -> dict[str, Any]:
    return {
        "attribute": attribute, "left": left, "right": right, "similarity": similarity, "importance": importance,
    }  # fmt: skip


def row(label: int, *attributes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"label": label, "teacher": "gpt-4o", "attributes": list(attributes), **more}


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("Brand", "brand"), ("manufacturer", "brand"), ("model number", "product"), ("Product Type", "product"),
        ("Colour", "variant"), ("edition", "variant"), ("pack size", "quantity"), ("Quantity", "quantity"),
        ("storage capacity", "specification"), ("screen size", "specification"), ("price", None), ("Features", None),
        ("compatibility", None),
    ],
)  # fmt: skip
def test_attribute_names(name: str, attribute: str | None) -> None:
    assert attribute_of(name) == attribute


@pytest.mark.parametrize(
    ("similarity", "right", "verdict"),
    [(1.0, "x", "same"), (0.8, "x", "same"), (0.5, "x", None), (0.3, "x", "different"), (0.0, "x", "different"),
     (0.0, "missing", "unknown"), (1.0, "Not specified", "unknown"), (0.0, "", "unknown"), (None, "x", None)],
)  # fmt: skip
def test_a_similarity_becomes_a_verdict_or_nothing(similarity: float | None, right: str, verdict: str | None) -> None:
    found = normalise([said("brand", "x", right, similarity)], 0, LEFT, RIGHT, "t")
    assert found.verdicts.get("brand") == verdict


@pytest.mark.parametrize(
    ("similarities", "verdict"),
    [((1.0, 0.0), "different"), ((1.0, 0.5), None), ((1.0, 1.0), "same"), ((0.5, 0.0), "different")],
)
def test_several_attributes_make_one_verdict(similarities: tuple[float, ...], verdict: str | None) -> None:
    found = normalise([said("model", "a", "b", value) for value in similarities], 0, LEFT, RIGHT, "t")
    assert found.verdicts.get("product") == verdict


def test_the_sentence_quotes_the_weightiest_deciding_attribute_that_can_be_quoted() -> None:
    found = normalise(
        [
            said("model", "EOS 500", "eos7d", 0.1, importance=0.9),  # not in the left listing
            said("color", "Black", "Silver", 0.0, importance=0.4),
            said("type", "body", "kit", 0.2, importance=0.6),
            said("brand", "Canon", "canon", 1.0, importance=1.0),  # not on the side of the answer
        ],
        0, LEFT, RIGHT, "gpt-4o",
    )  # fmt: skip
    assert found.sentence == SentenceTarget("product", "body", "kit")
    assert found.source == "gpt-4o"


def test_a_match_is_not_explained_by_its_brand() -> None:
    assert normalise([said("brand", "Canon", "canon", 1.0)], 1, LEFT, RIGHT, "t").sentence is None


def test_what_is_kept_and_what_is_set_aside() -> None:
    report = ImportReport()
    kept = import_row(row(1, said("brand", "Canon", "canon", 1.0)), LEFT, RIGHT, report)
    assert kept is not None
    assert kept.verdicts == {"brand": "same"}
    contradictory = row(1, said("brand", "Canon", "canon", 1.0), said("color", "black", "silver", 0.0))
    assert import_row(contradictory, LEFT, RIGHT, report) is None
    assert import_row(row(1, teacher_agrees_with_label=False), LEFT, RIGHT, report) is None
    assert import_row(row(0, said("color", "black", "silver", 0.0)), LEFT, RIGHT, report) is not None
    assert (report.read, report.kept, report.contradictory, report.teacher_denies_label) == (4, 2, 1, 1)
    assert report.verdicts == {"brand:same": 1, "variant:different": 1}


def test_the_real_rows_are_structured_and_of_the_teachers_asked_for(data_dir: Path) -> None:
    rows = imported_rows(data_dir, teachers=("gpt-4o",))
    assert len(rows) == 2_500
    assert {item["teacher"] for item in rows} == {"gpt-4o"}


def test_a_file_comes_through_the_door(tmp_path: Path) -> None:
    sides = {
        "left": {"id": "1", "title": LEFT.title}, "right": {"id": "2", "title": RIGHT.title}, "style": STYLE,
        "prompt_revealed_label": True, "teacher_fields_shown": ["title"],
    }  # fmt: skip
    rows = [
        {**row(1, said("brand", "Canon", "missing", 0.0)), **sides},
        {**row(1, said("color", "black", "silver", 0.0)), **sides},
        {**row(1, said("brand", "Canon", "canon", 1.0)), **sides, "teacher_answer": 0},
        {**row(1), **sides, "style": "text"},
        {**row(1), **sides, "left": None},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    found = import_file(path)
    [kept] = found.records
    assert kept.verdicts == {"brand": "unknown"}
    assert (kept.provenance.teacher, kept.provenance.prompt_revealed_label) == ("gpt-4o", True)
    assert kept.provenance.fields_shown == ("title",)
    assert [reason for reason, _ in found.aside] == ["contradicts the label", "denies the label"]
    assert (found.unstructured, found.without_offers) == (1, 1)
    assert import_file(path, ("other",)).other_teachers == 4


def test_a_row_that_does_not_say_whether_the_label_was_told_counts_as_told() -> None:
    assert record_of(row(1), LEFT, RIGHT).provenance.prompt_revealed_label
    assert not record_of(row(1, prompt_revealed_label=False), LEFT, RIGHT).provenance.prompt_revealed_label
