from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train.evaluation.metrics import f1_along
from train.pairs.pairs import read_pairs
from train.verification.audit import (
    Audited,
    ScoredPair,
    correct,
    corrected_labels,
    f1_bounds,
    read_audit,
    read_published_rate,
    read_scores,
)
from train.verification.records import VerificationFileError

PAIRS = [ScoredPair(str(number), label, 0.5) for number, label in enumerate([1, 1, 0, 0, 1, 0])]
AUDIT = {
    "0": Audited("0", "non_match", 1),
    "2": Audited("2", "match", 0),
    "3": Audited("3", "ambiguous", 0),
    "4": Audited("4", "match", 1),
    "elsewhere": Audited("elsewhere", "match", 1),
}


def test_audited_labels_take_the_place_of_gold() -> None:
    found = corrected_labels(PAIRS, AUDIT)
    assert found.labels.tolist() == [False, True, True, False, True, False]
    assert found.audited.tolist() == [True, False, True, True, True, False]
    assert found.ambiguous.tolist() == [False, False, False, True, False, False]
    assert np.flatnonzero(found.disputed).tolist() == [0, 2]


def test_an_audit_of_another_version_is_refused() -> None:
    with pytest.raises(VerificationFileError, match="pair 0: its gold label is 1, the audit saw 0"):
        corrected_labels(PAIRS, {"0": Audited("0", "match", 0)})
    with pytest.raises(VerificationFileError, match="none of the 6 pairs"):
        correct(PAIRS, np.ones(6, dtype=np.bool_), {"x": Audited("x", "match", 0)})


def test_a_correction_by_hand() -> None:
    predicted = np.array([True, True, True, False, False, False])
    found = correct(PAIRS, predicted, AUDIT, published_rate=0.8)
    # Gold: 2 hits, 1 wrong, 1 missed. Audited: pair 0 turns from a hit into a mistake, pair 2 the other way.
    assert found.gold.f1 == pytest.approx(4 / 6)
    assert found.corrected.f1 == pytest.approx(4 / 6)
    assert found.difference == pytest.approx(0)
    assert found.difference_low < 0 < found.difference_high
    assert (found.audited, found.ambiguous, found.disputed_to_match, found.disputed_to_non_match) == (4, 1, 1, 1)
    assert found.without_ambiguous.pairs == 5
    assert found.audited_only_gold.pairs == found.audited_only_corrected.pairs == 4
    assert found.bounds[0].f1_lowest == found.bounds[0].f1_highest == found.corrected.f1
    # 80% of the five clear labels are four, two of which the audit found.
    assert found.bounds[-1].wrong_labels == 2
    assert "no unbiased error rate" in " ".join(found.caveats)


bits = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=7)


@settings(deadline=None, max_examples=80)
@given(bits, st.integers(0, 4))
def test_bounds_are_those_of_every_possible_correction(rows: list[tuple[bool, bool, bool]], flips: int) -> None:
    labels, predicted, open_ = (np.array(column) for column in zip(*rows, strict=True))
    places = np.flatnonzero(open_)
    reached = []
    for size in range(min(flips, len(places)) + 1):
        for chosen in combinations(places, size):
            flipped = labels.copy()
            flipped[list(chosen)] ^= True
            reached.append(float(f1_along(flipped, predicted)))
    low, high = f1_bounds(labels, predicted, open_, flips)
    assert (low, high) == pytest.approx((min(reached), max(reached)))


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "file.jsonl"
    path.write_text('{"pair_id": "a", "human_decision": "yes", "benchmark_label": 1}\n')
    with pytest.raises(VerificationFileError, match=r"human_decision 'yes' \(valid: match, non_match, ambiguous\)"):
        read_audit(path)
    path.write_text('{"pair_id": "a", "label": 1, "probability": 2}\n')
    with pytest.raises(VerificationFileError, match="probability 2"):
        read_scores(path)
    path.write_text("")
    with pytest.raises(VerificationFileError, match="no scored pair"):
        read_scores(path)
    with pytest.raises(VerificationFileError, match="no audited pair"):
        read_audit(path)


def test_the_shared_audit(data_dir: Path) -> None:
    audit = read_audit(data_dir / "human-audit")
    pairs = read_pairs(next((data_dir / "abt-buy").glob("test.jsonl*")))
    found = corrected_labels(pairs, audit)
    assert (len(audit), int(found.audited.sum())) == (104, 104)
    assert (int(found.disputed.sum()), int(found.ambiguous.sum())) == (19, 4)
    gold = np.array([pair.label == 1 for pair in pairs])
    # Whoever repeats the gold labels is no longer perfect.
    corrected = correct(pairs, gold, audit)
    assert corrected.gold.f1 == 1
    assert corrected.difference_high < 0
    assert (corrected.disputed_to_match, corrected.disputed_to_non_match) == (11, 8)
    # No uniform sample: three times as many matches as in the whole.
    assert corrected.audited_match_share > 3 * corrected.match_share


def test_the_published_rate_is_read_as_a_share(data_dir: Path) -> None:
    path = data_dir / "human-audit" / "labeler_error_rates.csv"
    assert read_published_rate(path, "abt-buy") == pytest.approx(0.01709, abs=1e-5)
    assert read_published_rate(path, "none") is None
