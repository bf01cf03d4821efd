"""Checks of populations whose error rate is known: to show the estimator right, and to try a design before paying it.

The draw is the design's own (:mod:`train.verification.plan`), with numbers instead of rows: what the uniform share
takes of each stratum is multivariate hypergeometric, and so is what errors are among those that were drawn. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from train.evaluation.metrics import Floats
from train.verification.estimate import Numbers, stratified_rates
from train.verification.plan import Design


@dataclass(frozen=True)
class Samples:
    """Checks and errors of each stratum, both [repetitions, strata]."""

    checked: Numbers
    errors: Numbers


@dataclass(frozen=True)
class Performance:
    """How an estimator did on repeated samples of one population. Coverage is of the true rate, 0 to 1.

    ``bias`` and ``bias_of_inclusion`` (the Horvitz-Thompson estimate by inclusion probabilities) are mean estimate
    less truth, each with the standard error that the number of repetitions leaves.
    """

    truth: float
    bias: float
    bias_error: float
    bias_of_inclusion: float
    bias_of_inclusion_error: float
    coverage: float
    upper_coverage: float
    width: float
    mean_upper: float


def sample(design: Design, errors: Numbers, repetitions: int, rng: np.random.Generator) -> Samples:
    """Draw and check a population with ``errors`` [strata] wrong claims, so many times."""
    uniform = rng.multivariate_hypergeometric(design.sizes, design.uniform, size=repetitions, method="marginals")
    checked = uniform + np.minimum(design.targeted, design.sizes - uniform)
    return Samples(checked, rng.hypergeometric(errors, design.sizes - errors, checked))


def perform(design: Design, errors: Numbers, samples: Samples, cautious: bool = True) -> Performance:
    """Hold the estimates of these samples against the truth of their population."""
    truth = float(np.sum(errors) / np.sum(design.sizes))
    found = stratified_rates(samples.errors, samples.checked, design.sizes, cautious=cautious)
    by_inclusion = (samples.errors / design.inclusion()).sum(-1) / design.sizes.sum()
    return Performance(
        truth,
        *_bias(found.rate, truth),
        *_bias(by_inclusion, truth),
        # The last bit of a bound must not decide.
        coverage=float(((found.low <= truth + 1e-12) & (truth <= found.high + 1e-12)).mean()),
        upper_coverage=float((truth <= found.upper + 1e-12).mean()),
        width=float((found.high - found.low).mean()),
        mean_upper=float(found.upper.mean()),
    )


def _bias(estimates: Floats, truth: float) -> tuple[float, float]:
    return float(estimates.mean() - truth), float(estimates.std(ddof=1) / np.sqrt(len(estimates)))
