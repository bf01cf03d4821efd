"""Evidence that grows while a stream is watched, and may be looked at after every window.

Three steps, each from the literature, and what they promise together:

1. **Conformal p-values** (Vovk, Gammerman & Shafer 2005; Vovk 2021, *Testing randomness online*): the rank of a
   unit's distance among those of all units before it, ties broken at random. If clean units are exchangeable, these
   p-values are independent and uniform, whatever the distribution and however the decisions inside a unit depend on
   each other. Nothing is assumed about the reference's sampling error: it moves all distances alike.
2. **Bets** on small p-values (Vovk & Wang 2021, *E-values: calibration, combination and applications*): functions f
   of p with mean 1 on the unit interval, so that E[f(p)] = 1 while nothing has changed.
3. **E-detectors** (Shin, Ramdas & Rinaldo 2024, *E-detectors: a nonparametric framework for sequential change
   detection*): M <- (M + 1) f(p), the Shiryaev-Roberts sum over all moments at which the change may have begun. M - t
   is a martingale, hence P(M >= c at some time up to T) <= T / c (Doob; the counterpart of Ville's inequality for a
   change at an unknown time). With c = 1 / (alpha w) for streams of weights w that sum to at most 1, the chance of any
   false alarm within T units is at most alpha T, over all streams and signals together and no matter how often
   somebody looks.

What could break the promise: clean units that are not exchangeable, as in a reference that has seen no weekend.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

# Bets of different courage: e p^(e-1) earns on weak changes, a step of height h on p <= 1/h earns on strong ones. A
# tenth is kept back from each step, so that one clean unit within a drift does not lose everything.
POWERS = (0.1, 0.3, 0.6)
STEPS = (10.0, 30.0, 100.0)
KEPT = 0.1
BETS = len(POWERS) + len(STEPS)

# Logarithms stay finite numbers in JSON.
HIGHEST_LOG10 = 300.0
_HIGHEST = HIGHEST_LOG10 * math.log(10)


def uniform(*names: object) -> float:
    """A number in (0, 1) that is fixed by its names: ties are broken the same way by whoever computes it again."""
    digest = hashlib.blake2b("\x1f".join(map(str, names)).encode(), digest_size=8).digest()
    return (int.from_bytes(digest) + 0.5) / 2**64


def p_value(scores: Sequence[float], score: float, tie: float) -> float:
    """(#{s > score} + tie (#{s = score} + 1)) / (n + 1) over the sorted `scores` before; uniform under exchangeability.

    `tie` is uniform in (0, 1). Vovk et al. 2005, smoothed conformal p-value.
    """
    low, high = bisect_left(scores, score), bisect_right(scores, score)
    return (len(scores) - high + tie * (high - low + 1)) / (len(scores) + 1)


def bets(p: float) -> list[float]:
    """What each bet pays at `p` in (0, 1]; each has mean 1 over a uniform p."""
    paid = [power * p ** (power - 1) for power in POWERS]
    return paid + [KEPT + (1 - KEPT) * (step if p <= 1 / step else 0.0) for step in STEPS]


def _log_add(a: float, b: float) -> float:
    low, high = min(a, b), max(a, b)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


@dataclass
class Detector:
    """The bets' Shiryaev-Roberts sums, in natural logarithms (-inf before the first unit), and where a run began.

    `run` is Page's CUSUM of the mean bet, log W <- max(log W, 0) + log f(p) (Page 1954): while it is not above 0, what
    came before says nothing, and a change that is found later began after it.
    """

    logs: list[float] = field(default_factory=lambda: [-math.inf] * BETS)
    run: float = 0.0

    def update(self, p: float) -> None:
        """M <- (M + 1) f(p) for each bet."""
        paid = bets(p)
        self.logs = [
            min(_log_add(log, 0.0) + math.log(each), _HIGHEST) for log, each in zip(self.logs, paid, strict=True)
        ]
        self.run = min(max(self.run, 0.0) + math.log(sum(paid) / BETS), _HIGHEST)

    @property
    def log10(self) -> float:
        """Decimal logarithm of the mean of the sums, at least 0."""
        top = max(self.logs)
        if top == -math.inf:
            return 0.0
        mean = top + math.log(sum(math.exp(log - top) for log in self.logs) / BETS)
        return min(max(0.0, mean / math.log(10)), HIGHEST_LOG10)

    @property
    def calm(self) -> bool:
        """Whether no evidence is carried over."""
        return self.run <= 0


def threshold_log10(false_alarms: float, weight: float) -> float:
    """log10 of 1 / (alpha w). Raises ValueError unless both are in (0, 1]."""
    if not (0 < false_alarms <= 1 and 0 < weight <= 1):
        raise ValueError(f"rate and weight are in (0, 1], not {false_alarms} and {weight}")
    return -math.log10(false_alarms * weight)
