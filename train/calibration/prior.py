"""Logits of a model whose training pairs were subsampled, and of a stream with another share of matches.

Training keeps a share of the easy negatives and shows each positive in both orders, so its log-odds are too high by
the log of the sampling odds (King & Zeng 2001, Logistic Regression in Rare Events Data, eq. 7; Elkan 2001, theorem 2):

    true logit(x) = trained logit(x) - log(positive rate / negative rate(x))

where a rate is how often a pair is seen an epoch. The negative rate depends on the pair when only easy ones are
thinned; which pair is easy can be seen in its listings, so the correction can be made pair by pair.

With Platt's map p = sigmoid(a l + b) nothing is left to correct: a shift s of all logits is the map with b + a s, and
b is fitted on validation pairs that nobody thinned. Correcting and then keeping a b that was fitted on raw logits would
count the sampling twice. So the correction is for logits that no map follows (a model that is watched while it trains,
a first threshold before there is validation), and `shifted` for what a fitted map cannot know: a stream with another
share of matches than validation has.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from schemas.bundle import Calibration
from train.evaluation.metrics import Bools, Floats


def sampling_log_odds(positive_rate: npt.ArrayLike, negative_rate: npt.ArrayLike) -> Floats:
    """log(positive rate / negative rate), elementwise, in nats.

    Raises:
        ValueError: a rate is not above 0: of pairs that were never seen nothing is known.
    """
    positive, negative = np.asarray(positive_rate, dtype=np.float64), np.asarray(negative_rate, dtype=np.float64)
    if not ((positive > 0).all() and (negative > 0).all()):
        raise ValueError("sampling rates must be above 0")
    return np.asarray(np.log(positive) - np.log(negative), dtype=np.float64)


def seen_rates(easy: Bools, keep_easy: float, both_ways: bool) -> tuple[float, Floats]:
    """How often the training schedule shows a positive an epoch, and a negative [pairs].

    Args:
        easy: [pairs], whether it would be an easy negative (`train.sft.schedule`), were it a negative.
        keep_easy: the share of easy negatives that is kept.
        both_ways: positives are seen in both orders.
    """
    return (2.0 if both_ways else 1.0), np.where(easy, keep_easy, 1.0)


def corrected(logits: Floats, positive_rate: npt.ArrayLike, negative_rate: npt.ArrayLike) -> Floats:
    """The logits [pairs] that training on all pairs, each seen once, would have given.

    Args:
        logits: of the model that was trained on the subsample.
        positive_rate: how often training saw a positive, an epoch (2: in both orders).
        negative_rate: the same of a negative; [pairs] where it depends on the pair.
    """
    return logits - sampling_log_odds(positive_rate, negative_rate)


def log_odds(share: float) -> float:
    """log(share / (1 - share)). Raises ValueError unless the share is strictly between 0 and 1."""
    if not 0 < share < 1:
        raise ValueError(f"a share of matches must be between 0 and 1, not {share}")
    return math.log(share) - math.log1p(-share)


def without_validation(positive_rate: float, negative_rate: float) -> Calibration:
    """The map of a student for which there are no validation pairs: its sampling corrected, no more.

    Raises ValueError for a rate that is not above 0.
    """
    shift = float(sampling_log_odds(positive_rate, negative_rate))
    return Calibration(a=1.0, b=round(-shift, 6), fitted_on="no pairs: corrected for the sampling in training")


def shifted(calibration: Calibration, fitted_share: float, share: float) -> Calibration:
    """The map for a stream in which `share` of the pairs match, instead of `fitted_share` where it was fitted.

    Bayes' rule with the same likelihoods (Elkan 2001, theorem 2; Saerens et al. 2002, eq. 2.4): the intercept moves by
    the difference of the log-odds. Raises ValueError unless both are strictly between 0 and 1.
    """
    moved = calibration.b + log_odds(share) - log_odds(fitted_share)
    return calibration.model_copy(update={"b": round(moved, 6)})
