"""The sections of the report: pure functions from judged pairs to JSON-ready tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from schemas.bundle import BundleManifest, Thresholds
from schemas.policy import Policy, decide
from train.calibration.curves import RiskCoverage, reliability, risk_coverage, summary
from train.evaluation.evaluate import Scored
from train.evaluation.metrics import CONFIDENCE, Bools, Floats
from train.pairs.pairs import Pair
from train.report.holdout import HeldOutRun, transferred
from train.report.measures import f1_difference, measured, proportion, rounded
from train.report.published import published_of
from train.report.slices import Background, extremes, false_matches, sliced
from train.verification.audit import Audited, correct

COVERAGES = (0.5, 0.8, 0.9, 0.95, 1.0)
Scores = Mapping[str, Floats]


@dataclass(frozen=True)
class Baseline:
    """A scorer's scores on the test pairs of each set, its threshold for each, and whether they are probabilities."""

    scores: Scores
    thresholds: Mapping[str, float]
    probabilities: bool = False


def chances(scored: Scored) -> Floats:
    """Calibrated probabilities [pairs]; 0 where the student gave no readable answer."""
    return np.nan_to_num(scored.probabilities(), nan=0.0)


def bundle_section(manifest: BundleManifest) -> dict[str, Any]:
    """Which bundle this is."""
    return {
        "name": manifest.name,
        "version": manifest.version,
        "digest": manifest.digest(),
        "base": manifest.base,
        "precision": manifest.precision,
        "adapter_sha256": manifest.adapter_sha256,
        "training_digest": manifest.training_digest,
        "trained_on": manifest.trained_on,
        "both_orders_within": manifest.both_orders_within,
        "thresholds": manifest.thresholds.model_dump(mode="json"),
        "calibration": manifest.calibration.model_dump(mode="json"),
    }


def sets_section(
    scored: Mapping[str, Scored], threshold: float, baselines: Mapping[str, Baseline]
) -> dict[str, dict[str, Any]]:
    """Each set: the student, what it stands beside, F1 minus each baseline's, and published in-domain figures."""
    found: dict[str, dict[str, Any]] = {}
    for name, result in scored.items():
        labels, probabilities = result.labels(), chances(result)
        row: dict[str, Any] = {
            "student": measured(labels, probabilities, threshold),
            "parse_rate": rounded(np.isfinite(result.probabilities()).mean()),
        }
        for key, baseline in baselines.items():
            if name not in baseline.scores:
                row[key] = None
                continue
            scores, cut = baseline.scores[name], baseline.thresholds[name]
            row[key] = measured(labels, scores, cut, baseline.probabilities)
            row[f"against_{key}"] = f1_difference(labels, probabilities >= threshold, scores >= cut)
        row["published"] = [figure.model_dump() for figure in published_of(name, left_out=False)]
        found[name] = row
    return found


def boosting_transfer(
    scores: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]],
    tests: Mapping[str, Sequence[Pair]],
    validation: Mapping[str, Sequence[Pair]],
) -> dict[str, dict[str, Any]]:
    """Gradient boosting on each left-out set, with the student's own rule for calibration and threshold.

    ``scores`` is what `train.report.baselines.boosting_scores` returns.
    """
    found = {}
    for name in tests:
        if name not in scores:
            continue
        pairs = {(other, "valid"): validation[other] for other in scores[name]["valid"]}
        splits = {
            split: (_logits(scores[name]["valid"][split[0]]), _labels(members)) for split, members in pairs.items()
        }
        splits[name, "test"] = _logits(scores[name]["test"][name]), _labels(tests[name])
        found[name] = transferred(HeldOutRun("boosting", {"left_out": [name]}, splits), name)
    return found


def slices_section(scored: Mapping[str, Scored], threshold: float, background: Background) -> dict[str, Any]:
    """Slices of each set, the false matches among hard and other non-matches, the worst slice and the best."""
    rows = {name: sliced(result.pairs, chances(result), threshold, background) for name, result in scored.items()}
    return {
        **extremes(rows),
        "sets": rows,
        "false_matches": {
            name: false_matches(result.pairs, chances(result), threshold) for name, result in scored.items()
        },
    }


