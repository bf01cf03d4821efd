"""When a comparison refuses."""

from __future__ import annotations

import numpy as np
import pytest

from export.failures import ExportRefusedError
from export.verify import LOGIT_TOLERANCE, FloatArray, compare, frozen_pairs
from schemas.prompt import SLOTS, render_candidate, render_query


def logits() -> FloatArray:
    rows = np.tile(np.array([3.0, 1.0, 2.0]), (len(SLOTS), 1))
    rows[-1, 2] = np.nan
    return rows


def test_equal_logits() -> None:
    found = compare([logits(), logits()], [logits(), logits()])
    assert (found.pairs, found.slots, found.labels_equal, found.max_logit_difference) == (2, 12, 12, 0.0)


def test_small_differences_pass_and_large_ones_do_not() -> None:
    other = logits()
    other[2, 1] += LOGIT_TOLERANCE / 2
    assert compare([logits()], [other]).max_logit_difference == pytest.approx(LOGIT_TOLERANCE / 2)
    other[2, 1] += LOGIT_TOLERANCE
    with pytest.raises(ExportRefusedError, match="logits differ by up to"):
        compare([logits()], [other])


def test_another_label_is_named() -> None:
    other = logits()
    other[1] = [1.0, 3.0, 2.0]
    with pytest.raises(ExportRefusedError, match="pair 1 of the frozen set, slot product"):
        compare([logits(), logits()], [logits(), other])


def test_a_tie_may_fall_either_way() -> None:
    a, b = logits(), logits()
    a[0] = [2.0, 2.0 + LOGIT_TOLERANCE / 4, 0.0]
    b[0] = [2.0, 2.0 - LOGIT_TOLERANCE / 4, 0.0]
    assert compare([a], [b]).labels_equal == len(SLOTS) - 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    other = logits()
    other[0, 0] = value
    with pytest.raises(ExportRefusedError, match="are not numbers"):
        compare([logits()], [other])


def test_the_frozen_pairs_are_many_and_differ() -> None:
    pairs = frozen_pairs()
    prompts = {render_query(pair.query) + render_candidate(pair.query, pair.candidate) for pair in pairs}
    assert len(prompts) == len(pairs) >= 20
