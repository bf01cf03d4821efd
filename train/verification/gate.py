"""The gate: no training on a teacher's set whose verified error rate is above a limit.

By default the one-sided 95% *upper bound* of the error rate must not exceed the limit: a set is admitted when the
checks show that it is good enough, not when they merely fail to show that it is bad. Then no set passes on few checks:
without a single error found, a limit of 5% needs 59 checks of a uniform sample, one of 1% needs 299. The other bounds
are for whoever has decided otherwise: ``point`` compares the estimate itself, ``lower`` refuses only what is shown to
be worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from train.evaluation.metrics import CONFIDENCE
from train.verification.assess import Assessment, Bounded, Unresolved, assess
from train.verification.records import read_checks, read_claims, set_digest

Bound = Literal["upper", "point", "lower"]
DEFAULT_LIMIT = 0.05
_MEANING: dict[Bound, str] = {
    "upper": "the one-sided {:.0%} upper bound of its error rate",
    "point": "its estimated error rate (at {:.0%} confidence it may be higher)",
    "lower": "the one-sided {:.0%} lower bound of its error rate",
}


class UnverifiedTeacherError(ValueError):
    """A teacher's set that must not be trained on. The message names the set, the number, the limit and the remedy."""


class GatePolicy(BaseModel):
    """What a set must show. ``attribute_limit`` None: attribute verdicts are reported, not gated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: float = Field(default=DEFAULT_LIMIT, gt=0, lt=1)
    attribute_limit: float | None = Field(default=None, gt=0, lt=1)
    bound: Bound = "upper"
    unresolved: Unresolved = "wrong"
    confidence: float = Field(default=CONFIDENCE, gt=0.5, lt=1)


def require(assessment: Assessment, policy: GatePolicy) -> None:
    """Return if the checks show the set to be good enough to train on.

    Raises:
        UnverifiedTeacherError: an error rate is above its limit or unknown.
    """
    _hold("answers", assessment.answer, policy.limit, assessment, policy)
    if policy.attribute_limit is not None:
        for attribute, found in assessment.attributes.items():
            if found.checks:
                _hold(f"{attribute} verdicts", found, policy.attribute_limit, assessment, policy)


def _hold(what: str, found: Bounded, limit: float, assessment: Assessment, policy: GatePolicy) -> None:
    if found.rate is None:
        raise UnverifiedTeacherError(f"teacher set {assessment.set_name!r}: no check tells of its {what}")
    value = {"upper": found.upper, "point": found.rate, "lower": found.lower}[policy.bound]
    if value > limit:
        raise UnverifiedTeacherError(
            f"teacher set {assessment.set_name!r}: {_MEANING[policy.bound].format(assessment.confidence)} in {what} is"
            f" {value:.2%}, above the limit of {limit:.2%} (estimate {found.rate:.2%}, {found.errors} errors in"
            f" {found.checks} checks): check more, mend the set, or set it aside"
        )


def require_files(checks: Sequence[Path], policy: GatePolicy, trained_on: Sequence[Path] = ()) -> list[Assessment]:
    """Read checks, hold them against the policy, and return what they say, so that a run can record it.

    Args:
        checks: files of checks, one file a teacher's set.
        policy: what each of them must say.
        trained_on: the teachers' sets that are about to be trained on; each must be, as it is now, the set of one of
            the files of checks. Empty: not compared.

    Raises:
        UnverifiedTeacherError: see :func:`require`; or a set to train on that no checks are of.
        VerificationFileError: a file that is not what it should be.
        PairFileError: a file that is missing or no JSON Lines.
    """
    found = [assess(read_checks(path), policy.unresolved, policy.confidence) for path in checks]
    for assessment in found:
        require(assessment, policy)
    known = {assessment.set_digest for assessment in found}
    for path in trained_on:
        if (digest := set_digest(read_claims(path))) not in known:
            listed = ", ".join(f"{a.set_name} ({a.set_digest[:12]})" for a in found) or "none"
            raise UnverifiedTeacherError(
                f"teacher set {path} ({digest[:12]}) is not verified; checks are of: {listed}. Plan and check the set"
                " as it is now: samesku verify plan"
            )
    return found
