"""Which judges may enter a reward: those whose measured numbers keep to the limits, and whose numbers are their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from train.judges.interface import JUDGE_NAMES, Judge, load_judge
from train.judges.limits import Limits, read_limits
from train.judges.teachers import KIND
from train.judges.validation import Validation, read_validation

# What a grammar or a rule refuses is measured, but no wrong claim comes into a reward by it.
GUARDED_SURFACES = ("free quotes",)


class JudgeRefused(ValueError):
    """A judge may not be used; the message names the judge, the number and the limit."""


def failures(measured: Validation, limits: Limits) -> Iterator[str]:
    """Every number that is beyond its limit, in words; nothing where the judge may be used."""
    for kind in measured.kinds:
        if kind.kind == KIND:
            continue  # a teacher's own claims are shown; some of them are wrong themselves
        if kind.cases < limits.min_cases:
            yield f"{kind.kind}: {kind.cases} cases, at least {limits.min_cases} are needed"
        least = limits.seen if kind.seen else limits.unseen
        if kind.low < least:
            word = "seen" if kind.seen else "unseen"
            yield f"{kind.kind} ({word}): lower bound of accuracy {kind.low:.3f}, at least {least} is needed"
    for name, value in (("listings", measured.length_listing), ("quotes", measured.length_quote)):
        if abs(value) >= limits.length_bias:
            yield f"length bias of {name}: |r| = {abs(value):.3f}, below {limits.length_bias} is needed"
    if measured.ece > limits.ece:
        yield f"expected calibration error {measured.ece:.3f}, at most {limits.ece} is allowed"
    for style, change in measured.style.items():
        if change > limits.style:
            yield f"style ({style}): mean change of score {change:.3f}, at most {limits.style} is allowed"
    for gain in measured.attack:
        if gain.surface in GUARDED_SURFACES:
            continue
        if gain.rise > limits.attack_rise:
            yield f"attack on {gain.surface}: mean rise {gain.rise:.3f}, at most {limits.attack_rise} is allowed"
        if gain.crossed > limits.attack_crossing:
            yield f"attack on {gain.surface}: {gain.crossed:.0%} get accepted, at most {limits.attack_crossing:.0%} may"


def admit(folders: Sequence[Path], limits: Limits | None = None) -> list[Judge]:
    """The judges of these folders, loaded, if each of them may be used.

    Args:
        folders: one judge each.
        limits: those of ``limits.toml`` by default.

    Raises:
        JudgeRefused: a judge has no validation, one of other weights, or a number beyond its limit.
        JudgeFileError: a folder holds no judge that can be loaded.
    """
    held = limits or read_limits()
    admitted: list[Judge] = []
    for folder in folders:
        judge = load_judge(folder)
        measured = read_validation(folder)
        if measured is None:
            raise JudgeRefused(
                f"{judge.name} ({folder}): never validated; run `samesku judge validate {folder.parent}`"
            )
        if measured.digest != judge.digest:
            raise JudgeRefused(
                f"{judge.name} ({folder}): validation.json is of other weights ({measured.digest[:12]}, not"
                f" {judge.digest[:12]}); run `samesku judge validate {folder.parent}` again"
            )
        problems = list(failures(measured, held))
        if problems:
            raise JudgeRefused(f"{judge.name} ({folder}): {'; '.join(problems)}")
        admitted.append(judge)
    return admitted


def judge_folders(root: Path) -> list[Path]:
    """The judges of a set: a folder each, by name. Raises JudgeRefused where one of the three is missing."""
    missing = [name for name in JUDGE_NAMES if not (root / name).is_dir()]
    if missing:
        raise JudgeRefused(f"{root}: no judge {', '.join(missing)} (a set has {', '.join(JUDGE_NAMES)})")
    return [root / name for name in JUDGE_NAMES]
