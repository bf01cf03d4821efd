"""Logins: the browser holds a signed random token, the database its hash, the CSRF token and when it ends.

A stolen database gives no session away, a forged cookie does not reach it, and ending a session here ends it at once.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from itsdangerous import BadSignature, Signer

from schemas.events import format_time
from worker.review.accounts import Role
from worker.review.trail import note

_SALT = "samesku-review-session"
_BYTES = 32


@dataclass(frozen=True)
class Session:
    """Somebody who is logged in."""

    token: str
    name: str
    role: Role
    csrf: str

    @property
    def leads(self) -> bool:
        return self.role in ("lead", "admin")


class Keys:
    """Signs what browsers keep for us."""

    def __init__(self, secret: str) -> None:
        self._signer = Signer(secret, salt=_SALT, digest_method=hashlib.sha256)

    def sign(self, value: str) -> str:
        return self._signer.sign(value).decode()

    def read(self, signed: str) -> str | None:
        """What was signed, or None if it was not by us."""
        try:
            return self._signer.unsign(signed).decode()
        except (BadSignature, UnicodeDecodeError):
            return None


def keys(connection: sqlite3.Connection) -> Keys:
    """The database's own key, made when it is first asked for."""
    connection.execute(
        "INSERT OR IGNORE INTO meta VALUES ('session_key', ?)", (secrets.token_urlsafe(_BYTES),)
    )  # fmt: skip
    (key,) = connection.execute("SELECT value FROM meta WHERE key = 'session_key'").fetchone()
    return Keys(key)


def begin(connection: sqlite3.Connection, now: datetime, name: str, address: str, hours: float) -> str:
    """Log a user in; returns the token for the cookie, unsigned. Ended sessions are forgotten along the way."""
    token = secrets.token_urlsafe(_BYTES)
    connection.execute("DELETE FROM sessions WHERE expires_at <= ?", (format_time(now),))
    connection.execute(
        "INSERT INTO sessions (token, name, csrf, address, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
        (_digest(token), name, secrets.token_urlsafe(_BYTES), address, format_time(now),
         format_time(now + timedelta(hours=hours))),
    )  # fmt: skip
    note(connection, now, name, "logged in", name, address=address)
    return token


def find(connection: sqlite3.Connection, now: datetime, token: str) -> Session | None:
    """The session of a token, while it lasts and its user may log in."""
    row = connection.execute(
        "SELECT s.token, s.name, s.csrf, u.role FROM sessions s JOIN users u USING (name)"
        " WHERE token = ? AND revoked_at IS NULL AND expires_at > ? AND NOT u.disabled",
        (_digest(token), format_time(now)),
    ).fetchone()
    return None if row is None else Session(row["token"], row["name"], row["role"], row["csrf"])


def end(connection: sqlite3.Connection, now: datetime, session: Session) -> None:
    """Log out."""
    connection.execute("UPDATE sessions SET revoked_at = ? WHERE token = ?", (format_time(now), session.token))
    note(connection, now, session.name, "logged out", session.name)


def end_all(connection: sqlite3.Connection, now: datetime, name: str, actor: str) -> int:
    """End every session of a user; returns how many there were."""
    ended = connection.execute(
        "UPDATE sessions SET revoked_at = ? WHERE name = ? AND revoked_at IS NULL", (format_time(now), name)
    ).rowcount
    note(connection, now, actor, "ended sessions", name, sessions=ended)
    return ended


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
