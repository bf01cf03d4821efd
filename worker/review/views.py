"""What the templates show of a task: plain values, nothing of it trusted but what is marked up by `differences`."""

from __future__ import annotations

import secrets
import sqlite3
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson
from markupsafe import Markup

from schemas.label import Label
from schemas.labeling import LabelingTask
from schemas.offer import Offer
from schemas.rationale import ATTRIBUTES
from schemas.review_settings import ReviewSettings
from schemas.text import strip_control
from worker.review import differences
from worker.review.settling import Vote
from worker.review.tasks import Task, of_pair
from worker.review.trail import lines
from worker.review.voting import votes_of

# Unknown fields of an offer that hold the listing's own page, as sellers call them.
LINK_FIELDS = ("url", "link", "product_url", "offer_url")
MAX_URL = 2_000
HISTORY = 100


@dataclass(frozen=True)
class Link:
    """An address that may be followed, and the host that is shown for it."""

    url: str
    host: str


@dataclass(frozen=True)
class Side:
    """One listing's head."""

    key: str
    source: str
    image: Link | None
    link: Link | None


@dataclass(frozen=True)
class Judged:
    """One attribute: the key that changes it, and what the student said (empty if blind or silent)."""

    number: int
    name: str
    verdict: str
    probability: float | None


@dataclass(frozen=True)
class TaskView:
    """A pair as it is shown."""

    task_id: str
    cast_id: str
    pair_id: str
    sides: tuple[Side, Side]
    rows: list[tuple[str, Markup, Markup, bool]]
    judged: list[Judged]
    verdict: str
    answer: str
    probability: float | None
    sentence: str
    reasons: list[str]
    double: bool
    stale: bool
    blind: bool
    said: list[Vote]
    created_at: str
    bundle: str
    conflict: bool
    load_images: bool


def task_view(connection: sqlite3.Connection, task: Task, settings: ReviewSettings) -> TaskView:
    """What is shown of a task. Blind: nothing of the student is in it. Others' votes only where a lead decides."""
    event = task.event
    first, second = event.first_offer, event.second_offer
    if first is None or second is None:
        raise ValueError(f"task {task.task_id} holds no listings")
    rationale = None if settings.blind else event.rationale
    seen = rationale.attributes if rationale else {}
    conflict = task.state == "adjudicate"
    reasons = event.decision_reasons if isinstance(event, LabelingTask) else event.reasons
    sampled = [f"drawn: {reason}" for reason in event.reasons] if isinstance(event, LabelingTask) else []
    return TaskView(
        task_id=task.task_id, cast_id=secrets.token_urlsafe(16), pair_id=task.pair_id,
        sides=(_side(first), _side(second)),
        rows=[
            (row.name, differences.markup(row.left), differences.markup(row.right), row.alike)
            for row in differences.rows(first, second)
        ],
        judged=[
            Judged(number, name, seen[name].verdict if name in seen else "",
                   seen[name].probability if name in seen else None)
            for number, name in enumerate(ATTRIBUTES, start=1)
        ],
        verdict="" if settings.blind else task.seen_verdict,
        answer={"same": "match", "different": "no_match"}[rationale.answer] if rationale else "",
        probability=None if settings.blind else event.probability,
        sentence=strip_control(rationale.sentence) if rationale and rationale.sentence else "",
        # Which stratum drew a pair says what the student thinks of it.
        reasons=[] if settings.blind else [*sampled, *(strip_control(reason) for reason in reasons)],
        double=task.double, stale=task.stale, blind=settings.blind,
        said=votes_of(connection, task.task_id) if conflict else [],
        created_at=task.created_at,
        bundle=f"{event.bundle.name} {event.bundle.version}" if isinstance(event, LabelingTask) else "",
        conflict=conflict, load_images=settings.load_images,
    )  # fmt: skip


def student_said(task: Task) -> str:
    """One line for after the vote."""
    event = task.event
    told = task.seen_verdict.replace("_", " ")
    if event.probability is not None:
        told += f" at {event.probability:.2f}"
    different = (
        [name for name, each in event.rationale.attributes.items() if each.verdict == "different"]
        if event.rationale
        else []
    )
    return told + (f", different: {', '.join(different)}" if different else "")


def safe_link(text: str | None) -> Link | None:
    """An address if it is http or https with a host and nothing hidden in it, else None."""
    if not text or len(text) > MAX_URL or text != strip_control(text) or any(char.isspace() for char in text):
        return None
    try:
        parts = urlsplit(text)
        # Reading it checks the port, too.
        _ = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or "\\" in text:
        return None
    return Link(text, parts.hostname)


def _side(offer: Offer) -> Side:
    extra = offer.model_extra or {}
    links = (extra.get(name) for name in LINK_FIELDS)
    link = next((found for each in links if isinstance(each, str) and (found := safe_link(each))), None)
    return Side(strip_control(offer.key), strip_control(offer.source), safe_link(offer.image_url), link)


def history(connection: sqlite3.Connection, pair: str) -> dict[str, Any]:
    """All that is known of a pair: tasks, decisions, labels with what became of them, votes and the trail."""
    decisions = [
        dict(row)
        for row in connection.execute(
            "SELECT * FROM decisions WHERE pair_id = ? ORDER BY decided_at DESC LIMIT ?", (pair, HISTORY)
        )
    ]
    applied = {row["label_id"]: row for row in reversed(decisions) if row["label_id"]}
    waiting = connection.execute(
        "SELECT value, due_at, state FROM outbox WHERE pair_id = ? AND state IN ('waiting', 'sending')", (pair,)
    ).fetchall()
    published = connection.execute(
        "SELECT body FROM labels WHERE pair_id = ? ORDER BY partition, position DESC LIMIT ?", (pair, HISTORY)
    ).fetchall()
    labels = [
        *((Label.model_validate_json(row["value"]), f"leaves at {row['due_at'][11:19]}") for row in waiting),
        *((Label.model_validate_json(row["body"]), "published") for row in published),
    ]
    votes = connection.execute(
        "SELECT * FROM votes WHERE task_id IN (SELECT task_id FROM tasks WHERE pair_id = ?) ORDER BY vote_id DESC",
        (pair,),
    ).fetchall()
    return {
        "pair": pair,
        "tasks": of_pair(connection, pair),
        "decisions": decisions,
        "labels": [
            {"label": label, "state": state, "applied": applied.get(label.label_id), "corrects": corrects(label)}
            for label, state in labels
        ],
        "votes": [{**dict(vote), "attributes": orjson.loads(vote["attributes"])} for vote in votes],
        "lines": lines(connection, subject=pair),
    }


def corrects(label: Label) -> bool:
    """Whether the label contradicts the decision that was looked at; one that only asked for a person said nothing."""
    return label.seen_verdict in ("match", "no_match") and label.seen_verdict != label.verdict
