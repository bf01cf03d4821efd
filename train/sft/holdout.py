"""Cross-validation over sets and products: train with something held out, then score what was and what was not.

A run's folder gets, beside what every run leaves, ``scores.jsonl.gz`` (`scores`; splits ``valid``, ``test`` and
``by-product``) and ``holdout.json``, which says what was held out of which training data and names the adapter that
scored. Test pairs are scored, and nothing is chosen by them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from train.pairs.mixture import Mixture
from train.pairs.pairs import Pair
from train.pairs.products import held_test_pairs
from train.sft.config import SftConfig
from train.sft.identity import TRAINING_FILE, is_finished
from train.sft.recipe import Sample, run_sft
from train.sft.scores import SetName, evaluation_sets, score_sets, write_scores

FACTS, SCORES = "holdout.json", "scores.jsonl.gz"
Progress = Callable[[SetName, int], None]


def sha256(path: Path) -> str:
    """Of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def holdout_sets(config: SftConfig, root: Path | None = None) -> dict[SetName, list[Pair]]:
    """What a run is scored on: validation and test of all sets, and of those trained on the test pairs by product."""
    sets = evaluation_sets(["valid", "test"], root)
    origins = [origin for origin, split in sets if split == "test" and origin not in config.leave_out]
    if config.hold_products:
        for origin in origins:
            sets[origin, "by-product"] = held_test_pairs(root, origin, config.hold_products, config.hold_seed)
    return sets


def run_holdout(
    config: SftConfig,
    out: Path,
    *,
    mixture: Mixture | None = None,
    sample: Sample | None = None,
    sets: Mapping[SetName, Sequence[Pair]] | None = None,
    progress: Progress = lambda name, done: None,
) -> Path:
    """Train and score; what stands in the folder already is not done again. Returns the file of scores.

    Args:
        config: with ``leave_out`` or ``hold_products``.
        out: folder of the run.
        mixture, sample: as in :func:`train.sft.recipe.run_sft`.
        sets: what to score; default: :func:`holdout_sets`.
        progress: told how many pairs of which set were scored.

    Raises:
        ValueError: the configuration holds nothing out, or goes on from an adapter that may have seen what it holds.
    """
    if not config.leave_out and not config.hold_products:
        raise ValueError("nothing is held out: name leave_out or hold_products")
    check_start(config)
    scores = out / SCORES
    if not is_finished(out, config):
        run_sft(config, out, mixture, sample)
    from accelerate import PartialState

    if not PartialState().is_main_process or _is_scored(out):
        return scores
    from train.sft.scorer import load_student

    model, encoder = load_student(config.base, out / "adapter")
    chosen = holdout_sets(config) if sets is None else sets
    write_scores(scores, score_sets(model, encoder, chosen, progress))
    _write_facts(out)
    return scores


def check_start(config: SftConfig) -> None:
    """Refuse to go on from an adapter that was trained on what is held out, or of which nothing is known.

    A recipe that is run first is told to hold out the same.
    """
    if config.init is None or config.init.endswith(".toml"):
        return
    try:
        before = orjson.loads((Path(config.init).parent / TRAINING_FILE).read_bytes())["config"]
    except (OSError, orjson.JSONDecodeError, KeyError):
        before = {}
    held = [before.get("hold_products", 0.0), before.get("hold_seed")] == [config.hold_products, config.hold_seed]
    if not set(config.leave_out) <= set(before.get("leave_out", ())) or (config.hold_products and not held):
        raise ValueError(
            f"init: the adapter in {config.init} may have been trained on what is held out here; go on from a recipe"
            " file, which is then run with the same held out, or from an adapter of such a run"
        )


def _adapter(run: Path) -> Path:
    return run / "adapter" / "adapter_model.safetensors"


def _is_scored(run: Path) -> bool:
    try:
        facts = orjson.loads((run / FACTS).read_bytes())
        return bool(facts["adapter_sha256"] == sha256(_adapter(run)) and facts["scores_sha256"] == sha256(run / SCORES))
    except (OSError, orjson.JSONDecodeError, KeyError):
        return False


def _write_facts(run: Path) -> None:
    training: dict[str, Any] = orjson.loads((run / TRAINING_FILE).read_bytes())
    facts = {
        "config": training["config"],
        "data": training["data"],
        "left_out": training["config"]["leave_out"],
        "hold_products": training["config"]["hold_products"],
        "steps": training["steps"],
        "seconds": training["seconds"],
        "adapter_sha256": sha256(_adapter(run)),
        "scores_sha256": sha256(run / SCORES),
    }
    part = run / f".{FACTS}.part"
    part.write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    os.replace(part, run / FACTS)


def publish(run: Path, folder: Path) -> None:
    """Copy facts and scores to ``folder`` under the run's name, where a report looks for the runs of a student."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{run.name}.json").write_bytes((run / FACTS).read_bytes())
    (folder / f"{run.name}.jsonl.gz").write_bytes((run / SCORES).read_bytes())
