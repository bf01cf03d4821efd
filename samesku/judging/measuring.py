"""Measuring a set of judges: the cases, the measurements, agreement, pictures and files, judge by judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from schemas.rationale import Attribute
from train.calibration.plots import save
from train.evaluation.metrics import Floats
from train.judges.admission import failures, judge_folders
from train.judges.claims import Claim
from train.judges.corruptions import Preference, kinds_of, preferences
from train.judges.interface import JUDGE_NAMES, Judge, JudgeName, load_judge
from train.judges.limits import DEFAULT, read_limits
from train.judges.material import bases
from train.judges.plots import reliability_figure
from train.judges.teachers import denials, taught
from train.judges.validation import KappaResult, Validation, agreement_about, reliability_of, validate, write_validation

# Of the noise in the validation's matches; no training uses it.
NOISE_SEED = 99
AGREEMENT_CLAIMS = 600


def _named(said: Callable[[str], None], name: str, line: str) -> None:
    said(f"{name}: {line}")


def validation_cases(name: JudgeName, per_kind: int, seed: int, root: Path | None = None) -> list[Preference]:
    """The cases of one judge: every kind, from validation products alone, and a teacher's claims about them."""
    material = bases("validation", root=root, stage="judges", halves=(0, 1), seed=NOISE_SEED, renditions=4)
    own = taught(name, "gpt-4o", "judges", "validation", root)
    return preferences(name, kinds_of(name), material, per_kind, seed=seed, evaluation=True) + own


def measure_set(
    folder: Path,
    names: Sequence[JudgeName],
    against: Path | None,
    *,
    per_kind: int,
    attacks: int,
    seed: int,
    limits: Path | None = None,
    said: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """Measure the judges of a set and write what was found beside each.

    Returns:
        In words, what is beyond the limits; empty when every judge may be used.
    """
    held = read_limits(limits or DEFAULT)
    judges = {each.name: each for each in map(load_judge, judge_folders(folder)) if each.name in names}
    others = (
        {f"{each.name} ({against.name})": each for each in map(load_judge, judge_folders(against))} if against else {}
    )
    cases = {name: validation_cases(name, per_kind, seed) for name in names}
    found: dict[str, Validation] = {}
    for name, judge in judges.items():
        measured, right, wrong = validate(
            judge, cases[name], denials(), seed=seed, attacked=attacks,
            progress=partial(_named, said, name),
        )  # fmt: skip
        found[name] = measured
        figure = reliability_figure(reliability_of(right, wrong), f"{name}: is this claim right?")
        save(figure, folder / name / "reliability.svg")
    everybody: dict[str, Judge] = {str(each): judge for each, judge in judges.items()}
    agreed = _agreements({**everybody, **others}, cases)
    refused = []
    for title, measured in found.items():
        mine = tuple(result for (one, _), result in agreed.items() if one == title)
        write_validation(folder / title, measured.model_copy(update={"agreement": mine}))
        refused += [f"{title}: {problem}" for problem in failures(measured, held)]
    return refused


def _agreements(
    judges: Mapping[str, Judge], cases: Mapping[JudgeName, Sequence[Preference]]
) -> dict[tuple[str, str], KappaResult]:
    """Agreement of each two judges over the claims that both are asked about."""
    found: dict[tuple[str, str], KappaResult] = {}
    labels = sorted(judges)
    for place, one in enumerate(labels):
        for two in labels[place + 1 :]:
            shared = set(judges[one].attributes) & set(judges[two].attributes)
            claims = _claims(cases, shared)
            if claims:
                scores: dict[str, Floats] = {each: judges[each].score(claims) for each in (one, two)}
                found.update(agreement_about(scores, claims))
    return found


def _claims(cases: Mapping[JudgeName, Sequence[Preference]], attributes: set[Attribute]) -> list[Claim]:
    made = {
        claim.key(): claim
        for name in JUDGE_NAMES
        for case in cases.get(name, ())
        for claim in (case.right, case.wrong)
        if claim.attribute in attributes
    }
    ordered = [made[key] for key in sorted(made)]
    return ordered[:AGREEMENT_CLAIMS]
