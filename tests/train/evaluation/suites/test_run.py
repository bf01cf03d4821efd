from __future__ import annotations

from dataclasses import astuple

import orjson

from train.evaluation.suites.run import SUITES, Sizes, run_suites
from train.pairs.pairs import Pair
from worker.student.student import Student

TINY = Sizes(flips=2, extra_flips=1, alike=1, noise=2, extra_noise=1, swap=4, injection=4, sentences=1)


def test_all_suites_in_one_report(student: Student, sets: dict[str, list[Pair]]) -> None:
    told: list[int] = []
    found = run_suites(student, sets, sizes=TINY, progress=told.append)
    assert set(SUITES) < set(found)
    assert found["judged"] == sum(told) > 0
    assert found["bundle"]["digest"] == student.manifest.digest()
    again = orjson.loads(orjson.dumps(run_suites(student, sets, sizes=TINY)))
    assert {name: again[name] for name in SUITES} == {name: found[name] for name in SUITES}
    targets = [found["flips"]["targets"][kind][name]["met"] for kind in ("brand", "model", "pack")
               for name in ("flips", "no_other_changes")]  # fmt: skip
    targets += [entry["met"] for name in ("noise", "swap", "injection") for entry in found[name]["targets"].values()]
    assert found["all_met"] == all(targets)


def test_one_suite_alone(student: Student, sets: dict[str, list[Pair]]) -> None:
    found = run_suites(student, sets, names={"swap"}, sizes=TINY)
    assert set(found) & set(SUITES) == {"swap"}
    assert found["judged"] == 8


def test_sizes_grow_together() -> None:
    assert min(astuple(Sizes.of(1))) >= 1
    assert all(a < b for a, b in zip(astuple(Sizes.of(50)), astuple(Sizes.of(100)), strict=True))
