"""From logits to a judgement."""

from __future__ import annotations

import math

import numpy as np
import pytest

from schemas.bundle import Calibration
from schemas.prompt import SLOTS
from schemas.rationale import ATTRIBUTES
from worker.student.slots import answer_logit, attribute_verdict, choice_logits, judgement, mean_logits, softmax


def test_choice_logits_are_picked_and_rounded() -> None:
    logits = np.arange(12, dtype=np.float32).reshape(2, 6) + np.float32(0.00004)
    assert choice_logits(logits, ((5, 0), (1, 2, 3))) == [[5.0, 0.0], [7.0, 8.0, 9.0]]


def test_softmax() -> None:
    assert softmax([0.0, 0.0]) == [0.5, 0.5]
    assert softmax([1000.0, 0.0, -1000.0]) == [1.0, 0.0, 0.0]


def test_attribute_verdicts() -> None:
    verdict = attribute_verdict([0.0, math.log(2.0), 0.0])
    assert (verdict.verdict, verdict.p_same, verdict.p_different) == ("different", 0.25, 0.5)
    assert verdict.probability == verdict.p_different
    assert attribute_verdict([1.0, 1.0, 1.0]).verdict == "same"


def test_the_mean_of_both_orders_is_the_same_from_both_sides() -> None:
    one, other = [[0.1, 0.2, 0.3], [3.3333, 1.0]], [[0.7, 0.1, 0.3], [-1.1111, 0.0]]
    assert mean_logits(one, other) == mean_logits(other, one)
    assert mean_logits(one, other)[1] == pytest.approx([1.1111, 0.5])
    assert answer_logit(mean_logits(one, other)) == 0.6111


def test_judgement_calibrates_the_difference() -> None:
    values = [[0.0, 0.0, 5.0]] * (len(SLOTS) - 1) + [[3.0, 1.0]]
    found = judgement(values, Calibration(a=0.5, b=-1.0))
    assert found.logit == 2.0
    assert found.probability == pytest.approx(0.5)
    assert found.answer == "same"
    assert found.orders == 1
    assert tuple(found.attributes) == ATTRIBUTES
    assert {verdict.verdict for verdict in found.attributes.values()} == {"unknown"}
    rationale = found.rationale()
    assert (rationale.answer, rationale.sentence) == ("same", None)
    assert judgement(values, Calibration(a=0.5, b=-1.1)).answer == "different"
