"""The share of matches in a catalogue nobody labelled, from the scores alone.

Where blocking, sellers or assortment differ, another share of the judged pairs matches, and a threshold from elsewhere
is off by the log of the odds' ratio. Saerens, Latinne & Decaestecker (2002, Adjusting the Outputs of a Classifier to
New a Priori Probabilities, eq. 2.9) estimate the new share by expectation-maximisation; no label is looked at. It
holds where the two classes look as they did and only their shares moved.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from schemas.bundle import Calibration
from train.calibration.prior import log_odds, shifted
from train.evaluation.metrics import Floats

MOST_ROUNDS = 1_000
CLOSE_ENOUGH = 1e-6
# A share beyond these would be an extrapolation from next to no pair of a class.
LEAST_SHARE = 0.005


def estimated_share(logits: Floats, calibration: Calibration, fitted_share: float) -> float:
    """The share of matches among unlabelled pairs.

    Args:
        logits: [pairs], raw; not finite ones are left out.
        calibration: the map that turns them into probabilities where ``fitted_share`` of the pairs match.
        fitted_share: strictly between 0 and 1.

    Returns:
        The maximum-likelihood share, kept within ``LEAST_SHARE`` of 0 and 1.

    Raises:
        ValueError: no logit is finite, or ``fitted_share`` is 0 or 1.
    """
    finite = logits[np.isfinite(logits)]
    if not len(finite):
        raise ValueError("no pair has a score: the share of matches cannot be estimated")
    scores = calibration.a * finite + calibration.b
    share = fitted_share
    for _ in range(MOST_ROUNDS):
        moved = float(np.mean(expit(scores + log_odds(share) - log_odds(fitted_share))))
        moved = min(max(moved, LEAST_SHARE), 1 - LEAST_SHARE)
        if abs(moved - share) < CLOSE_ENOUGH:
            return moved
        share = moved
    return share


def adapted(logits: Floats, calibration: Calibration, fitted_share: float) -> Calibration:
    """The map moved to the share of matches that the unlabelled ``logits`` [pairs] speak for."""
    return shifted(calibration, fitted_share, estimated_share(logits, calibration, fitted_share))
