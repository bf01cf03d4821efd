"""The page on which pairs are labelled, and the requests of its script: next, vote, undo, ask again."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from schemas.rationale import ATTRIBUTES, VERDICTS, Attribute, Verdict
from worker.review import tasks, voting, waiting
from worker.review.sessions import Session
from worker.review.settling import Said
from worker.review.tasks import Task
from worker.review.views import student_said, task_view
from worker.review.voting import Ballot
from worker.review.web.guard import MAX_NOTE, check_token, session_of, wants_json
from worker.review.web.page import Page, page_of

router = APIRouter()

# Pairs that the browser holds beyond the one on the screen: the next is there before it is asked for, also for somebody
# who presses two keys within one round trip.
AHEAD = 2

Me = Annotated[Session, Depends(session_of)]
Token = Annotated[str, Form(max_length=200)]
# Tasks that the browser holds, or whose votes are on their way, separated by commas; and how many more it wants.
Holding = Annotated[str, Form(max_length=10_000)]
Want = Annotated[int, Form(ge=0, le=AHEAD + 1)]
MOST_HELD = 50
Stated = Annotated[str, Form(max_length=20)]


@router.get("/")
def label(request: Request, session: Me) -> Response:
    page = page_of(request)
    now = page.clock()
    with page.database.write() as connection:
        found = _upcoming(connection, page, now, session, AHEAD + 1, [])
        views = [task_view(connection, task, page.settings) for task in found]
        counts = _counts(connection, now, session)
    return page.html(
        "label", session, task=views[0] if views else None, ahead=views[1:], counts=counts, undo_s=page.settings.undo_s
    )


@router.post("/vote")
def vote(
    request: Request,
    session: Me,
    task_id: Annotated[str, Form(max_length=200)],
    cast_id: Annotated[str, Form(min_length=8, max_length=100)],
    verdict: Annotated[Said, Form()],
    csrf: Token = "",
    holding: Holding = "",
    want: Want = AHEAD,
    note: Annotated[str, Form(max_length=MAX_NOTE)] = "",
    elapsed_ms: Annotated[int | None, Form(ge=0, le=2**31)] = None,
    brand: Stated = "",
    product: Stated = "",
    variant: Stated = "",
    specification: Stated = "",
    quantity: Stated = "",
) -> Response:
    """Record a vote; the script gets the pair that comes after those it holds."""
    check_token(session, _token(request, csrf))
    page = page_of(request)
    now = page.clock()
    attributes = _attributes([brand, product, variant, specification, quantity])
    with page.database.write() as connection:
        ballot = Ballot(
            cast_id, task_id, session.name, session.role, verdict, attributes, note.strip() or None, elapsed_ms
        )
        cast = voting.cast(connection, now, ballot, page.settings.undo_s)
        if not wants_json(request):
            return RedirectResponse("/", 303)
        task = tasks.find(connection, task_id)
        body = _ahead(connection, page, now, session, _held(holding), want)
    told = f"{verdict.replace('_', ' ')}"
    told += {"adjudicate": " · a lead decides", "open": " · somebody else is asked, too"}.get(cast.state, "")
    if task is not None and page.settings.blind:
        told += f" · the student: {student_said(task)}"
    return JSONResponse({**body, "said": told, "state": cast.state})


@router.post("/next")
def following(request: Request, session: Me, csrf: Token = "", holding: Holding = "", want: Want = AHEAD) -> Response:
    """More pairs, for a script that has run out of them."""
    check_token(session, _token(request, csrf))
    page = page_of(request)
    now = page.clock()
    with page.database.write() as connection:
        return JSONResponse(_ahead(connection, page, now, session, _held(holding), want))


@router.post("/undo")
def undo(request: Request, session: Me, csrf: Token = "", holding: Holding = "") -> Response:
    """Take the last vote back; the script gets its pair again."""
    check_token(session, _token(request, csrf))
    page = page_of(request)
    now = page.clock()
    with page.database.write() as connection:
        undone = voting.undo(connection, now, session.name)
        task = tasks.find(connection, undone.task_id)
        if task is None:
            raise HTTPException(404, "the pair is gone")
        waiting.lease(connection, now, session.name, [*_held(holding), task.task_id], page.settings.lease_s)
        shown = _shown(page, connection, task, session)
        counts = _counts(connection, now, session)
    if not wants_json(request):
        return RedirectResponse("/", 303)
    told = f"took back: {undone.verdict.replace('_', ' ')}"
    if undone.published:
        told += " · its label had left already and stands until your new one replaces it"
    return JSONResponse({"task": shown, "said": told, "counts": counts})


@router.post("/reopen")
def reopen(request: Request, session: Me, task_id: Annotated[str, Form(max_length=200)], csrf: Token = "") -> Response:
    """Ask a labelled pair again, for leads."""
    check_token(session, csrf)
    page = page_of(request)
    with page.database.write() as connection:
        voting.reopen(connection, page.clock(), task_id, session.name, session.role)
    return RedirectResponse("/", 303)


def _upcoming(
    connection: sqlite3.Connection, page: Page, now: datetime, session: Session, limit: int, holding: list[str]
) -> list[Task]:
    return waiting.upcoming(
        connection, now, session.name, session.role, limit=limit, lease_s=page.settings.lease_s, holding=holding
    )


def _ahead(
    connection: sqlite3.Connection, page: Page, now: datetime, session: Session, holding: list[str], want: int
) -> dict[str, Any]:
    """What fills the browser's store up again."""
    found = _upcoming(connection, page, now, session, want, holding)
    return {
        "next": [_shown(page, connection, task, session) for task in found],
        "counts": _counts(connection, now, session),
    }


def _shown(page: Page, connection: sqlite3.Connection, task: Task, session: Session) -> dict[str, str]:
    view = task_view(connection, task, page.settings)
    return {"task_id": task.task_id, "html": page.render("task", task=view, me=session)}


def _counts(connection: sqlite3.Connection, now: datetime, session: Session) -> dict[str, int]:
    by_state = waiting.counts(connection)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "open": by_state.get("open", 0),
        "conflicts": by_state.get("adjudicate", 0),
        "today": waiting.cast_since(connection, session.name, midnight),
        "hour": waiting.cast_since(connection, session.name, now - timedelta(hours=1)),
    }


def _attributes(stated: list[str]) -> dict[Attribute, Verdict]:
    found: dict[Attribute, Verdict] = {}
    for name, said in zip(ATTRIBUTES, stated, strict=True):
        for verdict in VERDICTS:
            if said == verdict:
                found[name] = verdict
        if said and name not in found:
            raise HTTPException(422, f"{name}: valid are {', '.join(VERDICTS)}, or nothing")
    return found


def _token(request: Request, given: str) -> str:
    """From the script's header, or from a plain form's field."""
    return request.headers.get("x-csrf-token", "") or given


def _held(holding: str) -> list[str]:
    return [each for each in holding.split(",") if each][:MOST_HELD]
