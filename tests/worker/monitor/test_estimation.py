"""Quality without labels, and its correction by some."""

from __future__ import annotations

import numpy as np
import pytest

from worker.monitor.estimation import estimate
from worker.monitor.facts import MILLION, estimate_counts


def sums(probabilities: np.ndarray) -> dict[str, int]:
    found: dict[str, int] = {}
    for p in probabilities:
        for _, place, amount in estimate_counts(float(p), bool(p >= 0.5)):
            found[place] = found.get(place, 0) + amount
    return found


def f1(labels: np.ndarray, said: np.ndarray) -> float:
    return float(2 * (labels & said).sum() / (labels.sum() + said.sum()))


def test_of_calibrated_probabilities_it_covers_the_true_f1() -> None:
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        p = generator.beta(0.4, 0.8, 400)
        made = estimate(sums(p))
        assert made.f1_low is not None
        assert made.f1_high is not None
        covered += made.f1_low <= f1(generator.random(400) < p, p >= 0.5) <= made.f1_high
    assert covered / 200 >= 0.90


def test_a_labelled_sample_corrects_what_the_calibration_gets_wrong() -> None:
    generator = np.random.default_rng(1)
    p = generator.beta(0.4, 0.8, 8_000)
    # Half of what is said to be sure is wrong.
    labels = generator.random(8_000) < p * 0.5
    said = p >= 0.5
    truth = f1(labels, said)
    assert (estimate(sums(p)).f1 or 0) > truth + 0.15
    corrected = []
    for _ in range(40):
        chosen = generator.random(8_000) < 0.05
        labelled: dict[str, int] = {}
        for side, cell in (("said", said), ("not", ~said)):
            inside = chosen & cell
            labelled[f"{side}.weight"] = round(inside.sum() * 20 * MILLION)
            labelled[f"{side}.off"] = round(float((labels[inside] - p[inside]).sum()) * 20 * MILLION)
        corrected.append(estimate(sums(p), labelled).f1 or 0.0)
    # Forty samples of 400 labels; without them it is wrong by more than 0.15.
    assert np.mean(corrected) == pytest.approx(truth, abs=0.03)


def test_without_matches_there_is_nothing_to_say() -> None:
    made = estimate({})
    assert (made.pairs, made.precision, made.recall, made.f1) == (0, None, None, None)
    assert estimate({"not.pairs": 10, "not.p": 0}).f1 is None
