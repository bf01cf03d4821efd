"""What is measured at every panel, from the slots' logits of held-out pairs. Pure functions.

Everything is an exact expectation under the policy, so a panel has no sampling noise but that of its pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from schemas.rationale import ATTRIBUTES, VERDICTS
from train.evaluation.metrics import match_counts
from train.pairs.mixture import TrainingPair
from train.report.measures import best_threshold
from train.rewards import Floats, Ints, RewardConfig, outcome_terms, total
from train.rl.hacking import Reading
from train.rl.policy import divergence, entropy, expected, log_probabilities, match_probability, proper

UNKNOWN = VERDICTS.index("unknown")
GOLD = ("gold_brier", "gold_answer", "gold_verdict")
"""Gold signals of the monitor; the held-out judge is the fourth."""


@dataclass(frozen=True)
class PanelTruth:
    """What is fixed of a panel.

    Attributes:
        labels: [pairs], 1 for a match.
        verdicts: [pairs, 5], the known verdict's index, -1 where none is known.
        credit: [pairs, 5, 3], of the reward's judges.
        held_out: [pairs, 5, 3], of the held-out judges; None without any.
        reference: [pairs, 6, 3], log-probabilities of the SFT student.
        threshold: of the answer's probability, with the best F1 of the SFT student on these pairs; it stays.
    """

    labels: Ints
    verdicts: Ints
    credit: Floats
    held_out: Floats | None
    reference: Floats
    threshold: float


def truth_of(items: Sequence[TrainingPair], credit: Floats, held_out: Floats | None, logits: Floats) -> PanelTruth:
    """The truth of a panel; ``logits`` [pairs, 6, 3] are the SFT student's."""
    labels = np.array([item.pair.label for item in items], dtype=np.int64)
    logs = log_probabilities(torch.from_numpy(logits))
    threshold = best_threshold(labels == 1, match_probability(logs).numpy())
    return PanelTruth(labels, known_verdicts(items), credit, held_out, logs.numpy(), threshold)


def known_verdicts(items: Sequence[TrainingPair]) -> Ints:
    """[pairs, 5]: the index of each verdict that is known, -1 where none is."""
    return np.array(
        [
            [
                VERDICTS.index(item.targets.verdicts[name]) if name in item.targets.verdicts else -1
                for name in ATTRIBUTES
            ]
            for item in items
        ],
        dtype=np.int64,
    ).reshape(-1, len(ATTRIBUTES))


def judge_part(logs: torch.Tensor, credit: Floats) -> Floats:
    """[pairs]: the expected credit of the verdicts, whatever the answer: no gate."""
    return np.asarray((logs[:, :-1].exp().numpy() * credit).sum(axis=(1, 2)), dtype=np.float64)


def verdict_accuracy(logs: torch.Tensor, verdicts: Ints) -> Floats:
    """[pairs]: the mean probability of the known verdicts; NaN for a pair without any."""
    known = verdicts >= 0
    shares = np.take_along_axis(logs[:, :-1].exp().numpy(), np.maximum(verdicts, 0)[..., None], axis=2)[..., 0]
    count = known.sum(axis=1)
    return np.where(count > 0, (shares * known).sum(axis=1) / np.maximum(count, 1), np.nan)


def measure(step: int, logits: Floats, truth: PanelTruth, config: RewardConfig) -> tuple[Reading, dict[str, Any]]:
    """A panel: what the monitor reads, and what goes into log and curves.

    Args:
        logits: [pairs, 6, 3].
        config: of the reward: the proxy is what the run optimises, its proper score included, KL not.
    """
    logs = log_probabilities(torch.from_numpy(np.asarray(logits, dtype=np.float64)))
    labels = torch.from_numpy(truth.labels)
    terms = outcome_terms(truth.labels, truth.credit)
    score = proper(logs, labels.double(), config.proper_score).numpy()
    proxy = expected(logs, torch.from_numpy(total(terms, config))).numpy() + config.proper * score
    p = match_probability(logs).numpy()
    said = p >= truth.threshold
    signals = {
        "gold_brier": 1 - (p - truth.labels) ** 2,
        "gold_answer": (said == (truth.labels == 1)).astype(np.float64),
        "gold_verdict": verdict_accuracy(logs, truth.verdicts),
    }
    if truth.held_out is not None:
        signals["held_out_judge"] = judge_part(logs, truth.held_out)
    shares = logs[:, :-1].exp().numpy()
    likeliest, known = shares.argmax(axis=2), truth.verdicts >= 0
    metrics: dict[str, Any] = {
        "step": step,
        "proxy": float(proxy.mean()),
        **{
            f"reward_{name}": float(
                expected(logs, torch.from_numpy(np.broadcast_to(values, terms.judges.shape).copy())).mean()
            )
            for name, values in terms.named().items()
        },
        "reward_proper": float(score.mean()),
        "judge": float(judge_part(logs, truth.credit).mean()),
        "gold_f1": match_counts(truth.labels == 1, said).f1,
        "brier": float(((p - truth.labels) ** 2).mean()),
        "verdict_accuracy": float((likeliest == truth.verdicts)[known].mean()) if known.any() else None,
        **{name: float(np.nanmean(values)) for name, values in signals.items() if not np.isnan(values).all()},
        "entropy": float(entropy(logs).mean()),
        "kl": float(divergence(logs, torch.from_numpy(truth.reference)).mean()),
        # Six labels are always written; what varies is how many attributes are claimed.
        "claims": float((1 - shares[:, :, UNKNOWN]).sum(axis=1).mean()),
        "different": float(shares[:, :, VERDICTS.index("different")].mean()),
    }
    return Reading(step, proxy, signals), metrics
