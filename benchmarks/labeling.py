"""How often the intervals of production precision and recall hold: label rounds on populations whose truth is known.

    samesku evaluate ../shared/data/abt-buy/test.csv.gz --scores abt-buy-scores.jsonl
    .venv/bin/python -m benchmarks.labeling --scores abt-buy=abt-buy-scores.jsonl --rounds 1000 \
        --out docs/benchmarks/labeling.json --markdown docs/benchmarks/labeling.md

A round draws decisions with the code that serves (`worker.labeling.chances`), answers what was drawn with the truth,
and estimates (`worker.labeling.estimate`). Real populations are a student's judgements of a labelled set, as `samesku
evaluate --scores` writes them; made ones put the errors where they hurt. Beside the interval in use stands Wald's of
the same estimate, which is what most would take. Minutes on one core; no accelerator, no network.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmarks.output import add_out, surroundings, write
from schemas.decision import BundleRef, Cuts, MatchDecision, Side
from schemas.events import Position
from schemas.labeling_settings import LabelingSettings
from worker.labeling.chances import Scale, base_rates, chances, place
from worker.labeling.estimate import Drawn, Floats, Interval, quality

Bools = np.ndarray[tuple[int], np.dtype[np.bool_]]

ROUNDS = 1_000
SIZE = 10_000
SETTINGS = LabelingSettings()
Z = 1.959964


@dataclass(frozen=True)
class Population:
    """Decisions [n]: published as match, truly match, chance of being drawn, chance of the uniform share."""

    name: str
    predicted: Bools
    truth: Bools
    chance: Floats
    uniform: float

    @property
    def precision(self) -> float:
        return float((self.predicted & self.truth).sum() / self.predicted.sum())

    @property
    def recall(self) -> float:
        return float((self.predicted & self.truth).sum() / self.truth.sum())


def made(seed: int) -> Iterator[Population]:
    """Errors drawn like all others, often, or seldom; right matches drawn most; each with many errors and with few."""
    random = np.random.default_rng(seed)
    for rare, (wrong, missed) in {"": (0.1, 0.03), "rare ": (0.01, 0.003)}.items():
        predicted = random.random(SIZE) < 0.3
        error = random.random(SIZE) < np.where(predicted, wrong, missed)
        truth = predicted ^ error
        often = {
            f"{rare}errors, one chance for all": np.zeros(SIZE, bool),
            f"{rare}errors, drawn often": random.random(SIZE) < np.where(error, 0.8, 0.1),
            f"{rare}errors, drawn seldom": (random.random(SIZE) < 0.15) & ~error,
            f"{rare}errors, right matches drawn often": (random.random(SIZE) < 0.9) & predicted & truth,
        }
        for name, targeted in often.items():
            yield Population(name, predicted, truth, np.where(targeted, 0.5, 0.02), 0.02)
    few = random.random(SIZE) < 0.01
    yield Population("100 matches in 10,000", few, few ^ (random.random(SIZE) < 0.003), np.full(SIZE, 0.05), 0.05)
    bad = random.random(SIZE) < 0.2
    yield Population(
        "most matches wrong", bad, np.where(bad, random.random(SIZE) < 0.2, random.random(SIZE) < 0.02),
        np.full(SIZE, 0.05), 0.05,
    )  # fmt: skip


def real(name: str, path: Path, uniform: float) -> Population:
    """A student's judgements of a labelled set, with the chances that serve."""
    rows = [orjson.loads(line) for line in path.read_bytes().splitlines() if line]
    threshold = best_threshold(rows)
    judged = [decision(number, row["probability"], threshold) for number, row in enumerate(rows)]
    scale = Scale(uniform, 1.0)
    chance = np.array([max(chances(base_rates(each, (), False, SETTINGS), scale).values()) for each in judged])
    predicted = np.array([each.verdict == "match" for each in judged])
    return Population(name, predicted, np.array([row["label"] == 1 for row in rows]), chance, uniform)


def best_threshold(rows: list[dict[str, Any]]) -> float:
    """Where precision and recall are about equal: as many published as there are. Only errors of both kinds matter."""
    count = sum(row["label"] == 1 for row in rows)
    return float(np.clip(sorted((row["probability"] for row in rows), reverse=True)[max(0, count - 1)], 0.01, 0.99))


def decision(number: int, probability: float, threshold: float) -> MatchDecision:
    """A production decision with this probability; only what the chances look at is meant."""
    first, second = (Side(key=f"{side}:{number}", effective_version=0, digest="d") for side in ("a", "b"))
    return MatchDecision.model_validate(
        {
            "decision_id": str(number), "pair_id": f"{first.key}#{second.key}", "query_key": first.key,
            "candidate_key": second.key, "first": first, "second": second,
            "verdict": "match" if probability >= threshold else "no_match", "probability": probability,
            "decided_by": "student", "bundle": BundleRef(name="b", version="1.0.0", digest="d"), "prompt_version": "1",
            "grammar_version": "1", "policy_version": "1",
            "source": Position(topic="t", partition=0, offset=number), "decided_at": "2026-01-01T00:00:00Z",
            "thresholds": Cuts(match=threshold, review_low=threshold, review_high=threshold),
        }
    )  # fmt: skip


