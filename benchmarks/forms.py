"""Which form should the answer have: parallel slots, verdicts fed back before the answer, or the answer alone?

    .venv/bin/python -m benchmarks.forms --form parallel|feedback|answer --steps 260 --seed 1 --out runs/forms
    .venv/bin/python -m benchmarks.forms --table --out runs/forms [--write docs/method.md]

The first line trains and scores one form (20 minutes at most); the second compares all that were run. Every form sees
the same rows of at most 384 tokens from the same pairs in the same order of seeds: equal tokens, and so more pairs
where a pair is shorter. Scored are validation pairs, never test. Calibration and threshold of a pair come from the
other half of the pairs. `train/sft/forms.py` says what the forms are.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmarks import output
from benchmarks.forms_table import SECTION, rows_of, section
from train.pairs.guard import validation_files
from train.pairs.mixture import Mixture
from train.pairs.pairs import Pair, read_pairs
from train.sft.config import SftConfig
from train.sft.forms import FORMS, Form, FormEncoder, encoder_of, judge
from train.sft.recipe import run_sft
from train.sft.scorer import load_student

PAIRS = 400
"""Validation pairs of each set: half of them give the threshold of the other half."""
MINUTES = 20.0
SAMPLE_SEED = 11


def settings(steps: int, seed: int, **values: Any) -> SftConfig:
    """What all forms share. No sentences: the forms differ before them."""
    fixed = {"learning_rate": 8e-4, "average": 0.98, "sentence_share": 0.0, "minutes": MINUTES, "save_steps": 100}
    return SftConfig.model_validate({**fixed, "seed": seed, "max_steps": steps, **values})


def sampled(count: int) -> dict[str, list[Pair]]:
    """A seeded uniform sample of each validation set."""
    found = {}
    for origin, path in validation_files().items():
        pairs = read_pairs(path, origin)
        found[origin] = random.Random(SAMPLE_SEED).sample(pairs, min(count, len(pairs)))
    return found


def measure(form: Form, run: Path, base: str, sets: Mapping[str, Sequence[Pair]]) -> dict[str, Any]:
    """Logits and labels of each set, tokens of a pair's suffix, and pairs a second."""
    model, plain = load_student(base, run / "adapter")
    encoder = FormEncoder(plain.encode, form)
    scores: dict[str, Any] = {}
    tokens = []
    started = time.perf_counter()
    for origin, pairs in sets.items():
        found = judge(model, encoder, pairs)
        tokens.append(found.tokens)
        scores[origin] = {"logits": found.logits.round(4).tolist(), "labels": [pair.label for pair in pairs]}
    seconds = time.perf_counter() - started
    count = sum(len(pairs) for pairs in sets.values())
    return {"scores": scores, "suffix_tokens": float(np.mean(tokens)), "pairs_per_second": round(count / seconds, 2)}


def run_form(
    form: Form, config: SftConfig, out: Path, sets: Mapping[str, Sequence[Pair]], mixture: Mixture | None = None
) -> Path:
    """Train and score one form; writes ``FORM-SEED.json`` beside its run and returns it."""
    run = out / f"{form}-{config.seed}"
    run_sft(config, run, mixture, None, encoder_of(form))
    training = orjson.loads((run / "training.json").read_bytes())
    report = {
        **output.surroundings("forms"),
        "form": form,
        "seed": config.seed,
        "steps": training["steps"],
        "stopped_by": training["stopped_by"],
        "seen": training["seen"],
        "train_seconds": training["seconds"],
        "data_digest": training["data"]["digest"],
        **measure(form, run, config.base, sets),
    }
    path = out / f"{form}-{config.seed}.json"
    output.write(report, path)
    return path


def write_section(path: Path, text: str, name: str = SECTION) -> None:
    """Put the section into a Markdown page, in place of the one that stands there; a missing page is made."""
    page = path.read_text(encoding="utf-8") if path.is_file() else "# How the student is made, and why so\n"
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    if begin in page and end in page:
        before, after = page.partition(begin)[0], page.partition(end)[2]
    else:
        before, after = page.rstrip("\n") + "\n\n", "\n"
    path.write_text(f"{before}{begin}\n{text}{end}{after}", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.forms", description="Which form the answer should have."
    )
    parser.add_argument("--form", choices=FORMS)
    parser.add_argument("--table", action="store_true", help="compare what was run")
    parser.add_argument("--steps", type=int, default=260)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--base", default="default")
    parser.add_argument("--limit", type=int, help="only so many training pairs (a trial)")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="validation pairs of each set")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="with --table: put it into this Markdown page")
    given = parser.parse_args(arguments)
    if given.form is None and not given.table:
        parser.error("give --form to run one, or --table to compare")
    if given.form is not None:
        config = settings(given.steps, given.seed, base=given.base, limit=given.limit, threads=given.threads)
        given.out.mkdir(parents=True, exist_ok=True)
        print(run_form(given.form, config, given.out, sampled(given.pairs)))
    if given.table:
        runs = [orjson.loads(path.read_bytes()) for path in sorted(given.out.glob("*-*.json"))]
        if not runs:
            parser.error(f"--out {given.out}: no form was run there")
        text = section(rows_of(runs))
        print(text)
        if given.write is not None:
            write_section(given.write, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
