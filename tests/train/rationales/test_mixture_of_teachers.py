"""A teacher's records in the training mixture, on real pairs."""

from __future__ import annotations

from pathlib import Path

from schemas.rationale import Answer
from train.pairs.mixture import build_mixture
from train.pairs.pairs import Pair
from train.pairs.sources import ORIGINS
from train.rationales.door import write_records
from train.rationales.records import OfferRef, Provenance, RationaleRecord

TOLD = Provenance(teacher="a-teacher", prompt_version="1", prompt_revealed_label=False, source="x")


def _has_model(pair: Pair) -> bool:
    return bool(pair.left.model_number or pair.right.model_number)


def test_recorded_rationales_take_the_place_of_derived_ones(data_dir: Path, tmp_path: Path) -> None:
    others = [name for name in ORIGINS if name != "abt-buy"]
    plain = build_mixture(data_dir, leave_out=others)
    non_matches = [item.pair for item in plain.pairs if item.pair.label == 0 and item.targets.source == "derived"]
    # Pairs that the mixture itself does not change would be found by any of their forms; these are as they were read.
    unchanged = [
        pair for pair in non_matches if not (pair.left.gtin or pair.left.model_number or pair.right.model_number)
    ]
    agreed, denied = unchanged[:2]
    said: list[tuple[Pair, Answer]] = [(agreed, "different"), (denied, "same")]
    records = [
        RationaleRecord(
            pair_id="elsewhere", left=OfferRef.of(pair.right), right=OfferRef.of(pair.left), answer=answer,
            verdicts={"quantity": "unknown"}, provenance=TOLD,
        )
        for pair, answer in said
    ]  # fmt: skip
    write_records(tmp_path / "teacher.jsonl", records)
    taught = build_mixture(data_dir, leave_out=others, rationales=[tmp_path / "teacher.jsonl"])
    by_id = {item.pair.pair_id: item.targets for item in taught.pairs}
    assert by_id[agreed.pair_id].source == "a-teacher"
    assert by_id[agreed.pair_id].verdicts == {"quantity": "unknown"}
    assert by_id[denied.pair_id].source == "derived"
    assert (taught.rationales.kept, taught.rationales.teacher_denies_label) == (1, 1)
    assert sum(targets.source == "a-teacher" for targets in by_id.values()) == 1
    assert taught.digest() == plain.digest()
