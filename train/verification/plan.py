"""Which claims of a teacher's set people should look at, and with what probability each was drawn. Pure.

Two shares, drawn one after the other:

* *uniform*: ``n_u`` of the ``N`` claims, a simple random sample. By itself it is an unbiased look at the whole set.
* *targeted*: from what the uniform share left, ``n_h`` of each stratum, a simple random sample in it.

Within a stratum all claims are alike to this design, so that the inclusion probability is exact:
``n_u / N + E[min(n_h, N_h - U_h)] / N_h`` with the uniform share's part ``U_h`` of the stratum hypergeometric. Where
``n_h`` always fits into the rest, that is ``n_u / N + n_h / N_h``. And given how many of each stratum were drawn, the
whole is a stratified simple random sample (Särndal, Swensson and Wretman 1992, Model Assisted Survey Sampling, 3.7).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import hypergeom

from train.evaluation.metrics import Floats
from train.verification.records import Claim, Task, set_digest
from train.verification.strata import Strata, stratify

Integers = np.ndarray[tuple[int], np.dtype[np.int64]]

# Half: the widest interval that strongly unequal probabilities can cost is then that of a uniform sample half as large.
UNIFORM_SHARE = 0.5
# Two checks are the fewest whose spread can be estimated.
LEAST_PER_STRATUM = 2
SMALLEST_STRATUM = 20
# Small strata get more than their size's part: power allocation with exponent 1/2 (Bankier 1988, Am. Statistician 42).
SIZE_POWER = 0.5


class PlanError(ValueError):
    """A budget or share that no plan can follow."""


@dataclass(frozen=True)
class Design:
    """What is drawn before anything is drawn: it gives every claim's probability.

    ``uniform`` claims of the whole, then ``targeted`` [strata] of each stratum's rest, strata of ``sizes`` [strata].
    """

    uniform: int
    targeted: Integers
    sizes: Integers

    def inclusion(self) -> Floats:
        """[strata]: the probability that a claim of the stratum is drawn by either share."""
        total = int(self.sizes.sum())
        found = np.empty(len(self.sizes))
        for number, (size, wanted) in enumerate(zip(self.sizes.tolist(), self.targeted.tolist(), strict=True)):
            expected = float(wanted)
            if wanted + min(self.uniform, size) > size:
                drawn = np.arange(min(self.uniform, size) + 1)
                odds = hypergeom.pmf(drawn, total, size, self.uniform)
                expected = float(odds @ np.minimum(wanted, size - drawn))
            found[number] = self.uniform / total + expected / size
        return np.clip(found, 0.0, 1.0)


@dataclass(frozen=True)
class Drawn:
    """Rows drawn from a design: index [drawn] into the population, in order, and which of them are of which share."""

    rows: Integers
    by_uniform: np.ndarray[tuple[int], np.dtype[np.bool_]]


def allocate(sizes: Integers, weights: Floats, budget: int, ceilings: Integers) -> Integers:
    """[strata]: how many of each, in proportion to ``weights * sizes ** SIZE_POWER``, by largest remainders.

    Each gets at least ``LEAST_PER_STRATUM`` where the budget and its ceiling allow it, and none more than its ceiling.
    """
    given = np.minimum(LEAST_PER_STRATUM, ceilings)
    if given.sum() > budget:
        given = np.zeros_like(sizes)
    pull = weights * sizes.astype(np.float64) ** SIZE_POWER
    while (left := budget - int(given.sum())) > 0 and (open_ := given < ceilings).any():
        parts = np.where(open_, pull, 0.0)
        ideal = left * parts / parts.sum()
        step = np.minimum(np.floor(ideal).astype(np.int64), ceilings - given)
        if not step.any():  # less than one for each: by remainder, the largest first
            order = np.argsort(-np.where(open_, ideal, -1.0), kind="stable")[: min(left, int(open_.sum()))]
            step = np.zeros_like(given)
            step[order] = 1
        given = given + step
    return np.asarray(given, dtype=np.int64)


def design(strata: Strata, budget: int, uniform_share: float = UNIFORM_SHARE) -> Design:
    """The design for a budget. At most ``budget`` claims are drawn.

    A stratum whose rest is smaller than what it was allotted is taken whole and spends less.

    Raises:
        PlanError: the budget is below 1 or the uniform share is not in 0 < share <= 1.
    """
    total = int(strata.sizes.sum())
    if budget < 1:
        raise PlanError(f"budget is {budget}; valid: 1 or more checks")
    if not 0 < uniform_share <= 1:
        raise PlanError(f"uniform share is {uniform_share}; valid: above 0 (else no estimate is unbiased) up to 1")
    if budget >= total:
        return Design(total, np.zeros_like(strata.sizes), strata.sizes)
    uniform = max(1, round(uniform_share * budget))
    # What the uniform share leaves of a stratum on average: more than that could not be spent.
    ceilings = np.ceil(strata.sizes * (1 - uniform / total)).astype(np.int64)
    return Design(uniform, allocate(strata.sizes, strata.weights, budget - uniform, ceilings), strata.sizes)


def draw(plan: Design, of_claim: Integers, rng: np.random.Generator) -> Drawn:
    """Draw from the design; ``of_claim`` [claims] is the stratum of each."""
    total = len(of_claim)
    chosen = np.zeros(total, dtype=np.bool_)
    chosen[rng.choice(total, plan.uniform, replace=False)] = True
    by_uniform = chosen.copy()
    for stratum, wanted in enumerate(plan.targeted.tolist()):
        rest = np.flatnonzero((of_claim == stratum) & ~by_uniform)
        chosen[rng.choice(rest, min(wanted, len(rest)), replace=False)] = True
    rows = np.flatnonzero(chosen)
    return Drawn(rows, by_uniform[rows])


def plan_tasks(
    claims: Sequence[Claim], budget: int, *, set_name: str, seed: int = 0, uniform_share: float = UNIFORM_SHARE
) -> list[Task]:
    """The tasks of a budget, in an order that says nothing of why each was drawn.

    The same claims in another order, the same budget and seed give the same tasks.

    Raises:
        PlanError: see :func:`design`.
    """
    listed = sorted(claims, key=lambda claim: claim.pair_id)
    targeted = budget - round(uniform_share * budget)
    # Strata so small or so many that they could not have LEAST_PER_STRATUM checks each would say nothing.
    most = max(1, targeted // (2 * LEAST_PER_STRATUM))
    strata = stratify(listed, SMALLEST_STRATUM, most)
    plan = design(strata, budget, uniform_share)
    rng = np.random.default_rng(seed)
    drawn = draw(plan, strata.of_claim, rng)
    counted = np.bincount(strata.of_claim[drawn.rows], minlength=len(strata.names))
    inclusion, digest = plan.inclusion(), set_digest(listed)
    tasks = []
    for row, uniform in zip(drawn.rows.tolist(), drawn.by_uniform.tolist(), strict=True):
        claim, stratum = listed[row], int(strata.of_claim[row])
        tasks.append(
            Task(
                task_id=hashlib.sha256(f"{digest}\0{seed}\0{claim.pair_id}".encode()).hexdigest()[:32],
                pair_id=claim.pair_id,
                set_name=set_name,
                set_digest=digest,
                set_size=len(listed),
                share="uniform" if uniform else "targeted",
                stratum=strata.names[stratum],
                stratum_size=int(strata.sizes[stratum]),
                stratum_drawn=int(counted[stratum]),
                inclusion_probability=float(inclusion[stratum]),
                uniform_probability=plan.uniform / len(listed),
                seed=seed,
                answer=claim.answer,
                verdicts=claim.verdicts,
                left=claim.left,
                right=claim.right,
            )
        )
    return [tasks[place] for place in rng.permutation(len(tasks)).tolist()]
