"""One-sided confidence bounds of a share, for pairs that weigh alike and for pairs that do not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from train.evaluation.metrics import Floats

ONE_SIDED = 0.95
"""Of bounds that a target is held against."""

METHOD = "Clopper-Pearson, one-sided 95%; with set weights at the effective number of pairs (Korn & Graubard 1998)"


def lower_bound(hits: npt.ArrayLike, pairs: npt.ArrayLike, confidence: float = ONE_SIDED) -> Floats:
    """The one-sided lower bound of a share of ``hits`` in ``pairs`` (Clopper & Pearson 1934), elementwise.

    Exact for counts: the true share is below it in at most 5% of samples. Both may be fractional, as effective numbers
    of weighted pairs are. 0 where there is no hit.
    """
    right, total = np.asarray(hits, dtype=np.float64), np.asarray(pairs, dtype=np.float64)
    bound = beta.ppf(1 - confidence, np.maximum(right, np.finfo(float).tiny), np.maximum(total - right, 0) + 1)
    return np.where(right > 0, bound, 0.0)


def upper_bound(hits: npt.ArrayLike, pairs: npt.ArrayLike, confidence: float = ONE_SIDED) -> Floats:
    """The one-sided upper bound; 1 where every pair is a hit or there is none."""
    right, total = np.asarray(hits, dtype=np.float64), np.asarray(pairs, dtype=np.float64)
    return 1 - lower_bound(total - right, total, confidence)


def effective_pairs(weights: npt.ArrayLike, squares: npt.ArrayLike) -> Floats:
    """How many pairs of one weight say as much: (sum of w)^2 / sum of w^2 (Kish 1965); 0 without any.

    Args:
        weights: sums of the weights.
        squares: sums of their squares.
    """
    total, squared = np.asarray(weights, dtype=np.float64), np.asarray(squares, dtype=np.float64)
    return np.divide(total**2, squared, out=np.zeros_like(total * squared), where=squared > 0)
