"""From people's checks to a teacher's error rates: of the answer and of each attribute. Pure.

Several reviewers of one claim are one check: the majority's verdict. A tie, or a majority that is unsure, leaves the
claim *unresolved*; it then counts as an error unless the caller says otherwise, for nobody could confirm it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from schemas.rationale import ATTRIBUTES, Answer
from train.evaluation.metrics import CONFIDENCE
from train.verification.estimate import clopper_pearson, hajek, horvitz_thompson, stratified_rates
from train.verification.records import Check, Task, VerificationFileError

Unresolved = Literal["wrong", "skip"]
_ANSWER: dict[str, Answer] = {"match": "same", "no_match": "different"}


@dataclass(frozen=True)
class Bounded:
    """A rate with its two-sided interval, and the one-sided bounds at the same confidence; None: nothing to tell."""

    checks: int
    errors: int
    rate: float | None
    low: float
    high: float
    lower: float
    upper: float
    effective: float


@dataclass(frozen=True)
class Assessment:
    """What the checks say of a set.

    ``answer`` is the rate of wrong answers by all checks, ``uniform`` by the uniform share alone (Clopper-Pearson; it
    assumes nothing of the strata). ``horvitz_thompson`` and ``hajek`` are the same rate by the inclusion probabilities
    that were exact before the draw: unbiased, with more spread. ``attributes`` has the five, each where both spoke.
    """

    set_name: str
    set_digest: str
    set_size: int
    confidence: float
    unresolved_as: Unresolved
    tasks: int
    checked: int
    unresolved: int
    uncovered: float
    answer: Bounded
    uniform: Bounded
    horvitz_thompson: float | None
    hajek: float | None
    attributes: dict[str, Bounded]

    def as_json(self) -> dict[str, object]:
        """All of it, JSON-ready."""
        return asdict(self)


def majority(votes: Iterable[str]) -> str | None:
    """What more voters say than anything else; None for a tie or no vote."""
    ranked = Counter(votes).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]


def assess(checks: Sequence[Check], unresolved: Unresolved = "wrong", confidence: float = CONFIDENCE) -> Assessment:
    """Error rates of the set that the checks were drawn from.

    Raises:
        VerificationFileError: no check, or checks of several sets or draws, which cannot be estimated together.
    """
    if not checks:
        raise VerificationFileError("no checks: nothing is known of the set")
    for name in ("set_name", "set_digest", "set_size", "seed"):
        found = sorted({str(getattr(check, name)) for check in checks})
        if len(found) > 1:
            raise VerificationFileError(
                f"checks of several draws: {name} is {' and '.join(found[:3])}; estimate each alone"
            )
    by_task: dict[str, list[Check]] = {}
    for check in checks:
        by_task.setdefault(check.task_id, []).append(check)
    tasks = [votes[0] for votes in by_task.values()]
    strata = {task.stratum: task for task in tasks}
    answers = {key: majority(check.verdict for check in votes) for key, votes in by_task.items()}

    def answer_wrong(task: Task) -> bool | None:
        if task.answer is None:
            return None
        said = _ANSWER.get(answers[task.task_id] or "unsure")
        if said is None:
            return True if unresolved == "wrong" else None
        return said != task.answer

    def attribute_wrong(name: str) -> Callable[[Task], bool | None]:
        def judge(task: Task) -> bool | None:
            votes = [check.attributes for check in by_task[task.task_id]]
            said = majority(vote[key] for vote in votes for key in vote if key == name)
            claimed = next((verdict for key, verdict in task.verdicts.items() if key == name), None)
            return None if said is None or claimed is None else said != claimed

        return judge

    first = tasks[0]
    judged = {task.task_id: answer_wrong(task) for task in tasks}
    uniform = [judged[task.task_id] for task in tasks if task.share == "uniform"]
    wrong = np.array([judged[task.task_id] is True for task in tasks], dtype=np.bool_)
    stated = np.array([judged[task.task_id] is not None for task in tasks], dtype=np.bool_)
    inclusion = np.array([task.inclusion_probability for task in tasks], dtype=np.float64)
    covered = sum(task.stratum_size for task in strata.values())
    drawn = sum(task.stratum_drawn for task in strata.values())
    return Assessment(
        set_name=first.set_name,
        set_digest=first.set_digest,
        set_size=first.set_size,
        confidence=confidence,
        unresolved_as=unresolved,
        tasks=drawn,
        checked=len(tasks),
        unresolved=sum(
            _ANSWER.get(answers[task.task_id] or "unsure") is None for task in tasks if task.answer is not None
        ),
        uncovered=(first.set_size - covered) / first.set_size,
        answer=_rate(tasks, strata, answer_wrong, first.set_size, confidence),
        uniform=_uniform([item for item in uniform if item is not None], confidence),
        # A drawn claim that is not checked would count as right: then there is no such estimate.
        horvitz_thompson=horvitz_thompson(wrong, inclusion, first.set_size)
        if stated.all() and len(tasks) == drawn
        else None,
        hajek=hajek(wrong[stated], inclusion[stated]) if stated.any() else None,
        attributes={
            name: _rate(tasks, strata, attribute_wrong(name), first.set_size, confidence) for name in ATTRIBUTES
        },
    )


def _rate(
    tasks: Sequence[Task],
    strata: Mapping[str, Task],
    judge: Callable[[Task], bool | None],
    total: int,
    confidence: float,
) -> Bounded:
    place = {name: number for number, name in enumerate(strata)}
    # The last place stands for the strata of which nothing was checked: no task tells of them but the set's size.
    sizes = np.array([task.stratum_size for task in strata.values()] + [0])
    sizes[-1] = max(0, total - int(sizes.sum()))
    counts = np.zeros((3, len(sizes)), dtype=np.int64)
    for task in tasks:
        judged = judge(task)
        counts[:, place[task.stratum]] += (judged is True, judged is not None, 1)
    errors, within, checked = counts
    found = stratified_rates(errors, checked, sizes, within, confidence)
    return Bounded(
        checks=int(within.sum()),
        errors=int(errors.sum()),
        rate=None if np.isnan(found.rate) else float(found.rate),
        low=float(found.low),
        high=float(found.high),
        lower=float(found.lower),
        upper=float(found.upper),
        effective=float(found.effective),
    )


def _uniform(wrong: Sequence[bool], confidence: float) -> Bounded:
    size, errors = len(wrong), sum(wrong)
    low, high = clopper_pearson(np.array(errors), np.array(size), confidence)
    lower, upper = clopper_pearson(np.array(errors), np.array(size), 2 * confidence - 1)
    return Bounded(
        size, errors, errors / size if size else None, float(low), float(high), float(lower), float(upper), float(size)
    )
