"""Make the report: judge what has not been judged, measure, and put every number into one JSON-ready object."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas.policy import Policy
from train.evaluation.evaluate import Scored, judge_pairs
from train.pairs.pairs import Pair
from train.report.attributes import Verdicts, attribute_section
from train.report.baselines import boosting_scores, token_jaccard
from train.report.cache import CachedJudge, Kept, digest_of
from train.report.floors import judge_floors
from train.report.holdout import HeldOutRun, holdout_section
from train.report.inputs import AUDITED_SET, Inputs
from train.report.measures import best_threshold, rounded
from train.report.minilm import NoEmbeddingsError, cosine
from train.report.mistakes import mistakes
from train.report.published import published_of
from train.report.reinforcement import ablation_section
from train.report.sections import (
    Baseline,
    audit_section,
    boosting_transfer,
    bundle_section,
    calibration_section,
    products_section,
    sets_section,
    slices_section,
)
from train.report.slices import Background

FORMAT = 1
# Progress: a task's name, how many pairs it has, how many more are done.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Learned:
    """What the training pairs gave: baselines' scores, brands and titles, and the digest of the pairs."""

    digest: str
    background: Background
    jaccard: Mapping[str, float]
    boosting: Mapping[str, Mapping[str, Mapping[str, list[float]]]]


def build_report(
    judge: CachedJudge,
    inputs: Inputs,
    kept: Kept,
    runs: Sequence[HeldOutRun] = (),
    robustness: Mapping[str, Any] | None = None,
    ablation: Mapping[str, Any] | None = None,
    policy: Policy | None = None,
    threads: int = 1,
    limit: int | None = None,
    progress: Progress = lambda name, total, done: None,
) -> dict[str, Any]:
    """All numbers of the report card.

    Args:
        judge: the bundle, with what it said before.
        inputs: pairs, training pairs and teacher's verdicts.
        kept: what the baselines computed before.
        runs: runs that held a set or products out of training.
        robustness: what the robustness suites found (`train.evaluation.suites.run`).
        ablation: what reinforcement learning adds (`train.report.reinforcement`).
        policy: thresholds of a match and of review; the bundle's where it sets none.
        threads: CPU threads of the judge, to name beside its speed.
        limit: how many pairs of each set were kept, to say so.
        progress: told of each judged group of pairs.
    """
    manifest = judge.manifest
    resolved = (policy or Policy()).resolved(manifest.thresholds)
    assert resolved.match_threshold is not None
    cut = resolved.match_threshold

    def score(name: str, pairs: Sequence[Pair]) -> Scored:
        progress(name, len(pairs), 0)
        return judge_pairs(judge, pairs, progress=lambda done: progress(name, len(pairs), done))

    scored = {name: score(name, pairs) for name, pairs in inputs.tests.items()}
    products = score("products", inputs.products)
    taught = score("attributes", [row.pair for row in inputs.teacher])
    learned = learn(inputs, kept)
    said: list[Verdicts] = [
        {} if item is None else {name: verdict.verdict for name, verdict in item.attributes.items()}
        for item in taught.judgements
    ]
    report: dict[str, Any] = {
        "format": FORMAT,
        "bundle": bundle_section(manifest),
        "policy": {**resolved.model_dump(mode="json", exclude={"costs", "explain"}), "threshold": cut},
        "run": {
            "limit": limit,
            "files": dict(inputs.files),
            "file_pairs": dict(inputs.file_pairs),
            "pairs": {name: len(pairs) for name, pairs in inputs.tests.items()},
            "training_pairs_digest": learned.digest,
            "same_training_pairs": learned.digest == manifest.training_digest,
        },
        "sets": sets_section(scored, cut, _baselines(inputs, kept, learned)),
        "holdout": {
            **holdout_section(runs),
            "boosting": boosting_transfer(learned.boosting, inputs.tests, inputs.validation),
            "published": {
                name: [figure.model_dump() for figure in published_of(name, left_out=True)] for name in inputs.tests
            },
        },
        "products": products_section(products, cut),
        "slices": slices_section(scored, cut, learned.background),
        "attributes": attribute_section([row.taught(learned.background.brands) for row in inputs.teacher], said),
        "calibration": calibration_section(list(scored.values()), resolved, judge.manifest.quality.get("targets")),
        "robustness": robustness,
        "reinforcement": ablation_section(ablation, manifest),
        "audit": audit_section(scored.get(AUDITED_SET), cut, inputs.audit, inputs.published_rate),
        "speed": {
            "n": judge.judged,
            "pairs_per_second": rounded(judge.judged / judge.seconds) if judge.seconds else None,
            "cpus": os.cpu_count(),
            "threads": threads,
        },
        "mistakes": mistakes(judge, scored, cut, {key: item.decision for key, item in inputs.audit.items()}),
    }
    report["floors"] = judge_floors(report)
    return report


def learn(inputs: Inputs, kept: Kept) -> Learned:
    """What depends on the training pairs: computed on first use, for these very pairs."""

    def compute() -> dict[str, Any]:
        training = inputs.training()
        background = training.background()
        cuts = {}
        for name in inputs.tests:
            own = [pair for pair in training.pairs if pair.origin == name]
            cuts[name] = best_threshold(np.array([pair.label == 1 for pair in own], dtype=np.bool_), token_jaccard(own))
        return {
            "digest": training.digest,
            "brands": sorted(background.brands),
            "seen": sorted(background.seen),
            "jaccard": cuts,
            "boosting": boosting_scores(training.pairs, inputs.tests, inputs.validation),
        }

    value = kept.get("training", digest_of(inputs.training_key, _key(inputs.tests), _key(inputs.validation)), compute)
    background = Background(frozenset(value["brands"]), frozenset(value["seen"]))
    return Learned(value["digest"], background, value["jaccard"], value["boosting"])


def _baselines(inputs: Inputs, kept: Kept, learned: Learned) -> dict[str, Baseline]:
    """Token-Jaccard (threshold from train), boosting and MiniLM (from the set's own validation)."""
    found = {
        "token_jaccard": Baseline({key: token_jaccard(pairs) for key, pairs in inputs.tests.items()}, learned.jaccard)
    }
    if everything := learned.boosting.get("all"):
        found["boosting"] = _validated(everything["test"], everything["valid"], inputs, probabilities=True)

    def embed() -> dict[str, dict[str, list[float]]]:
        return {
            "test": {name: cosine(pairs).tolist() for name, pairs in inputs.tests.items()},
            "valid": {name: cosine(pairs).tolist() for name, pairs in inputs.validation.items()},
        }

    try:
        cosines = kept.get("minilm", digest_of(_key(inputs.tests), _key(inputs.validation)), embed)
        found["minilm"] = _validated(cosines["test"], cosines["valid"], inputs, probabilities=False)
    except NoEmbeddingsError:
        found["minilm"] = Baseline({}, {})
    return found


def _validated(
    test: Mapping[str, Sequence[float]], valid: Mapping[str, Sequence[float]], inputs: Inputs, *, probabilities: bool
) -> Baseline:
    cuts = {
        name: best_threshold(
            np.array([pair.label == 1 for pair in inputs.validation[name]], dtype=np.bool_), np.array(scores)
        )
        for name, scores in valid.items()
    }
    return Baseline({name: np.array(scores) for name, scores in test.items()}, cuts, probabilities)


def _key(sets: Mapping[str, Sequence[Pair]]) -> str:
    """Digest of the pairs of all sets, with their labels."""
    return digest_of(
        {
            name: [[pair.left.digest(), pair.right.digest(), pair.label] for pair in pairs]
            for name, pairs in sets.items()
        }
    )
