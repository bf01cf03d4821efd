"""Tasks and votes in Label Studio's format, there and back.

The format is Label Studio's "JSON" export and import (https://labelstud.io/guide/task_format.html): a list of tasks
with `data`, `annotations` (one a person, each with a `result`: one entry a control, here all of type `choices`, but
for the note, a `textarea`) and `predictions` (what the student said). `labelling_config` is the interface that goes
with it.

What Label Studio has no field for travels in `data`: our task as it was published under `samesku`. Without it a task
cannot be imported, because a label needs the digests of what was seen. An "unsure" is a choice; a skip is Label
Studio's own, an annotation that `was_cancelled`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from xml.sax.saxutils import quoteattr

import orjson
from pydantic import ValidationError

from schemas.events import UnknownMajorVersion, sha256_hex
from schemas.labeling import LabelingTask
from schemas.offer import Offer
from schemas.rationale import ATTRIBUTES, VERDICTS, Attribute, Rationale, Verdict
from schemas.review import ReviewTask
from worker.review import tasks, voting
from worker.review.errors import BadImport, Contradiction, NotAllowed, Stale
from worker.review.settling import Said
from worker.review.tasks import Task
from worker.review.trail import note

SAID: tuple[Said, ...] = ("match", "no_match", "unsure")
# Both listings are shown as texts; the controls hang on the first, since each control needs one.
SHOWN = ("first", "second")
VERDICT, NOTE = "verdict", "note"
IMPORTED = "labelstudio:"
"""Before the name of whoever annotated there: users of this page have no colon in theirs."""


@dataclass(frozen=True)
class Imported:
    """What an import did; `left_out` says why, for each annotation that counts for nothing."""

    tasks: int = 0
    votes: int = 0
    labels: int = 0
    left_out: list[str] = field(default_factory=list)


def labelling_config() -> str:
    """The interface for Label Studio (Settings > Labeling Interface > Code)."""
    choices = "".join(f"    <Choice value={quoteattr(said)}/>\n" for said in SAID)
    judged = "".join(
        f'  <Header value={quoteattr(name)}/>\n  <Choices name={quoteattr(name)} toName="first" showInline="true">\n'
        + "".join(f"    <Choice value={quoteattr(verdict)}/>\n" for verdict in VERDICTS)
        + "  </Choices>\n"
        for name in ATTRIBUTES
    )
    return (
        '<View>\n  <View style="display: flex; gap: 2em">\n'
        + "".join(f'    <View style="flex: 50%"><Text name="{side}" value="${side}_text"/></View>\n' for side in SHOWN)
        + f'  </View>\n  <Choices name="{VERDICT}" toName="first" choice="single" required="true" showInline="true">\n'
        f"{choices}  </Choices>\n{judged}"
        f'  <TextArea name="{NOTE}" toName="first" rows="2" maxSubmissions="1"/>\n</View>\n'
    )


def export_tasks(connection: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    """Every task with its standing votes, in the order in which they came."""
    for row in connection.execute("SELECT * FROM tasks ORDER BY seq").fetchall():
        task = Task.of(row)
        votes = connection.execute(
            "SELECT * FROM votes WHERE task_id = ? AND undone_at IS NULL ORDER BY vote_id", (task.task_id,)
        ).fetchall()
        event = task.event
        yield {
            "id": row["seq"],
            "created_at": task.created_at,
            "data": {
                "task_id": task.task_id, "pair_id": task.pair_id,
                "first_text": _text(event.first_offer), "second_text": _text(event.second_offer),
                "samesku": {"origin": task.origin, "double": task.double, "task": orjson.loads(task.body)},
            },
            "annotations": [_annotation(vote) for vote in votes],
            "predictions": _predictions(task),
        }  # fmt: skip


def import_tasks(
    connection: sqlite3.Connection, now: datetime, data: Any, actor: str, progress: Callable[[], None] = lambda: None
) -> Imported:
    """Take tasks that are not known yet, and votes of people who have not voted on them yet.

    The same file again changes nothing. Votes settle tasks as those of this page do, so that labels go to the outbox.
    Raises BadImport (nothing is kept then, if the caller's transaction is rolled back).
    """
    if not isinstance(data, list):
        raise BadImport("the file is no list of tasks; in Label Studio export as JSON (not JSON-MIN or CSV)")
    made, votes, labels, left_out = 0, 0, 0, list[str]()
    for place, entry in enumerate(data, start=1):
        where = f"task {place}"
        event, double = _event(entry, where)
        if tasks.find(connection, event.task_id) is None:
            made += 1
            if isinstance(event, LabelingTask):
                tasks.take_labeling(connection, event, now)
            else:
                tasks.take_review(connection, event, 1.0 if double else 0.0, origin="import")
        for annotation in entry.get("annotations") or []:
            ballot = _ballot(annotation, event.task_id, where)
            try:
                cast = voting.cast(connection, now, ballot, undo_s=0)
                votes += not cast.repeated
                labels += cast.label_id is not None
            except (Stale, Contradiction, NotAllowed) as error:
                left_out.append(f"{where}, {ballot.reviewer}: {error}")
        progress()
    note(connection, now, actor, "imported", "label studio", tasks=made, votes=votes, labels=labels)
    return Imported(made, votes, labels, left_out)


def _text(offer: Offer | None) -> str:
    if offer is None:
        return ""
    price = f"{offer.price} {offer.currency or ''}".strip() if offer.price else None
    parts = {
        "title": offer.title, "brand": offer.brand, "model": offer.model_number, "GTIN": offer.gtin, "price": price,
        "category": offer.category, **(offer.attributes or {}), "description": offer.description,
    }  # fmt: skip
    return "\n".join(f"{name}: {value}" for name, value in parts.items() if value)


def _annotation(vote: sqlite3.Row) -> dict[str, Any]:
    attributes: Mapping[Attribute, Verdict] = orjson.loads(vote["attributes"])
    skipped = vote["verdict"] == "skip"
    said: dict[str, str] = {} if skipped else {VERDICT: vote["verdict"]}
    for name, value in attributes.items():
        said[name] = value
    result = [_choice(vote["cast_id"], name, value) for name, value in said.items()]
    if vote["note"]:
        result.append(
            {**_control(vote["cast_id"], NOTE), "type": "textarea", "value": {"text": [vote["note"]]}}
        )  # fmt: skip
    return {
        "unique_id": vote["cast_id"],
        "completed_by": {"email": vote["reviewer"]},
        "result": result,
        "result_count": len(result),
        "was_cancelled": skipped,
        "ground_truth": bool(vote["adjudicates"]),
        "created_at": vote["cast_at"],
        "lead_time": None if vote["elapsed_ms"] is None else vote["elapsed_ms"] / 1_000,
    }


def _predictions(task: Task) -> list[dict[str, Any]]:
    event = task.event
    rationale: Rationale | None = event.rationale
    if rationale is None:
        return []
    verdict = {"same": "match", "different": "no_match"}[rationale.answer]
    said: dict[str, str] = {VERDICT: verdict}
    for name, seen in rationale.attributes.items():
        said[name] = seen.verdict
    bundle = event.bundle.name if isinstance(event, LabelingTask) else "student"
    score = {} if event.probability is None else {"score": event.probability}
    return [
        {
            "model_version": bundle,
            **score,
            "result": [_choice(task.task_id, name, value) for name, value in said.items()],
        }
    ]


def _control(made_by: str, name: str) -> dict[str, Any]:
    # Label Studio wants an id of each entry; ten characters are what it makes itself.
    return {"id": sha256_hex(f"{made_by}:{name}".encode())[:10], "from_name": name, "to_name": "first"}


def _choice(made_by: str, name: str, value: str) -> dict[str, Any]:
    return {**_control(made_by, name), "type": "choices", "value": {"choices": [value]}}


def _event(entry: Any, where: str) -> tuple[ReviewTask | LabelingTask, bool]:
    ours = _at(_at(entry, "data", dict, where), "samesku", dict, f"{where}, data")
    body = _at(ours, "task", dict, f"{where}, data.samesku")
    kind = LabelingTask if ours.get("origin") == "labeling" else ReviewTask
    try:
        return kind.model_validate_json(orjson.dumps(body)), ours.get("double") is True
    except (ValidationError, UnknownMajorVersion) as error:
        first = error.errors(include_url=False)[0] if isinstance(error, ValidationError) else None
        told = str(error) if first is None else f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise BadImport(f"{where}, data.samesku.task: {told}") from error


def _ballot(annotation: Any, task_id: str, where: str) -> voting.Ballot:
    result = _at(annotation, "result", list, f"{where}, annotation")
    reviewer = _who(annotation.get("completed_by"))
    choices: dict[str, str] = {}
    remark = None
    for entry in result:
        name, value = entry.get("from_name"), entry.get("value") or {}
        if name == NOTE and value.get("text"):
            text = value["text"]
            remark = str(text[0] if isinstance(text, list) else text)
        elif value.get("choices"):
            choices[str(name)] = str(value["choices"][0])
    said: Said = "skip" if annotation.get("was_cancelled") else _said(choices.pop(VERDICT, None), where)
    attributes: dict[Attribute, Verdict] = {}
    for attribute in ATTRIBUTES:
        stated = choices.get(attribute)
        if stated is not None and stated not in VERDICTS:
            raise BadImport(f"{where}: {attribute} is {stated!r}; valid are {', '.join(VERDICTS)}")
        for verdict in VERDICTS:
            if verdict == stated:
                attributes[attribute] = verdict
    lead_time = annotation.get("lead_time")
    return voting.Ballot(
        # Its own id where it has one, so that what this page exported is known again.
        cast_id=str(annotation.get("unique_id") or sha256_hex(f"{task_id}:{reviewer}".encode())),
        task_id=task_id, reviewer=reviewer, role="lead" if annotation.get("ground_truth") else "reviewer",
        verdict=said, attributes=attributes, note=remark,
        elapsed_ms=None if lead_time is None else round(float(lead_time) * 1_000),
    )  # fmt: skip


def _said(choice: str | None, where: str) -> Said:
    for said in SAID:
        if choice == said:
            return said
    raise BadImport(f"{where}: the verdict is {choice!r}; valid are {', '.join(SAID)}")


def _who(completed_by: Any) -> str:
    """A number in a plain export, an object with an e-mail address in a full one."""
    if isinstance(completed_by, Mapping):
        completed_by = completed_by.get("email") or completed_by.get("id")
    name = str(completed_by or "unknown")[:200]
    # What this page exported keeps its name; a person of Label Studio cannot take one of ours.
    return name if name.startswith(IMPORTED) else IMPORTED + name


def _at(held: Any, key: str, kind: type, where: str) -> Any:
    if not isinstance(held, dict) or not isinstance(held.get(key), kind):
        raise BadImport(
            f"{where} has no {key!r} that is a {kind.__name__}: export it from this page, or see docs/review.md"
        )
    return held[key]


def dumps(entries: list[dict[str, Any]]) -> bytes:
    """The file's bytes."""
    return orjson.dumps(entries, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"
