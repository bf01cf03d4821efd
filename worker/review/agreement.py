"""How far two people agree who labelled the same pairs without seeing each other's answer.

Cohen's kappa: agreement beyond what their habits alone would give (Cohen 1960; scikit-learn's). Only first answers
count: whoever settles a conflict has seen that there is one.
"""

from __future__ import annotations

import sqlite3
import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

VERDICTS = ("match", "no_match")
Answers = tuple[str, str]


@dataclass(frozen=True)
class Agreement:
    """Of pairs that two people labelled: how many, how many alike, and kappa (None where it says nothing)."""

    pairs: int
    alike: int
    kappa: float | None

    @property
    def share(self) -> float | None:
        return self.alike / self.pairs if self.pairs else None


def agreement(answers: Sequence[Answers]) -> Agreement:
    """Of answers in twos, each `match` or `no_match`.

    kappa is None without answers, and where both always say one and the same, so that chance explains everything.
    """
    alike = sum(first == second for first, second in answers)
    if not answers or len({said for both in answers for said in both}) < 2:
        return Agreement(len(answers), alike, None)
    # Takes a second to import, and most pages do not need it.
    from sklearn.metrics import cohen_kappa_score

    first, second = zip(*answers, strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kappa = float(cohen_kappa_score(first, second, labels=list(VERDICTS)))
    return Agreement(len(answers), alike, None if kappa != kappa else kappa)


Said = tuple[str, str, str]


def said_twice(connection: sqlite3.Connection) -> list[Said]:
    """Task, reviewer and answer of all first answers to pairs that two people label."""
    rows = connection.execute(
        "SELECT task_id, reviewer, verdict FROM votes JOIN tasks USING (task_id) WHERE tasks.double"
        " AND undone_at IS NULL AND NOT adjudicates AND verdict IN ('match', 'no_match') ORDER BY task_id, vote_id"
    )
    return [(row["task_id"], row["reviewer"], row["verdict"]) for row in rows]


def measured(said: Iterable[Said]) -> tuple[Agreement, dict[tuple[str, str], Agreement]]:
    """Over all doubly labelled pairs, and for each two people (names sorted)."""
    people: dict[tuple[str, str], list[Answers]] = defaultdict(list)
    for both in _in_twos(said):
        (first, a), (second, b) = sorted(both)
        people[first, second].append((a, b))
    # Who comes first is chance, so that all of them together are put in the order of names.
    everybody = [answers for group in people.values() for answers in group]
    return agreement(everybody), {names: agreement(group) for names, group in sorted(people.items())}


def _in_twos(rows: Iterable[Said]) -> Iterable[tuple[tuple[str, str], tuple[str, str]]]:
    grouped: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for task, reviewer, verdict in rows:
        grouped[task].append((reviewer, verdict))
    return ((said[0], said[1]) for said in grouped.values() if len(said) > 1)
