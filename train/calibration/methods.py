"""Candidate maps from logits to probabilities, and what each is worth on pairs that it was not fitted on. Pure.

Fitted on all sets together, each set with the same weight. All are monotone: they move probabilities, never their order
(isotonic regression may make ties). They are compared by log loss on a set that took no part in the fit, which is what
a catalogue that nobody has seen is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from train.evaluation.metrics import Bools, Floats

Scored = Mapping[str, tuple[Floats, Bools]]
"""Set name to logits [pairs] and labels [pairs]."""

Map = Callable[[Floats], Floats]
"""Logits [pairs] to probabilities [pairs]."""

Fit = Callable[[Floats, Bools, Floats], Map]
"""Fits a map on logits, labels and weights [pairs]."""

# Next to no regularisation: two parameters on thousands of pairs.
INVERSE_PENALTY = 1e4
# What is not surer than this is not punished without end; steps of isotonic regression say 0 and 1.
LEAST = 1e-4
# Of a normal distribution: two-sided 95%.
Z = 1.96


def pooled(scored: Scored) -> tuple[Floats, Bools, Floats]:
    """Logits, labels and weights [pairs] of all sets; each set weighs as much as a set of the mean size."""
    logits = np.concatenate([values for values, _ in scored.values()])
    labels = np.concatenate([marks for _, marks in scored.values()])
    mean = len(labels) / len(scored)
    return logits, labels, np.concatenate([np.full(len(marks), mean / len(marks)) for _, marks in scored.values()])


def logistic(features: Floats, labels: Bools, weights: Floats) -> tuple[Floats, float]:
    """Coefficients [features] and intercept of a logistic regression on features [pairs, features]."""
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=1_000).fit(features, labels, sample_weight=weights)
    return np.asarray(model.coef_[0], dtype=np.float64), float(model.intercept_[0])


def platt(logits: Floats, labels: Bools, weights: Floats) -> Map:
    """sigmoid(a l + b) (Platt 1999)."""
    (a,), b = logistic(logits[:, None], labels, weights)
    return lambda values: np.asarray(expit(a * values + b), dtype=np.float64)


def temperature(logits: Floats, labels: Bools, weights: Floats) -> Map:
    """sigmoid(a l): Platt's map without the intercept (Guo et al. 2017)."""
    model = LogisticRegression(C=INVERSE_PENALTY, fit_intercept=False).fit(
        logits[:, None], labels, sample_weight=weights
    )
    a = float(model.coef_[0, 0])
    return lambda values: np.asarray(expit(a * values), dtype=np.float64)


def beta(logits: Floats, labels: Bools, weights: Floats) -> Map:
    """sigmoid(a log s - b log(1 - s) + c) of s = sigmoid(l), with a, b >= 0 (Kull et al. 2017, beta calibration).

    In logits: one slope far below 0, another far above.
    """
    features = np.stack([-np.logaddexp(0, -logits), np.logaddexp(0, logits)], axis=1)
    used = np.array([True, True])
    slopes, intercept = logistic(features, labels, weights)
    if (slopes < 0).any():  # as its authors do: without the feature that would turn the order round
        used = slopes >= 0
        slopes = np.zeros(2)
        slopes[used], intercept = logistic(features[:, used], labels, weights)
    a, b = slopes
    return lambda values: np.asarray(
        expit(-a * np.logaddexp(0, -values) + b * np.logaddexp(0, values) + intercept), dtype=np.float64
    )


def isotonic(logits: Floats, labels: Bools, weights: Floats) -> Map:
    """The best non-decreasing step function (Zadrozny & Elkan 2002): what a map without a form could reach."""
    model = IsotonicRegression(y_min=LEAST, y_max=1 - LEAST, out_of_bounds="clip").fit(logits, labels, weights)
    return lambda values: np.asarray(model.predict(values), dtype=np.float64)


METHODS: dict[str, Fit] = {"platt": platt, "temperature": temperature, "beta": beta, "isotonic": isotonic}
BASELINE = "platt"


def pair_losses(labels: Bools, probabilities: Floats) -> Floats:
    """Log loss of each pair, in nats, of probabilities cut to ``LEAST`` from 0 and 1."""
    cut = np.clip(probabilities, LEAST, 1 - LEAST)
    return np.asarray(-np.where(labels, np.log(cut), np.log1p(-cut)), dtype=np.float64)


def compare(scored: Scored) -> dict[str, dict[str, object]]:
    """What each method is worth on the sets that it was not fitted on.

    Returns for each method ``log_loss`` (the mean over sets of the held-out set's mean), ``by_set``, ``over_platt``
    (its log loss less Platt's) and ``over_platt_error`` (half of the 95% interval of that difference, over pairs); and
    ``better``: it is below Platt's by more than its interval.

    Raises:
        ValueError: there are fewer than two sets.
    """
    if len(scored) < 2:
        raise ValueError("methods are compared on sets that are left out: there must be two or more")
    losses: dict[str, dict[str, Floats]] = {}
    for name, fit in METHODS.items():
        losses[name] = {}
        for held, (logits, labels) in scored.items():
            fitted = fit(*pooled({other: given for other, given in scored.items() if other != held}))
            losses[name][held] = pair_losses(labels, fitted(logits))
    return {name: _worth(losses[name], losses[BASELINE]) for name in METHODS}


def _worth(mine: dict[str, Floats], platts: dict[str, Floats]) -> dict[str, object]:
    differences = {held: mine[held] - platts[held] for held in mine}
    mean = float(np.mean([each.mean() for each in differences.values()]))
    error = Z * float(np.sqrt(sum(each.var(ddof=1) / len(each) for each in differences.values()))) / len(differences)
    return {
        "log_loss": round(float(np.mean([each.mean() for each in mine.values()])), 5),
        "by_set": {held: round(float(each.mean()), 5) for held, each in mine.items()},
        "over_platt": round(mean, 5),
        "over_platt_error": round(error, 5),
        "better": mean < -error,
    }
