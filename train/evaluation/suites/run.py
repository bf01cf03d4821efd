"""Run the suites on a student and gather one JSON-ready report."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from schemas.policy import Policy
from train.evaluation.suites import flips, injection, noise, swap
from train.evaluation.suites.bench import Bench, Progress
from train.pairs.pairs import Pair
from worker.student.judge import Judge

SuiteName = Literal["noise", "flips", "swap", "injection"]
SUITES: tuple[SuiteName, ...] = get_args(SuiteName)
DEFAULT_CASES = 100


@dataclass(frozen=True)
class Sizes:
    """How many cases of each suite. A pair takes a sixth of a second on two cores; 100 cases take about five minutes.

    Attributes:
        flips: of brand, model number and pack size each.
        extra_flips: of colour and capacity each.
        alike: of each kind, with the same edit on both sides.
        noise: of each listed kind.
        extra_noise: of each other kind.
        swap, injection: pairs.
        sentences: of the injected pairs, explained.
    """

    flips: int
    extra_flips: int
    alike: int
    noise: int
    extra_noise: int
    swap: int
    injection: int
    sentences: int

    @classmethod
    def of(cls, cases: int) -> Sizes:
        """All sizes from the first; none is 0."""

        def share(part: float) -> int:
            return max(1, round(cases * part))

        return cls(cases, share(0.4), share(0.25), share(0.6), share(0.25), 2 * cases, share(1.2), share(0.2))


def run_suites(
    judge: Judge,
    sets: Mapping[str, Sequence[Pair]],
    *,
    policy: Policy | None = None,
    names: Collection[SuiteName] = SUITES,
    sizes: Sizes | None = None,
    seed: int = 17,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """The report of the named suites.

    Args:
        judge: the student.
        sets: held-out pairs by set (:func:`train.evaluation.suites.bench.held_out`).
        policy: whose threshold says what is a match; unset: the bundle's.
        names: which suites.
        sizes: how many cases; unset: ``Sizes.of(DEFAULT_CASES)``.
        seed: of every choice.
        progress: told how many pairs were judged since it was last told.

    Returns:
        One object a suite, each with ``targets``; and ``all_met``, seed, threshold, pairs judged, seconds and bundle.
    """
    chosen = sizes or Sizes.of(DEFAULT_CASES)
    bench = Bench(judge, policy or Policy(), progress)
    started = time.perf_counter()
    found: dict[str, Any] = {}
    if "flips" in names:
        found["flips"] = flips.run(
            bench, sets, cases=chosen.flips, extra=chosen.extra_flips, alike=chosen.alike, seed=seed
        )
    if "noise" in names:
        found["noise"] = noise.run(bench, sets, cases=chosen.noise, extra=chosen.extra_noise, seed=seed)
    if "swap" in names:
        found["swap"] = swap.run(bench, sets, cases=chosen.swap, seed=seed)
    if "injection" in names:
        found["injection"] = injection.run(bench, sets, cases=chosen.injection, sentences=chosen.sentences, seed=seed)
    manifest = judge.manifest
    return {
        **found,
        "all_met": all(met["met"] for suite in found.values() for met in _targets(suite["targets"])),
        "seed": seed,
        "threshold": round(bench.threshold, 6),
        "judged": bench.judged,
        "seconds": round(time.perf_counter() - started, 1),
        "bundle": {"name": manifest.name, "version": manifest.version, "digest": manifest.digest()},
        "trained_on": {"digest": manifest.training_digest, "sets": manifest.trained_on},
    }


def _targets(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Every target of a suite; those of a kind may stand one level deeper."""
    return [met for entry in found.values() for met in ([entry] if "met" in entry else _targets(entry))]
