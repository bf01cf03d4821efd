from __future__ import annotations

import math

import pytest
import torch

from schemas.rationale import VERDICTS
from train.sft.examples import IGNORED, NOT_DIFFERENT
from train.sft.trainer import attribute_loss

SHARES = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])


def test_a_partial_label_asks_only_that_it_does_not_differ() -> None:
    assert VERDICTS == ("same", "different", "unknown")
    known = attribute_loss(SHARES.log(), torch.tensor([0, IGNORED, 2]))
    assert float(known) == pytest.approx(-(math.log(0.5) + math.log(0.6)) / 2, abs=1e-6)
    partial = attribute_loss(SHARES.log(), torch.tensor([IGNORED, NOT_DIFFERENT, IGNORED]))
    assert float(partial) == pytest.approx(-math.log(0.2), abs=1e-6)
    mixed = attribute_loss(SHARES.log(), torch.tensor([0, NOT_DIFFERENT, IGNORED]))
    assert float(mixed) == pytest.approx(-(math.log(0.5) + math.log(0.2)) / 2, abs=1e-6)


def test_what_is_masked_has_no_gradient_and_a_partial_label_pushes_from_different_alone() -> None:
    logits = SHARES.log().requires_grad_()
    (gradient,) = torch.autograd.grad(attribute_loss(logits, torch.tensor([IGNORED, NOT_DIFFERENT, IGNORED])), logits)
    assert not gradient[[0, 2]].any()
    same, different, unknown = gradient[1].tolist()
    assert different > 0 > same
    assert same == pytest.approx(unknown)
