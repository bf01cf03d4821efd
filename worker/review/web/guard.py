"""What stands before every route: which host, whose origin, how large, how often, who, and with which headers.

Pure ASGI, so that a keystroke does not pay for it. The routes ask `session_of` for who is there and `check_token` for
whether the form is from a page of theirs.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from fastapi import HTTPException, Request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.review_settings import ReviewSettings
from worker.review import sessions
from worker.review.web.page import Page, page_of

COOKIE = "samesku_review"
# A vote with a long note is a few kilobytes.
MAX_BODY = 64 * 1024
MAX_NOTE = 2_000
LOGIN_MINUTES = 5


def content_policy(settings: ReviewSettings) -> str:
    """Nothing from elsewhere, nothing inline; sellers' images only where the settings load them."""
    images = "'self' https: http:" if settings.load_images else "'self'"
    return (
        f"default-src 'self'; img-src {images}; object-src 'none'; base-uri 'none'; form-action 'self';"
        " frame-ancestors 'none'"
    )


class Guard:
    """Middleware: refuses foreign hosts and origins and large bodies, and puts the headers on what is answered."""

    def __init__(self, app: ASGIApp, settings: ReviewSettings) -> None:
        self._app = app
        self._hosts = {"127.0.0.1", "localhost", "::1", settings.host, *settings.hosts}
        self._headers = {
            "content-security-policy": content_policy(settings),
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "referrer-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": "camera=(), geolocation=(), microphone=()",
        }
        if settings.secure_cookies:
            self._headers["strict-transport-security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                # What was on a page is gone when somebody has logged out; scripts and styles, named by content, stay.
                kept = scope["path"].startswith("/static/") and message["status"] == 200
                headers["cache-control"] = "public, max-age=31536000, immutable" if kept else "no-store"
            await send(message)

        refused = self._refuse(scope)
        if refused is not None:
            await refused(scope, receive, dressed)
            return
        await self._app(scope, _bounded(receive), dressed)

    def _refuse(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        host = urlsplit(f"//{headers.get('host', '')}").hostname
        if host not in self._hosts:
            # Else a page elsewhere could point its own name at this address and read the answers.
            return PlainTextResponse("this host name is not served here (review.hosts)", 400)
        if scope["method"] not in ("GET", "HEAD"):
            origin = headers.get("origin")
            if headers.get("sec-fetch-site", "same-origin") != "same-origin" or (
                origin is not None and urlsplit(origin).netloc != headers.get("host")
            ):
                return PlainTextResponse("the request comes from another site", 403)
            if int(headers.get("content-length") or 0) > MAX_BODY:
                return PlainTextResponse("too large", 413)
        return None


def _bounded(receive: Receive) -> Receive:
    """Stops reading a body that is larger than it said."""
    read = 0

    async def counted() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > MAX_BODY:
            raise HTTPException(413, "too large")
        return message

    return counted


class Limits:
    """How often a name, an address or a user may come. In memory: a restart forgives."""

    def __init__(self, settings: ReviewSettings) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._logins = RateLimitItemPerMinute(settings.login_attempts, LOGIN_MINUTES)
        self._requests = RateLimitItemPerMinute(settings.requests_per_minute)

    def may_log_in(self, name: str, address: str) -> bool:
        """Whether neither has failed too often. Asked before the password is looked at."""
        return all(self._limiter.test(self._logins, kind, who) for kind, who in _both(name, address))

    def failed(self, name: str, address: str) -> None:
        for kind, who in _both(name, address):
            self._limiter.hit(self._logins, kind, who)

    def may_go_on(self, name: str) -> bool:
        return self._limiter.hit(self._requests, "requests", name)


def _both(name: str, address: str) -> tuple[tuple[str, str], tuple[str, str]]:
    # Nobody's name is that long, and what is kept must not grow with what strangers send.
    return ("name", name[:64]), ("address", address)


class LoggedOut(Exception):
    """Nobody is logged in."""


def session_of(request: Request) -> sessions.Session:
    """Who asks. Raises LoggedOut, and HTTPException 429 when it is too often."""
    page = page_of(request)
    token = page.keys.read(request.cookies.get(COOKIE, ""))
    if token is None:
        raise LoggedOut
    with page.database.read() as connection:
        session = sessions.find(connection, page.clock(), token)
    if session is None:
        raise LoggedOut
    if not page.limits.may_go_on(session.name):
        raise HTTPException(429, "too many requests: wait a moment", {"retry-after": "10"})
    return session


def check_token(session: sessions.Session, given: str) -> None:
    """Raises HTTPException 403 unless the form came from a page of this session."""
    if not hmac.compare_digest(session.csrf.encode(), given.encode()):
        raise HTTPException(403, "this form is not from your session: reload the page")


def lead_of(request: Request) -> sessions.Session:
    """Who asks, if a lead or an admin. Raises LoggedOut and HTTPException 403."""
    session = session_of(request)
    if not session.leads:
        raise HTTPException(403, "this page is for leads")
    return session


def admin_of(request: Request) -> sessions.Session:
    """Who asks, if an admin. Raises LoggedOut and HTTPException 403."""
    session = session_of(request)
    if session.role != "admin":
        raise HTTPException(403, "this page is for admins")
    return session


def wants_json(request: Request) -> bool:
    """Whether our script asks, and not a plain form."""
    return request.headers.get("accept", "") == "application/json"


__all__ = ["Guard", "Limits", "LoggedOut", "Page", "check_token", "session_of"]