def wald(good: Floats, bad: Floats) -> Interval:
    """The ratio estimate with its linearised variance and the normal's quantiles."""
    weights = np.concatenate([good, bad])
    if not len(weights):
        return Interval(float("nan"), 0.0, 1.0)
    right = np.concatenate([np.ones(len(good)), np.zeros(len(bad))])
    value = float((weights * right).sum() / weights.sum())
    error = float(np.sqrt((weights * (weights - 1) * (right - value) ** 2).sum()) / weights.sum())
    return Interval(value, value - Z * error, value + Z * error)


def measure(population: Population, rounds: int) -> dict[str, Any]:
    """Coverage of both intervals, mean width and bias of the estimate, over rounds of drawing and labelling."""
    truth = {"precision": population.precision, "recall": population.recall}
    seen: dict[str, list[tuple[float, bool, bool, float]]] = {"precision": [], "recall": []}
    drawn = []
    for number in range(rounds):
        places = np.array([place(f"{number} {row}") for row in range(len(population.chance))])
        rows = np.flatnonzero(places < population.chance)
        drawn.append(len(rows))
        found = quality(
            [
                Drawn(
                    bool(population.predicted[row]), bool(population.truth[row]), float(population.chance[row]),
                    population.uniform, bool(places[row] < population.uniform),
                )
                for row in rows
            ]
        )  # fmt: skip
        weights, match, same = 1 / population.chance[rows], population.predicted[rows], population.truth[rows]
        parts = {"precision": weights[match & ~same], "recall": weights[~match & same]}
        for name, interval in (("precision", found.precision), ("recall", found.recall)):
            plain = wald(weights[match & same], parts[name])
            seen[name].append(
                (
                    interval.value, interval.low <= truth[name] <= interval.high,
                    plain.low <= truth[name] <= plain.high, interval.high - interval.low,
                )
            )  # fmt: skip
    row: dict[str, Any] = {
        "population": population.name, "decisions": len(population.chance), "drawn": float(np.mean(drawn)),
        "chance_lowest": float(population.chance.min()), "chance_highest": float(population.chance.max()),
    }  # fmt: skip
    for name, values in seen.items():
        points = np.array([value for value, *_ in values])
        row[name] = {
            "truth": truth[name], "bias": float(np.nanmean(points) - truth[name]),
            "coverage": float(np.mean([held for _, held, _, _ in values])),
            "coverage_wald": float(np.mean([held for _, _, held, _ in values])),
            "width": float(np.mean([width for *_, width in values])),
        }  # fmt: skip
    return row


def markdown(rows: list[dict[str, Any]], rounds: int) -> str:
    """The table as a page."""
    worst = {name: min(row[name]["coverage"] for row in rows) for name in ("precision", "recall")}
    plain = min(row[name]["coverage_wald"] for row in rows for name in ("precision", "recall"))
    lines = [
        "# Coverage of the intervals of production precision and recall",
        "",
        f"{rounds:,} rounds of drawing and labelling a row; written by `python -m benchmarks.labeling`. Lowest coverage"
        f" of the 95% interval: precision **{worst['precision']:.1%}**, recall **{worst['recall']:.1%}**; of Wald's"
        f" interval: {plain:.1%}. Bias and width are in points.",
        "",
        "| population | decisions | drawn | chances | | truth | bias | coverage | Wald's | mean width |",
        "| --- | ---: | ---: | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        about = f"| {row['population']} | {row['decisions']:,} | {row['drawn']:.0f} "
        about += f"| {row['chance_lowest']:.3f} to {row['chance_highest']:.3f} "
        for name in ("precision", "recall"):
            one = row[name]
            lines.append(
                f"{about}| {name} | {one['truth']:.1%} | {100 * one['bias']:+.2f} | {one['coverage']:.1%}"
                f" | {one['coverage_wald']:.1%} | {100 * one['width']:.1f} |"
            )
            about = "| | | | "
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure all populations and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--scores", action="append", default=[], metavar="NAME=FILE", help="judgements of a labelled set"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seed", type=int, default=0, help="of the made populations")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table here")
    add_out(parser)
    given = parser.parse_args()
    found = list(made(given.seed))
    for text in given.scores:
        name, _, path = text.partition("=")
        found += [real(f"{name}, uniform {rate:.0%}", Path(path), rate) for rate in (0.02, 0.1)]
    rows = []
    for population in found:
        rows.append(measure(population, given.rounds))
        print(population.name, {name: rows[-1][name]["coverage"] for name in ("precision", "recall")}, flush=True)
    page = markdown(rows, given.rounds)
    print(page)
    if given.markdown:
        given.markdown.write_text(page, encoding="utf-8")
    write(surroundings("labeling") | {"rounds": given.rounds, "seed": given.seed, "rows": rows}, given.out)


if __name__ == "__main__":
    main()
