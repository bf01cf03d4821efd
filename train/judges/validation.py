"""What is measured of a judge, and the file in which it stands beside the judge.

Everything is of products that no weight and no calibration was fitted on. Pairwise accuracy counts a tie as wrong; its
bound is Clopper and Pearson's over cases, of which a product gives several: ``products`` says how many there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from sklearn.metrics import brier_score_loss

from train.calibration.bounds import lower_bound
from train.calibration.curves import ReliabilityBin, reliability
from train.evaluation.metrics import Floats, expected_calibration_error
from train.judges.attack import SURFACES, attack, gain
from train.judges.biases import length_bias, style_bias
from train.judges.claims import Claim
from train.judges.corruptions import SEEN, Preference
from train.judges.interface import Judge
from train.judges.teachers import KIND, Denial

VALIDATION = "validation.json"
ACCEPTED_FROM = 0.5
"""A claim counts as accepted from this calibrated probability on."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class KindResult(_Part):
    """Pairwise accuracy on one kind of corruption. ``low`` is the one-sided 95% lower bound."""

    kind: str
    seen: bool
    cases: int
    products: int
    accuracy: float
    low: float


class GainResult(_Part):
    """As :class:`train.judges.attack.Gain`."""

    surface: str
    claims: int
    rise: float
    worst: float
    rejected: int
    crossed: float


class DenialResult(_Part):
    """Teachers' rationales that deny a match: in how many at least one of their ``different`` verdicts is rejected."""

    rationales: int
    with_claim: int
    rejected: int
    low: float


class KappaResult(_Part):
    """Agreement with another judge about the same claims (accepted or not)."""

    other: str
    items: int
    observed: float | None
    kappa: float | None
    low: float | None
    high: float | None


class Validation(_Part):
    """Everything measured of one judge. ``digest`` names the judge that it is of."""

    format: str = "1"
    judge: str
    digest: str
    measured_at: datetime
    seed: int
    kinds: tuple[KindResult, ...]
    ece: float
    brier: float
    claims: int
    length_listing: float
    length_quote: float
    style: dict[str, float]
    attack: tuple[GainResult, ...]
    denials: DenialResult
    agreement: tuple[KappaResult, ...] = ()


def by_kind(cases: Sequence[Preference], right: Floats, wrong: Floats) -> tuple[KindResult, ...]:
    """Pairwise accuracy of each kind, in the order of the cases."""
    places: dict[str, list[int]] = defaultdict(list)
    for number, case in enumerate(cases):
        places[case.kind].append(number)
    found = []
    for kind, numbers in places.items():
        hits = int((right[numbers] > wrong[numbers]).sum())
        found.append(
            KindResult(
                kind=kind,
                seen=kind in SEEN or kind == KIND,
                cases=len(numbers),
                products=len({cases[number].group for number in numbers}),
                accuracy=hits / len(numbers),
                low=float(lower_bound(hits, len(numbers))),
            )
        )
    return tuple(found)


def misquoted(case: Preference) -> bool:
    """Whether the wrong claim's verdict is right for its listings, and only its quotes are not."""
    right, wrong = case.right, case.wrong
    return (right.left, right.right, right.verdict) == (wrong.left, wrong.right, wrong.verdict)


def denied_labels(judge: Judge, denials: Sequence[Denial]) -> DenialResult:
    """Recall on real contradictions: a teacher's ``different`` about a true match is a wrong claim."""
    claims: list[Claim] = []
    owner: list[int] = []
    for number, denial in enumerate(denials):
        for attribute in denial.different:
            if attribute in judge.attributes:
                claims.append(Claim(denial.left, denial.right, attribute, "different"))
                owner.append(number)
    scores = judge.score(claims)
    rejected = {number for number, score in zip(owner, scores, strict=True) if score < ACCEPTED_FROM}
    total = len(set(owner))
    low = float(lower_bound(len(rejected), total)) if total else 0.0
    return DenialResult(rationales=len(denials), with_claim=total, rejected=len(rejected), low=low)


def validate(
    judge: Judge,
    cases: Sequence[Preference],
    denials: Sequence[Denial],
    *,
    seed: int,
    attacked: int = 80,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[Validation, Floats, Floats]:
    """Measure one judge.

    Returns:
        The validation, and the scores of the right and of the wrong claims [cases].
    """
    progress("scores")
    scores = judge.score([claim for case in cases for claim in (case.right, case.wrong)]).reshape(-1, 2)
    right, wrong = scores[:, 0], scores[:, 1]
    truth = np.repeat([True, False], len(cases))
    pooled = np.concatenate([right, wrong])
    listing, quote = length_bias(cases, right, wrong)
    progress("style")
    style = style_bias(judge, cases, seed=seed)
    rng = np.random.default_rng(seed)
    # A claim that is wrong by its quotes alone becomes right with better ones: a search would find those, and rightly.
    wrong_verdicts = [case.wrong for case in cases if not misquoted(case)]
    targets = [wrong_verdicts[number] for number in rng.permutation(len(wrong_verdicts))[:attacked]]
    gains = []
    for surface in SURFACES:
        progress(f"attack on {surface}")
        gains.append(asdict(gain(surface, attack(judge, targets, surface, seed=seed), ACCEPTED_FROM)))
    measured = Validation(
        judge=judge.name, digest=judge.digest, measured_at=now(), seed=seed, kinds=by_kind(cases, right, wrong),
        ece=expected_calibration_error(truth, pooled), brier=float(brier_score_loss(truth, pooled)),
        claims=len(pooled), length_listing=listing, length_quote=quote, style=style,
        attack=tuple(GainResult(**each) for each in gains), denials=denied_labels(judge, denials),
    )  # fmt: skip
    return measured, right, wrong


def reliability_of(right: Floats, wrong: Floats) -> Sequence[ReliabilityBin]:
    """The bins of the reliability diagram of "this claim is right"."""
    return reliability(np.repeat([True, False], len(right)), np.concatenate([right, wrong]))


def agreement_about(
    scores: Mapping[str, Floats], claims: Sequence[Claim]
) -> dict[tuple[str, str], KappaResult]:  # fmt: skip
    """Cohen's kappa of each two judges over claims that both were asked (accepted or rejected), both ways round."""
    from train.verification.agreement import agreement

    ratings = {
        claim.key(): {name: str(bool(found[number] >= ACCEPTED_FROM)) for name, found in scores.items()}
        for number, claim in enumerate(claims)
    }
    found: dict[tuple[str, str], KappaResult] = {}
    for (one, two), kappa in agreement(ratings).cohen.items():
        for first, second in ((one, two), (two, one)):
            found[first, second] = KappaResult(
                other=second, items=kappa.items, observed=kappa.observed, kappa=kappa.value, low=kappa.low,
                high=kappa.high,
            )  # fmt: skip
    return found


def write_validation(folder: Path, measured: Validation) -> None:
    """Write it beside the judge. Raises OSError."""
    (folder / VALIDATION).write_text(measured.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_validation(folder: Path) -> Validation | None:
    """The validation beside a judge; None where there is none or it cannot be read as one."""
    try:
        return Validation.model_validate_json((folder / VALIDATION).read_bytes())
    except (OSError, ValidationError):
        return None


def as_rows(measured: Validation) -> list[dict[str, Any]]:
    """The kinds as plain rows, for a table."""
    return [kind.model_dump() for kind in measured.kinds]
