"""How often the interval of a teacher's error rate holds: simulated checks of populations whose rate is known.

    .venv/bin/python -m benchmarks.verification --out docs/benchmarks/verification.json \
        --markdown docs/benchmarks/verification.md

Every population is drawn by the design's own two shares and estimated, again and again. The last population is a real
one, where the data are there: GPT-5.2's labels of Abt-Buy pairs against the gold labels, in the strata that the plan
makes. No accelerator, no network; the time goes into the quantiles of the intervals.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.output import add_out, surroundings, write
from train.pairs.pairs import data_root, read_rows
from train.verification.estimate import Numbers
from train.verification.plan import LEAST_PER_STRATUM, SMALLEST_STRATUM, UNIFORM_SHARE, Design, design
from train.verification.records import claim_of
from train.verification.simulate import perform, sample
from train.verification.strata import stratify

REPETITIONS = 20_000
TEACHER = "teacher-labels/abt-buy__gpt-5.2__active_learning_ditto.jsonl.gz"
BUDGETS = (100, 300)
DESIGNS = {
    "one stratum, 300 checks": Design(300, np.array([0]), np.array([10_000])),
    "even, 300 checks": Design(150, np.array([50, 50, 50]), np.array([5_000, 3_000, 2_000])),
    "half uniform, 300 checks": Design(150, np.array([10, 40, 100]), np.array([20_000, 4_000, 1_000])),
    "nearly all targeted, 290 checks": Design(40, np.array([10, 40, 100, 100]), np.array([20_000, 4_000, 800, 200])),
}
RATES = (0.0, 0.01, 0.02, 0.05, 0.2)


@dataclass(frozen=True)
class Population:
    """A design, and how many wrong claims each of its strata [strata] has."""

    design_name: str
    where: str
    design: Design
    errors: Numbers


def populations() -> Iterator[Population]:
    """Made populations: errors everywhere alike, mostly where claims are often drawn, mostly where seldom."""
    for name, plan in DESIGNS.items():
        for rate in RATES:
            yield Population(name, "everywhere", plan, np.round(plan.sizes * rate).astype(np.int64))
            if rate and len(plan.sizes) > 1:
                yield Population(name, "often drawn", plan, _filled(plan, rate, -plan.inclusion()))
                yield Population(name, "seldom drawn", plan, _filled(plan, rate, plan.inclusion()))


def _filled(plan: Design, rate: float, order: Numbers) -> Numbers:
    """[strata]: errors fill four fifths of one stratum after the other."""
    errors, left = np.zeros_like(plan.sizes), round(rate * plan.sizes.sum())
    for stratum in np.argsort(order):
        errors[stratum] = min(left, plan.sizes[stratum] * 4 // 5)
        left -= errors[stratum]
    return errors


def real(root: Path) -> Iterator[Population]:
    """A teacher's answers where the gold label is known; ``where`` says that nobody chose it."""
    path = root / TEACHER
    if not path.is_file():
        return
    rows = [row for row in read_rows(path) if row.get("gold_label") is not None]
    claims = [claim_of(row, str(path)) for row in rows]
    wrong = np.array([row["gold_label"] != row["teacher_label"] for row in rows])
    for budget in BUDGETS:
        targeted = budget - round(UNIFORM_SHARE * budget)
        strata = stratify(claims, SMALLEST_STRATUM, max(1, targeted // (2 * LEAST_PER_STRATUM)))
        errors = np.bincount(strata.of_claim, wrong, len(strata.names)).astype(np.int64)
        yield Population(f"GPT-5.2 on Abt-Buy, {budget} checks", "as it is", design(strata, budget), errors)


def measure(population: Population, repetitions: int, seed: int) -> dict[str, Any]:
    """One population's row: the estimator with its caution and without."""
    rng = np.random.default_rng(seed)
    samples = sample(population.design, population.errors, repetitions, rng)
    inclusion = population.design.inclusion()
    return {
        "design": population.design_name,
        "errors": population.where,
        "claims": int(population.design.sizes.sum()),
        "inclusion_lowest": float(inclusion.min()),
        "inclusion_highest": float(inclusion.max()),
        "cautious": asdict(perform(population.design, population.errors, samples)),
        "korn_graubard": asdict(perform(population.design, population.errors, samples, cautious=False)),
    }


def markdown(rows: list[dict[str, Any]], repetitions: int) -> str:
    """The table as a page."""
    lowest = min(row["cautious"]["coverage"] for row in rows)
    one_sided = min(row["cautious"]["upper_coverage"] for row in rows)
    plain = min(row["korn_graubard"]["coverage"] for row in rows)
    lines = [
        "# Coverage of the interval of a teacher's error rate",
        "",
        f"{repetitions:,} simulated samples a row; written by `python -m benchmarks.verification`. Lowest coverage of"
        f" the 95% interval: **{lowest:.1%}**, of the one-sided upper bound: **{one_sided:.1%}**; of Korn and"
        f" Graubard's interval without the bound by Kish's size: {plain:.1%}. Bias is mean estimate less truth in"
        " points, in units of its standard error in brackets. Where the truth is 0, nothing can be missed.",
        "",
        "| design | inclusion probabilities | errors | true rate | bias, stratified | bias, Horvitz-Thompson"
        " | coverage 95% | coverage, upper 95% | mean width | Korn-Graubard alone: coverage | width |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        own, other = row["cautious"], row["korn_graubard"]
        lines.append(
            f"| {row['design']} | {row['inclusion_lowest']:.4f} to {row['inclusion_highest']:.4f} | {row['errors']}"
            f" | {own['truth']:.2%} | {_bias(own['bias'], own['bias_error'])}"
            f" | {_bias(own['bias_of_inclusion'], own['bias_of_inclusion_error'])} | {own['coverage']:.1%}"
            f" | {own['upper_coverage']:.1%} | {100 * own['width']:.1f} | {other['coverage']:.1%}"
            f" | {100 * other['width']:.1f} |"
        )
    return "\n".join(lines) + "\n"


def _bias(bias: float, error: float) -> str:
    return f"{100 * bias:+.3f} ({bias / error:+.1f})" if error else f"{100 * bias:+.3f}"


def main() -> None:
    """Measure all populations and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=REPETITIONS, help="samples of each population")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table here")
    add_out(parser)
    given = parser.parse_args()
    found = [*populations(), *real(data_root())]
    rows = [measure(population, given.repetitions, given.seed + number) for number, population in enumerate(found)]
    page = markdown(rows, given.repetitions)
    print(page)
    if given.markdown:
        given.markdown.write_text(page)
    write(
        surroundings("verification") | {"repetitions": given.repetitions, "seed": given.seed, "rows": rows}, given.out
    )


if __name__ == "__main__":
    main()
