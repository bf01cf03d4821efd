"""Labels as training pairs: which label of a pair counts, what it was about, and whether the teacher may speak.

A share of the pairs, chosen by a hash of the pair id, is held out of every retraining: the same pairs each time, so
that no model is ever compared on what an earlier one of the line was trained on. The teacher's labels are trained on
only while people's labels of the same contents show its error rate to be below a limit. Pure; no I/O.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.label import Label, replaces
from schemas.offer import Offer
from train.calibration.bounds import upper_bound
from train.rationales.people import SAID

HELD_SHARE = 0.25
MAX_TEACHER_ERROR = 0.05

Placed = tuple[Label, int]
"""A label and its offset in its partition of match.labels (labels of a pair share one)."""
About = tuple[str, str, str]
"""Pair id and the digests of both contents, in the pair's order."""


@dataclass(frozen=True)
class TeacherCheck:
    """What people's labels of the same contents say of the teacher's: ``wrong`` of ``checked``.

    ``upper``: one-sided 95% upper bound of its error rate (Clopper & Pearson 1934), 1 without a check.
    """

    checked: int
    wrong: int
    upper: float
    limit: float

    @property
    def admitted(self) -> bool:
        """Whether its labels may be trained on."""
        return self.upper <= self.limit


@dataclass(frozen=True)
class Collected:
    """Rows of two pair files as :func:`train.pairs.pairs.read_pairs` reads them, and what became of every label."""

    train: list[dict[str, Any]]
    held: list[dict[str, Any]]
    teacher: TeacherCheck
    counts: Counter[str] = field(default_factory=Counter)


def is_held(pair: str, share: float = HELD_SHARE) -> bool:
    """Whether a pair is held out of every retraining; depends on its id alone."""
    digest = hashlib.sha256(f"retraining\0{pair}".encode()).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


def standing(labels: Iterable[Placed]) -> dict[About, Placed]:
    """Of each pair at each two contents the label that counts (`schemas.label.replaces`), in the order of arrival."""
    found: dict[About, Placed] = {}
    for label, offset in labels:
        about = (label.pair_id, *label.digests)
        held = found.get(about)
        if held is None or replaces(label, offset, *held):
            found[about] = label, offset
    return found


def check_teacher(labels: Iterable[Placed], limit: float = MAX_TEACHER_ERROR) -> TeacherCheck:
    """Compare the teacher's last label of two contents with the person's last of the same."""
    last: dict[str, dict[About, Placed]] = {"person": {}, "teacher": {}}
    for label, offset in labels:
        about = (label.pair_id, *label.digests)
        held = last[label.by].get(about)
        if held is None or offset > held[1]:
            last[label.by][about] = label, offset
    both = last["person"].keys() & last["teacher"].keys()
    wrong = sum(last["person"][about][0].verdict != last["teacher"][about][0].verdict for about in both)
    upper = float(upper_bound(wrong, len(both))) if both else 1.0
    return TeacherCheck(len(both), wrong, upper, limit)


def collect(
    labels: Iterable[Placed],
    contents: Mapping[str, Offer],
    *,
    since: datetime | None = None,
    held_share: float = HELD_SHARE,
    max_teacher_error: float = MAX_TEACHER_ERROR,
) -> Collected:
    """Turn labels into rows to train on and rows held out.

    Args:
        labels: all of them, also those from before ``since``: they say which count, and how good the teacher is.
        contents: offers by digest, as they were looked at.
        since: labels given before it are not trained on again (the old set has them); held out ones stay held out.
        held_share: share of the pairs that is held out.
        max_teacher_error: see the module.
    """
    every = list(labels)
    teacher = check_teacher(every, max_teacher_error)
    made = Collected([], [], teacher)
    for label, _ in standing(every).values():
        left, right = (contents.get(digest) for digest in label.digests)
        held = is_held(label.pair_id, held_share)
        if left is None or right is None:
            made.counts["no contents"] += 1
        elif label.by == "teacher" and (held or not teacher.admitted):
            # A measure must not come from a model.
            made.counts["teacher, not for measuring" if held else "teacher, not admitted"] += 1
        elif not held and since is not None and label.labeled_at < since:
            made.counts["before"] += 1
        else:
            made.counts["held out" if held else f"trained on, {label.by}"] += 1
            (made.held if held else made.train).append(_row(label, left, right))
    return made


def _row(label: Label, left: Offer, right: Offer) -> dict[str, Any]:
    meta = {"label_id": label.label_id, "by": label.by, "labeled_at": label.labeled_at.isoformat()}
    return {
        "pair_id": label.pair_id,
        "left": left.model_dump(mode="json", exclude_none=True),
        "right": right.model_dump(mode="json", exclude_none=True),
        "label": int(label.verdict == "match"),
        # What somebody said of single attributes becomes a target of its slot; the others are derived, or masked.
        "meta": {**meta, SAID: label.attributes} if label.attributes else meta,
    }
