"""What reinforcement learning adds to SFT that goes on: the ablation, as a benchmark with its JSON.

    .venv/bin/python -m benchmarks.ablation --out runs/ablation [--arms sft,label,full] [--seeds 1,2,3] [--write PAGE]

The same as `samesku train ablate`; here the table is also put into a Markdown page, between its marks.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.forms import write_section
from train.rl.ablation import Plan, run_ablation
from train.rl.arms import ON_CPU
from train.rl.config import read_config

SECTION = "ablation"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablation", description="What RL adds to SFT.")
    parser.add_argument("--config", type=Path, default=Path("train/recipes/rl.toml"), metavar="TOML")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--arms", default=",".join(ON_CPU))
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--minutes", type=float, help="of training, for each arm and seed")
    parser.add_argument("--pairs", type=int, default=400, help="of each validation and test set")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this Markdown page")
    given = parser.parse_args(arguments)
    plan = Plan(given.arms.split(","), [int(seed) for seed in given.seeds.split(",")], given.pairs)
    page = run_ablation(read_config(given.config, minutes=given.minutes), given.out, plan, say=print)
    text = page.read_text(encoding="utf-8")
    print(text)
    if given.write is not None:
        write_section(given.write, text, SECTION)
    return 0


if __name__ == "__main__":
    sys.exit(main())
