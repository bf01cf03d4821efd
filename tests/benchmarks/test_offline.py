"""The student alone, and evaluations that are used again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.abt_buy import Labelled, load_abt_buy
from benchmarks.offline import OtherEvaluation, evaluation_counts, matches_offline
from schemas.bundle import BundleManifest, load_manifest
from worker.student.student import Student


@pytest.fixture(scope="module")
def manifest(tiny_bundle: Path) -> BundleManifest:
    return load_manifest(tiny_bundle)


def evaluation(manifest: BundleManifest, **changed: object) -> str:
    found = {
        "pairs": 100, "positives": 20, "precision": 0.8, "recall": 0.6, "bundle": {"digest": manifest.digest()},
    }  # fmt: skip
    return json.dumps(found | changed)


def test_counts_behind_an_evaluation(tmp_path: Path, manifest: BundleManifest) -> None:
    (tmp_path / "e.json").write_text(evaluation(manifest))
    found = evaluation_counts(tmp_path / "e.json", manifest, 100)
    assert (found.right, found.wrong, found.missed) == (12, 3, 8)


def test_an_evaluation_without_a_match(tmp_path: Path, manifest: BundleManifest) -> None:
    (tmp_path / "e.json").write_text(evaluation(manifest, precision=0.0, recall=0.0))
    found = evaluation_counts(tmp_path / "e.json", manifest, 100)
    assert (found.right, found.wrong, found.missed) == (0, 0, 20)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"bundle": {"digest": "f" * 64}}, "about the bundle ffff"),
        ({"pairs": 99}, "about 99 pairs, not the 100"),
        ({"pairs": None}, "no JSON object"),
        ({"bundle": "x"}, "no JSON object"),
    ],
)
def test_another_evaluation_is_refused(
    tmp_path: Path, manifest: BundleManifest, changed: dict[str, object], words: str
) -> None:
    (tmp_path / "e.json").write_text(evaluation(manifest, **changed))
    with pytest.raises(OtherEvaluation, match=words):
        evaluation_counts(tmp_path / "e.json", manifest, 100)


def test_offline_matches_are_the_students_own(tiny_bundle: Path, data_dir: Path) -> None:
    student = Student.load(tiny_bundle, 1)
    rows: dict[str, Labelled] = dict(list(load_abt_buy(data_dir, 40).labelled.items())[:12])
    done: list[int] = []
    said = matches_offline(student, rows, 0.5, done.append)
    assert done[-1] == len(rows)
    by_hand = {
        name for name, row in rows.items() if student.judge(row.pair.left, [row.pair.right])[0].probability >= 0.5
    }
    assert said == by_hand
