"""The policy of the parallel slots, exactly: expectations over all 486 outcomes instead of samples.

The slots are independent given the prompt, so an outcome's probability is a product of six; the reward couples them
(a match has no ``different`` attribute), so all outcomes are enumerated, as one gather and one sum. The gradient of the
expectation is the policy gradient itself, E[R grad log pi], with no variance to take a baseline against. KL and entropy
are sums over slots.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from schemas.prompt import SLOTS
from train.rewards import OUTCOMES, SAME, RewardConfig, brier_score

ANSWER = len(SLOTS) - 1
CHOICES = torch.from_numpy(OUTCOMES)
REAL = torch.tensor([[place < len(slot.choices) for place in range(3)] for slot in SLOTS])
"""[6, 3]: which choices there are; the answer has two."""


def log_probabilities(logits: Tensor) -> Tensor:
    """Log-probabilities of each slot's choices; 0 where there is no choice, so that sums need no mask.

    Args:
        logits: [pairs, 6, 3], minus infinity (or anything) where there is no choice.
    """
    real = REAL.to(logits.device)
    return torch.log_softmax(logits.masked_fill(~real, float("-inf")), dim=-1).masked_fill(~real, 0.0)


def joint(logs: Tensor) -> Tensor:
    """Log-probability of each outcome [pairs, 486], from log-probabilities [pairs, 6, 3]."""
    slots = torch.arange(len(SLOTS), device=logs.device)
    return logs[:, slots, CHOICES.to(logs.device)].sum(dim=-1)


def expected(logs: Tensor, values: Tensor) -> Tensor:
    """The mean over outcomes [pairs] of ``values`` [pairs or 1, 486]."""
    return (joint(logs).exp() * values).sum(dim=-1)


def divergence(logs: Tensor, reference: Tensor) -> Tensor:
    """KL(policy, reference) [pairs], the sum of that of the slots, both as log-probabilities [pairs, 6, 3]."""
    real = REAL.to(logs.device)
    return (logs.exp() * (logs - reference) * real).sum(dim=(1, 2))


def entropy(logs: Tensor) -> Tensor:
    """Entropy [pairs] of the outcome, in nats."""
    return -(logs.exp() * logs * REAL.to(logs.device)).sum(dim=(1, 2))


def match_probability(logs: Tensor) -> Tensor:
    """The answer's marginal probability [pairs] of a match."""
    return logs[:, ANSWER, SAME].exp()


def proper(logs: Tensor, labels: Tensor, kind: str) -> Tensor:
    """The proper score [pairs] of the answer's marginal probability; 1 at best."""
    if kind == "brier":
        return torch.as_tensor(brier_score(match_probability(logs), labels))
    right = torch.where(labels == 1, logs[:, ANSWER, SAME], logs[:, ANSWER, 1 - SAME])
    return 1 + right


@dataclass(frozen=True)
class Objective:
    """What is to be raised, and what it is made of: means over the pairs."""

    value: Tensor
    reward: Tensor
    proper: Tensor
    divergence: Tensor
    entropy: Tensor


def objective(
    logits: Tensor, reference: Tensor, rewards: Tensor, labels: Tensor, config: RewardConfig, beta: float
) -> Objective:
    """Mean of E[reward] + proper score - beta x KL.

    Args:
        logits: [pairs, 6, 3], with gradient.
        reference: [pairs, 6, 3], log-probabilities of the SFT student.
        rewards: [pairs, 486], the total of every outcome (:func:`train.rewards.total`).
        labels: [pairs], 1 for a match.
    """
    logs = log_probabilities(logits)
    reward = expected(logs, rewards).mean()
    score = proper(logs, labels.to(logs.dtype), config.proper_score).mean()
    kl = divergence(logs, reference).mean()
    value = reward + config.proper * score - beta * kl
    return Objective(value, reward.detach(), score.detach(), kl.detach(), entropy(logs.detach()).mean())
