"""The tables, and that the benchmark of the stream runs on the serving install."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.abt_buy import SPLITS
from benchmarks.distance import count, expected, fates, matches_of, sides, standing_matches, steps
from benchmarks.rates import partitions, rates, stages
from benchmarks.show import stream_report
from tests.benchmarks.making import BEGIN
from tests.benchmarks.test_distance import LABELLED, STANDING
from tests.benchmarks.test_rates import ANSWERS, scrape

NOT_SERVING = ("torch", "transformers", "peft", "trl", "optimum", "sklearn", "scipy", "datasets")


def report() -> dict[str, Any]:
    true = {pair for pair, is_match in LABELLED.items() if is_match}
    walked = steps(LABELLED, true, STANDING)
    measured: dict[str, Any] = {
        "pairs": len(LABELLED),
        "matches": len(true),
        "stream": count(matches_of(STANDING) & LABELLED.keys(), true).as_json(),
        "fates_of_matches": fates(true, STANDING),
    }
    alone = {
        "expected": expected(walked[0].counts, LABELLED, STANDING),
        "steps": [{"cause": step.cause, **step.counts.as_json()} for step in walked],
        "sides": sides(LABELLED, true, STANDING, 0.5, "abt"),
    }
    return {
        "bundle": {"name": "tiny", "version": "1.0.0", "digest": "c" * 64},
        "settings": {"k": 5, "workers": 1, "match_threshold": 0.5, "review_low": 0.4, "review_high": 0.6},
        "offers": 4,
        "splits": {split: measured | (alone if split == "test" else {}) for split in SPLITS},
        "catalogue": {
            "standing_matches": standing_matches(STANDING, LABELLED, true, true),
            "against_known": count(matches_of(STANDING), true).as_json(),
            "against_known_labelled_pairs_only": measured["stream"],
            "against_truth": count(matches_of(STANDING), true).as_json(),
            "fates_of_known": fates(true, STANDING),
        },
        "rates": rates(ANSWERS, list(STANDING.values()), BEGIN) | {"ready_seconds": 1.0},
        "partitions": partitions(ANSWERS, BEGIN),
        "stages": stages([scrape(1.0)], len(ANSWERS)),
    }


def test_every_fate_and_group_is_told() -> None:
    out = io.StringIO()
    stream_report(report(), Console(file=out, width=120))
    text = out.getvalue()
    for words in (
        "never named by blocking", "in review: a contradiction", "judged from the other side",
        "unlabelled, in no mapping", "two offers of one seller", "slowest partition", "judging, ms per pair",
    ):  # fmt: skip
        assert words in text
    assert text.index("test") < text.index("valid") < text.index("train")


def test_the_serving_install_is_enough() -> None:
    block = f"import sys; sys.modules.update(dict.fromkeys({NOT_SERVING!r}))"
    code = f"{block}; import benchmarks.stream, benchmarks.startup"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
