"""The simulation of checks: its populations and its page."""

from __future__ import annotations

from pathlib import Path

from benchmarks.verification import DESIGNS, RATES, markdown, measure, populations, real


def test_populations_have_the_rates_they_are_named_for() -> None:
    found = list(populations())
    assert {population.design_name for population in found} == set(DESIGNS)
    rates = {round(float(p.errors.sum() / p.design.sizes.sum()), 4) for p in found}
    assert rates == set(RATES)
    assert all((p.errors <= p.design.sizes).all() for p in found)


def test_a_row_and_its_page() -> None:
    population = next(p for p in populations() if p.where == "seldom drawn")
    row = measure(population, 400, seed=1)
    assert row["cautious"]["coverage"] >= row["korn_graubard"]["coverage"]
    assert row == measure(population, 400, seed=1)
    page = markdown([row], 400)
    assert f"**{row['cautious']['coverage']:.1%}**" in page
    assert "| seldom drawn | 1.00% |" in page


def test_the_real_population(data_dir: Path, tmp_path: Path) -> None:
    assert list(real(tmp_path)) == []
    small, large = real(data_dir)
    assert small.errors.sum() == large.errors.sum() == 190
    assert small.design.sizes.sum() == 3_554
    assert measure(large, 200, seed=0)["cautious"]["coverage"] > 0.9
