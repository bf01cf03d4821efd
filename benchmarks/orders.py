"""Does it matter which of two offers stands first, and what does judging doubtful pairs in both orders change?

    .venv/bin/python -m benchmarks.orders [--bundle DIR] [--pairs 400] [--margins 0 1 2] [--out orders.json]

A seeded sample of the pairs that calibration uses (validation, never test) is judged once in each order. What every
margin of `both_orders_within` does follows from those logits, for a pair's logits do not depend on its company. Work:
`--pairs` of each of four sets, twice. `docs/benchmarks/orders.md` says what each number means.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import output
from samesku.progress import BytesProgress
from schemas.bundle import BundleError, BundleManifest
from schemas.settings import load_settings
from train.evaluation.evaluate import judge_pairs
from train.evaluation.metrics import Bools, Floats, match_counts
from train.pairs.guard import validation_files
from train.pairs.pairs import Pair, PairFileError, read_pairs, read_rows
from worker.student.locate import find_bundle
from worker.student.recipe import TOKENIZER_FILE
from worker.student.student import Student
from worker.student.tokens import Tokens

CANDIDATES = 5
"""Candidates of a query in the reckoning of costs: the worker's default."""


@dataclass(frozen=True)
class Both:
    """Pairs of one set in both orders: arrays [pairs].

    `forward` are the answer logits with the left offer as the query, `backward` with the right one. `shared` and
    `own` are tokens: of the query's part, which its candidates share, and of what follows it; `whole` is the prompt
    of the other order.
    """

    labels: Bools
    forward: Floats
    backward: Floats
    shared: Floats
    own: Floats
    whole: Floats

    @classmethod
    def of(cls, rows: Sequence[dict[str, Any]]) -> Both:
        """From the rows of a scores file."""
        columns = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in ROW[2:]}
        return cls(np.array([row["label"] == 1 for row in rows], dtype=np.bool_), **columns)


ROW = ("set", "label", "forward", "backward", "shared", "own", "whole")


def outcome(both: Both, margin: float, manifest: BundleManifest) -> dict[str, float]:
    """What a margin does, at the thresholds of the bundle.

    `twice`: share of pairs judged in both orders, the mean of both sides. `flips`: share of pairs whose verdict depends
    on which offer is the query. `extra_compute`: tokens of the second passes by those of the first ones, with
    `CANDIDATES` to a query. F1, precision and recall are those of the left offer as the query.
    """
    mean = (both.forward + both.backward) / 2
    careful = BundleManifest.model_validate({**manifest.model_dump(), "both_orders_within": margin})
    doubtful = [np.array([careful.in_doubt(logit) for logit in side]) for side in (both.forward, both.backward)]
    boundary = manifest.calibration.logit(manifest.thresholds.match)
    sides = [
        np.where(twice, mean, side) >= boundary
        for twice, side in zip(doubtful, (both.forward, both.backward), strict=True)
    ]
    counts = match_counts(both.labels, sides[0])
    second = both.whole * np.mean(doubtful, axis=0)
    return {
        "margin": margin,
        "twice": float(np.mean(doubtful)),
        "extra_compute": float(second.sum() / (both.shared / CANDIDATES + both.own).sum()),
        "flips": float(np.mean(sides[0] != sides[1])),
        "f1": counts.f1,
        "precision": counts.precision,
        "recall": counts.recall,
    }


def joined(sets: Sequence[Both]) -> Both:
    """All sets as one; equally many pairs of each weigh alike."""
    return Both(*(np.concatenate([getattr(both, name) for both in sets]) for name in Both.__dataclass_fields__))


def score(name: str, student: Student, tokens: Tokens, pairs: Sequence[Pair], console: Console) -> list[dict[str, Any]]:
    """Judge the pairs in both orders; one row of `ROW` a pair."""
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(name, total=2 * len(pairs))
        forward, backward = (
            judge_pairs(student, pairs, swap=swap, progress=lambda done: progress.advance(task, done)).logits()
            for swap in (False, True)
        )
    rows: list[dict[str, Any]] = []
    for pair, one, other in zip(pairs, forward, backward, strict=True):
        lengths = (
            len(tokens.prefix(pair.left)),
            len(tokens.suffix(pair.left, pair.right)),
            len(tokens.prompt(pair.right, pair.left)),
        )
        rows.append(dict(zip(ROW, (name, pair.label, float(one), float(other), *lengths), strict=True)))
    return rows


def run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Score and reckon. Raises BundleError, PairFileError and OSError."""
    report = output.surroundings("orders")
    cache = load_settings().student.cache_dir
    with BytesProgress(console, "building the bundle") as building:
        folder = find_bundle(args.bundle, building, Path(cache) if cache else None)
    # A margin that the bundle has would hide what one order alone says.
    student = Student.load(folder, args.threads).with_both_orders_within(None)
    if args.scores is not None and args.scores.is_file():
        rows = list(read_rows(args.scores))
    else:
        rows, tokens = [], Tokens(folder / TOKENIZER_FILE)
        for name, path in validation_files().items():
            pairs = read_pairs(path)
            sample = random.Random(args.seed).sample(pairs, min(args.pairs, len(pairs)))
            rows += score(name, student, tokens, sample, console)
        if args.scores is not None:
            args.scores.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    sets = {
        name: Both.of([row for row in rows if row["set"] == name]) for name in dict.fromkeys(r["set"] for r in rows)
    }
    sets["all"] = joined(list(sets.values()))
    return report | {
        "bundle": output.bundle_facts(student.manifest),
        "settings": {"pairs": args.pairs, "seed": args.seed, "candidates": CANDIDATES},
        "sets": {
            name: {
                "pairs": len(both.labels),
                "mean_logit_move": float(np.mean(np.abs(both.forward - both.backward))),
                "margins": [outcome(both, margin, student.manifest) for margin in args.margins],
            }
            for name, both in sets.items()
        },
    }


def show(report: dict[str, Any], console: Console) -> None:
    """Print the table; `%` columns are shares of pairs."""
    table = Table("set", "margin", "judged twice, %", "extra compute, %", "flips, %", "F1", "P", "R")
    for name, found in report["sets"].items():
        for row in found["margins"]:
            shares = (f"{100 * row[key]:.1f}" for key in ("twice", "extra_compute"))
            quality = (f"{100 * row[key]:.1f}" for key in ("f1", "precision", "recall"))
            table.add_row(name, f"{row['margin']:g}", *shares, f"{100 * row['flips']:.2f}", *quality)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", default="default", help="folder of a bundle, or 'default' (the committed student)")
    parser.add_argument("--pairs", type=int, default=400, help="pairs of each validation set")
    parser.add_argument("--seed", type=int, default=0, help="of the samples")
    parser.add_argument("--margins", type=float, nargs="+", default=[0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0], help="nats")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--scores", type=Path, help="the logits: read if the file is there, else written")
    output.add_out(parser)
    args = parser.parse_args()
    if args.pairs < 1 or min(args.margins) < 0:
        parser.error("--pairs must be at least 1, and no margin below 0")
    try:
        report = run(args, Console(stderr=True, highlight=False))
        output.write(report, args.out)
    except (BundleError, PairFileError, OSError) as error:
        sys.exit(f"orders: {error}")
    show(report, Console(highlight=False))


if __name__ == "__main__":
    main()
