"""Logging in and out."""

from __future__ import annotations

import hmac
import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from schemas.events import format_time
from worker.review import accounts, sessions
from worker.review.sessions import Session
from worker.review.trail import note
from worker.review.web.guard import COOKIE, admin_of, check_token, session_of
from worker.review.web.page import Page, page_of

router = APIRouter()

# Before anybody is logged in, the form is bound to the browser by a cookie of its own: else a page elsewhere could log
# somebody in under a foreign name and collect their work.
FORM_COOKIE = "samesku_review_form"


@router.get("/login")
def login_form(request: Request) -> Response:
    return _form(page_of(request), "", 200)


@router.post("/login")
def login(
    request: Request,
    name: Annotated[str, Form(max_length=200)],
    password: Annotated[str, Form(max_length=accounts.MAX_PASSWORD)],
    csrf: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    page = page_of(request)
    held = page.keys.read(request.cookies.get(FORM_COOKIE, ""))
    if held is None or not hmac.compare_digest(held.encode(), csrf.encode()):
        return _form(page, "This form has expired; please try again.", 403)
    address = request.client.host if request.client else "unknown"
    if not page.limits.may_log_in(name, address):
        return _form(page, "Too many failed attempts. Wait a few minutes.", 429)
    with page.database.read() as connection:
        stored = accounts.stored_password(connection, name)
    if not accounts.right(stored, password):
        page.limits.failed(name, address)
        with page.database.write() as connection:
            note(connection, page.clock(), name[:64], "failed to log in", name[:64], address=address)
        return _form(page, "Name or password is wrong.", 401)
    with page.database.write() as connection:
        token = sessions.begin(connection, page.clock(), name, address, page.settings.session_hours)
    answer = RedirectResponse("/", 303)
    _set(answer, page, COOKIE, page.keys.sign(token), page.settings.session_hours * 3600)
    answer.delete_cookie(FORM_COOKIE, path="/login")
    return answer


@router.post("/logout")
def logout(
    request: Request,
    session: Annotated[Session, Depends(session_of)],
    csrf: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    check_token(session, csrf)
    page = page_of(request)
    with page.database.write() as connection:
        sessions.end(connection, page.clock(), session)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE)
    return answer


@router.get("/people")
def people(request: Request, session: Annotated[Session, Depends(admin_of)]) -> Response:
    page = page_of(request)
    with page.database.read() as connection:
        logins = connection.execute(
            "SELECT name, address, created_at, expires_at FROM sessions WHERE revoked_at IS NULL AND expires_at > ?"
            " ORDER BY created_at DESC",
            (format_time(page.clock()),),
        ).fetchall()
        users = accounts.every(connection)
    return page.html("people", session, users=users, logins=logins)


@router.post("/people/end")
def end_sessions(
    request: Request,
    session: Annotated[Session, Depends(admin_of)],
    name: Annotated[str, Form(max_length=64)],
    csrf: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    check_token(session, csrf)
    page = page_of(request)
    with page.database.write() as connection:
        if accounts.find(connection, name) is None:
            raise HTTPException(404, "no such user")
        sessions.end_all(connection, page.clock(), name, session.name)
    return RedirectResponse("/people", 303)


def _form(page: Page, problem: str, status: int) -> Response:
    token = secrets.token_urlsafe(24)
    answer = page.html("login", None, status, csrf=token, problem=problem)
    _set(answer, page, FORM_COOKIE, page.keys.sign(token), 3600, path="/login")
    return answer


def _set(answer: Response, page: Page, name: str, value: str, seconds: float, path: str = "/") -> None:
    answer.set_cookie(
        name, value, max_age=int(seconds), path=path, httponly=True, samesite="strict",
        secure=page.settings.secure_cookies,
    )  # fmt: skip
