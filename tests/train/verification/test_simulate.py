from __future__ import annotations

import numpy as np

from train.verification.plan import Design, draw
from train.verification.simulate import sample


def test_samples_are_what_the_draw_of_rows_gives() -> None:
    plan = Design(12, np.array([3, 5, 4]), np.array([40, 20, 6]))
    errors = np.array([8, 2, 3])
    of_claim = np.repeat(np.arange(3), plan.sizes)
    wrong = np.concatenate([np.arange(size) < count for size, count in zip(plan.sizes, errors, strict=True)])
    rng = np.random.default_rng(1)
    rows = [draw(plan, of_claim, rng).rows for _ in range(1_000)]
    checked = np.array([np.bincount(of_claim[found], minlength=3) for found in rows])
    found_wrong = np.array([np.bincount(of_claim[found], wrong[found], 3) for found in rows])
    simulated = sample(plan, errors, 20_000, rng)
    for by_rows, by_numbers in ((checked, simulated.checked), (found_wrong, simulated.errors)):
        tolerance = 5 * by_numbers.std(0) / np.sqrt(len(rows)) + 1e-9
        assert (np.abs(by_rows.mean(0) - by_numbers.mean(0)) <= tolerance).all()
        assert np.allclose(by_rows.std(0), by_numbers.std(0), atol=0.1)
