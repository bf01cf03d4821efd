from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from schemas.rationale import ATTRIBUTES
from train.rewards import OUTCOMES, RewardConfig, judge_credit, outcome_terms, total
from train.rl.policy import divergence, entropy, expected, joint, log_probabilities, match_probability, objective

seeds = st.integers(0, 10_000)


def some(seed: int, pairs: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits (with minus infinity where there is no choice), reference, rewards and labels."""
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(0, 2, (pairs, 6, 3)))
    logits[:, -1, 2] = float("-inf")
    reference = log_probabilities(torch.from_numpy(rng.normal(0, 2, (pairs, 6, 3))))
    labels = rng.integers(0, 2, pairs)
    terms = outcome_terms(labels, judge_credit([(ATTRIBUTES, rng.random((pairs, 5, 3)))], pairs))
    return logits, reference, torch.from_numpy(total(terms, RewardConfig())), torch.from_numpy(labels)


@given(seeds)
def test_sums_over_slots_are_sums_over_all_outcomes(seed: int) -> None:
    logits, reference, _, _ = some(seed)
    logs = log_probabilities(logits)
    outcomes, others = joint(logs), joint(reference)
    assert outcomes.exp().sum(dim=1).numpy() == pytest.approx(1)
    assert divergence(logs, reference).numpy() == pytest.approx((outcomes.exp() * (outcomes - others)).sum(1).numpy())
    assert entropy(logs).numpy() == pytest.approx(-(outcomes.exp() * outcomes).sum(1).numpy())
    same = torch.from_numpy(OUTCOMES[:, -1] == 0)
    assert match_probability(logs).numpy() == pytest.approx((outcomes.exp() * same).sum(1).numpy())


def test_the_gradient_is_the_policy_gradient_of_many_samples() -> None:
    logits, reference, rewards, labels = some(3, pairs=2)
    logits = torch.where(torch.isinf(logits), torch.tensor(0.0, dtype=logits.dtype), logits).requires_grad_()
    found = objective(logits, reference, rewards, labels, RewardConfig(proper=0), beta=0)
    (exact,) = torch.autograd.grad(found.value, logits)
    assert not exact[:, -1, 2].any()  # there is no such choice
    # REINFORCE, with the score function by hand: one-hot less probability.
    generator = torch.Generator().manual_seed(0)
    shares = log_probabilities(logits.detach()).exp() * (joint(torch.zeros(1, 6, 3)).shape[1] > 0)
    shares[:, -1, 2] = 0
    drawn = torch.stack(
        [torch.multinomial(s, 60_000, replacement=True, generator=generator) for s in shares.flatten(0, 1)]
    )
    drawn = drawn.view(2, 6, -1)
    weights = torch.tensor([162, 54, 18, 6, 2, 1])
    earned = torch.stack([rewards[pair, (drawn[pair] * weights[:, None]).sum(0)] for pair in range(2)])
    scores = torch.nn.functional.one_hot(drawn, 3) - shares[:, :, None]
    baseline = earned.mean(dim=1)[:, None]
    sampled = ((earned - baseline)[:, None, :, None] * scores).mean(dim=2) / 2
    assert exact.numpy() == pytest.approx(sampled.numpy(), abs=6e-3)


@given(seeds)
def test_at_the_reference_the_divergence_pulls_nowhere(seed: int) -> None:
    logits, _, rewards, labels = some(seed)
    start = logits[:, :, :].clone().masked_fill(torch.isinf(logits), 0.0).requires_grad_()
    reference = log_probabilities(start.detach())
    with_kl, without = (
        torch.autograd.grad(objective(start, reference, rewards, labels, RewardConfig(), beta).value, start)[0]
        for beta in (1.0, 0.0)
    )
    assert with_kl.numpy() == pytest.approx(without.numpy(), abs=1e-9)


@pytest.mark.parametrize("kind", ["brier", "log"])
def test_ascent_with_the_label_alone_leads_to_the_right_answers(kind: str) -> None:
    logits, reference, _, labels = some(5, pairs=6)
    config = RewardConfig.model_validate({"judges": 0, "form": 0.5, "proper_score": kind})
    rewards = torch.from_numpy(total(outcome_terms(labels.numpy(), np.zeros((6, 5, 3))), config))
    logits = logits.masked_fill(torch.isinf(logits), 0.0).requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.25)
    for _ in range(60):
        optimiser.zero_grad()
        (-objective(logits, reference, rewards, labels, config, 0.0).value).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    logs = log_probabilities(logits.detach())
    assert (match_probability(logs) - labels).abs().max() < 0.1
    # Matches learnt to claim no difference, which is what the form asks of them.
    different = logs[labels == 1][:, :-1, 1].exp()
    assert different.numel() == 0 or float(different.max()) < 0.1
    assert float(expected(logs, rewards).min()) > 0.9 * float(rewards.max())
