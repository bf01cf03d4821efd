from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from schemas.offer import Offer
from schemas.rationale import Answer, Attribute, Verdict
from train.pairs.pairs import Pair, PairFileError
from train.rationales.door import ImportReport, RecordedRationales, admit, read_records, write_records
from train.rationales.records import OfferRef, Provenance, RationaleRecord, content_digest
from train.rationales.verdicts import SentenceTarget

LEFT = Offer(offer_id="1", source="s", title="Canon EOS 7D black")
RIGHT = Offer(offer_id="2", source="s", title="canon eos7d silver", price="9.5", attributes={"size": "L"})
TOLD = Provenance(teacher="t", prompt_version="1", prompt_revealed_label=False, source="x", cost=0.25, currency="USD")


def record(answer: Answer | None, verdicts: dict[Attribute, Verdict], **more: Any) -> RationaleRecord:
    return RationaleRecord(
        pair_id="p", left=OfferRef.of(LEFT), right=OfferRef.of(RIGHT), verdicts=verdicts, answer=answer,
        provenance=TOLD, **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "verdicts", "label", "counted"),
    [
        ("same", {"brand": "same"}, 1, "kept"),
        ("different", {"variant": "different"}, 0, "kept"),
        (None, {"variant": "unknown"}, 1, "kept"),
        ("same", {"brand": "same"}, 0, "teacher_denies_label"),
        ("different", {"variant": "different"}, 1, "teacher_denies_label"),
        ("same", {"variant": "different"}, 1, "contradictory"),
        (None, {"variant": "different"}, 1, "contradictory"),
    ],
)
def test_what_is_admitted(answer: Answer | None, verdicts: dict[Attribute, Verdict], label: int, counted: str) -> None:
    report = ImportReport()
    found = admit(record(answer, verdicts), LEFT, RIGHT, label, report)
    assert (report.read, getattr(report, counted)) == (1, 1)
    assert (found is not None) == (counted == "kept")
    if found is not None:
        assert (found.verdicts, found.source) == (verdicts, "t")


def test_a_sentence_that_the_grammar_would_not_admit_is_dropped_alone() -> None:
    report = ImportReport()
    said = record("different", {"variant": "different"}, sentence=SentenceTarget("variant", "black", "gold"))
    found = admit(said, LEFT, RIGHT, 0, report)
    assert found is not None
    assert found.sentence is None
    assert report.ungrounded_sentences == 1


def test_a_pair_is_found_by_what_its_offers_say_in_either_order() -> None:
    said = record("different", {"variant": "different"}, sentence=SentenceTarget("variant", "black", "silver"))
    found = RecordedRationales([said])
    same_text = RIGHT.model_copy(update={"offer_id": "elsewhere", "source": "t", "title": "Canon  EOS7D silver"})
    report = ImportReport()
    straight = found.targets(Pair("other-id", LEFT, same_text, 0, "o"), report)
    turned = found.targets(Pair("other-id", same_text, LEFT, 0, "o"), report)
    assert straight is not None
    assert turned is not None
    assert straight.sentence == SentenceTarget("variant", "black", "silver")
    assert turned.sentence == SentenceTarget("variant", "silver", "black")
    changed = same_text.model_copy(update={"price": "10"})
    assert found.targets(Pair("p", LEFT, changed, 0, "o"), report) is None
    assert (report.read, report.kept) == (2, 2)


def test_the_first_file_speaks_first(tmp_path: Path) -> None:
    files = []
    for name, verdict in (("a", "same"), ("b", "unknown")):
        files.append(tmp_path / name)
        write_records(files[-1], [record(None, {"brand": verdict})])  # type: ignore[dict-item]
    found = RecordedRationales.read(files)
    assert len(found) == 1
    targets = found.targets(Pair("p", LEFT, RIGHT, 1, "o"), ImportReport())
    assert targets is not None
    assert targets.verdicts == {"brand": "same"}


def test_records_survive_their_file(tmp_path: Path) -> None:
    said = record("same", {"brand": "same"}, sentence=SentenceTarget("brand", "canon", "canon"), confidence=0.5)
    path = tmp_path / "r.jsonl"
    write_records(path, [said])
    assert read_records(path) == [said]
    assert [each.name for each in tmp_path.iterdir()] == ["r.jsonl"]


def test_a_bad_record_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"pair_id": "p", "verdicts": {"brand": "perhaps"}}')
    with pytest.raises(PairFileError, match="record 1"):
        read_records(path)


def test_the_digest_is_of_what_a_listing_says() -> None:
    assert content_digest(LEFT) == content_digest(
        LEFT.model_copy(update={"offer_id": "9", "title": "CANON eos 7d  black"})
    )
    for change in ({"title": "x"}, {"brand": "x"}, {"price": "1"}, {"attributes": {"size": "L"}}):
        assert content_digest(LEFT) != content_digest(LEFT.model_copy(update=change))
