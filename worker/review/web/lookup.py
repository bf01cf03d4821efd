"""Looking things up: a pair's history, an offer's pairs, one's own votes, progress and agreement, the trail."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from schemas.events import format_time
from worker.review import trail, waiting
from worker.review.agreement import measured, said_twice
from worker.review.sessions import Session
from worker.review.tasks import WAITING, Task
from worker.review.views import history
from worker.review.web.guard import lead_of, session_of
from worker.review.web.page import page_of

router = APIRouter()

FOUND = 60
VOTES = 200
DAYS = 14
Me = Annotated[Session, Depends(session_of)]


@router.get("/pair")
def pair(request: Request, session: Me, id: Annotated[str, Query(max_length=3_000)]) -> Response:
    page = page_of(request)
    with page.database.read() as connection:
        found = history(connection, id)
        # Who has not voted yet must not see what the other one said.
        if not session.leads and any(task.double and task.state == "open" for task in found["tasks"]):
            found["votes"] = [vote for vote in found["votes"] if vote["reviewer"] == session.name]
            found["lines"] = [line for line in found["lines"] if line["actor"] == session.name]
        known = bool(found["tasks"] or found["labels"])
        voted = any(vote["reviewer"] == session.name and not vote["undone_at"] for vote in found["votes"])
        if page.settings.blind and not voted and any(task.state in WAITING for task in found["tasks"]):
            found |= {"decisions": [], "labels": []}
    return page.html("pair", session, 200 if known else 404, **found)


@router.get("/search")
def search(request: Request, session: Me, q: Annotated[str, Query(max_length=500)] = "") -> Response:
    page = page_of(request)
    with page.database.read() as connection:
        found = find_pairs(connection, q.strip()) if q.strip() else []
    return page.html("search", session, q=q, found=found, most=FOUND)


def find_pairs(connection: sqlite3.Connection, asked: str) -> list[Task]:
    """Tasks of an offer (its key `source:id`, or the start of one), of a pair id, or with these words in a title."""
    start = f"{_escaped(asked)}%"
    words = "%" + "%".join(_escaped(word.casefold()) for word in asked.split()) + "%"
    rows = connection.execute(
        "SELECT * FROM tasks WHERE pair_id = :asked OR first_key LIKE :start ESCAPE '\\' OR second_key LIKE :start"
        " ESCAPE '\\' OR titles LIKE :words ESCAPE '\\' ORDER BY first_key = :asked OR second_key = :asked DESC,"
        " seq DESC LIMIT :most",
        {"asked": asked, "start": start, "words": words, "most": FOUND},
    )
    return [Task.of(row) for row in rows]


@router.get("/history")
def own(request: Request, session: Me) -> Response:
    page = page_of(request)
    with page.database.read() as connection:
        votes = connection.execute(
            "SELECT v.*, t.pair_id, t.titles, t.state FROM votes v JOIN tasks t USING (task_id) WHERE reviewer = ?"
            " ORDER BY vote_id DESC LIMIT ?",
            (session.name, VOTES),
        ).fetchall()
    return page.html(
        "history", session, votes=[{**dict(vote), "attributes": orjson.loads(vote["attributes"])} for vote in votes]
    )


@router.get("/progress")
def progress(request: Request, session: Me) -> Response:
    page = page_of(request)
    now = page.clock()
    with page.database.read() as connection:
        said = said_twice(connection)
        values: dict[str, Any] = {
            "states": waiting.counts(connection),
            "backlog": connection.execute(
                "SELECT count(*) FROM outbox WHERE state IN ('waiting', 'sending')"
            ).fetchone()[0],
            "published": connection.execute("SELECT count(*) FROM labels").fetchone()[0],
            "reviewers": connection.execute(
                "SELECT reviewer, count(*) AS votes, sum(verdict = 'match') AS matches,"
                " sum(verdict = 'no_match') AS no_matches, sum(verdict = 'unsure') AS unsure,"
                " sum(verdict = 'skip') AS skips, sum(cast_at >= :hour) AS hour,"
                " avg(min(elapsed_ms, 120000)) AS mean_ms"
                " FROM votes WHERE undone_at IS NULL AND cast_at >= :since GROUP BY reviewer ORDER BY votes DESC",
                {"hour": format_time(now - timedelta(hours=1)), "since": format_time(now - timedelta(days=DAYS))},
            ).fetchall(),
            "days": connection.execute(
                "SELECT substr(cast_at, 1, 10) AS day, count(*) AS votes FROM votes"
                " WHERE undone_at IS NULL AND verdict != 'skip' AND cast_at >= ? GROUP BY day ORDER BY day",
                (format_time(now - timedelta(days=DAYS)),),
            ).fetchall(),
            "overruled": connection.execute(
                "SELECT count(*) AS labels,"
                " sum(json_extract(body, '$.seen_verdict') IN ('match', 'no_match')) AS judged,"
                " sum(json_extract(body, '$.seen_verdict') IN ('match', 'no_match')"
                " AND json_extract(body, '$.seen_verdict') != verdict) AS overruled FROM labels"
            ).fetchone(),
        }
    # Outside: the first time it loads scikit-learn, and nobody who labels should wait for that.
    overall, people = measured(said)
    return page.html("progress", session, overall=overall, people=people, days_shown=DAYS, **values)


@router.get("/trail")
def whole_trail(
    request: Request,
    session: Annotated[Session, Depends(lead_of)],
    actor: Annotated[str, Query(max_length=200)] = "",
    before: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    """Who said what, for leads."""
    page = page_of(request)
    with page.database.read() as connection:
        found = trail.lines(connection, actor=actor or None, before=before)
    return page.html("trail", session, lines=found, actor=actor)


def _escaped(text: str) -> str:
    """As it is, for LIKE."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