def products_section(scored: Scored, threshold: float) -> dict[str, Any]:
    """Pairs of products that no stage of training saw."""
    labels, probabilities = scored.labels(), chances(scored)
    hard = np.array([bool(pair.meta.get("is_hard_negative")) for pair in scored.pairs], dtype=np.bool_)
    return {
        "all": measured(labels, probabilities, threshold),
        "matches_and_hard_negatives": measured(labels[labels | hard], probabilities[labels | hard], threshold),
        "false_matches": false_matches(scored.pairs, probabilities, threshold),
    }


def audit_section(
    scored: Scored | None, threshold: float, audit: Mapping[str, Audited], published_rate: float | None
) -> dict[str, Any] | None:
    """The set that people audited, by gold and by audited labels; None where none of its pairs was audited."""
    if scored is None or not any(pair.pair_id in audit for pair in scored.pairs):
        return None
    return correct(scored.pairs, chances(scored) >= threshold, audit, published_rate).as_json()


def calibration_section(
    scored: Sequence[Scored], policy: Policy, targets: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Calibration on all pairs pooled, and what the policy decides by itself.

    ``auto_match.precision_bound`` is the one-sided 95% lower bound (Clopper & Pearson 1934).

    Args:
        scored: judged test sets.
        policy: with its thresholds resolved.
        targets: the bundle's ``quality.targets``: a ``precision`` and the ``thresholds`` that validation chose for it.
            What they decide on the tests is ``at_target``; None: None.
    """
    labels = np.concatenate([result.labels() for result in scored])
    probabilities = np.concatenate([chances(result) for result in scored])
    facts = summary(labels, probabilities)
    assert policy.match_threshold is not None
    curve = risk_coverage(labels, probabilities, policy.match_threshold)
    verdicts = _verdicts(scored, policy)
    at_target = None
    if targets is not None:
        cuts = Policy(contradiction=policy.contradiction).resolved(Thresholds.model_validate(targets["thresholds"]))
        aimed = _verdicts(scored, cuts)
        at_target = {
            "precision_target": targets["precision"],
            "met_on_validation": targets["met_on_validation"],
            "thresholds": targets["thresholds"],
            "auto_match": _automatic(aimed == "match", labels),
            "review": proportion(int((aimed == "review").sum()), len(labels)),
        }
    return {
        "n": facts.pop("pairs"),
        **facts,
        "auto_match": _automatic(verdicts == "match", labels),
        "auto_reject": _automatic(verdicts == "no_match", ~labels),
        "at_target": at_target,
        "review": proportion(int((verdicts == "review").sum()), len(labels)),
        "risk_coverage": {
            "aurc": rounded(curve.aurc),
            "aurc_best": rounded(curve.aurc_best),
            "points": _risks(curve, COVERAGES),
            "curve": _risks(curve, [step / 100 for step in range(1, 101)]),
        },
        "reliability": [
            {key: value if isinstance(value, int) else rounded(value) for key, value in vars(each).items()}
            for each in reliability(labels, probabilities)
        ],
    }


def _verdicts(scored: Sequence[Scored], policy: Policy) -> npt.NDArray[np.str_]:
    return np.array(
        [
            "no_match" if item is None else decide(item.probability, item.attributes, policy).verdict
            for result in scored
            for item in result.judgements
        ]
    )


def _risks(curve: RiskCoverage, coverages: Sequence[float]) -> list[dict[str, float]]:
    return [{"coverage": coverage, "risk": rounded(curve.at(coverage))} for coverage in coverages]


def _automatic(decided: Bools, right: Bools) -> dict[str, Any]:
    n, hits = int(decided.sum()), int((decided & right).sum())
    bound = binomtest(hits, n, alternative="greater").proportion_ci(CONFIDENCE, method="exact").low if n else None
    return {
        "n": n,
        "hits": hits,
        "precision": rounded(hits / n) if n else None,
        "precision_bound": None if bound is None else rounded(bound),
        "coverage": rounded(n / len(decided)),
    }


def _labels(pairs: Sequence[Pair]) -> Bools:
    return np.array([pair.label == 1 for pair in pairs], dtype=np.bool_)


def _logits(probabilities: Sequence[float]) -> Floats:
    values = np.clip(np.array(probabilities, dtype=np.float64), 1e-9, 1 - 1e-9)
    return np.asarray(np.log(values / (1 - values)), dtype=np.float64)
