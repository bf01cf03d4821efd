"""Users: names, roles and passwords (Argon2id, with the library's parameters, which follow RFC 9106).

Roles: a *reviewer* labels; a *lead* settles disagreements, too, and reads the trail; an *admin* also ends other
people's sessions. A user is disabled, never deleted: the trail names them for good.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Literal, get_args

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from schemas.events import format_time
from worker.review.errors import BadAccount
from worker.review.trail import note

Role = Literal["reviewer", "lead", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
# No plus sign: it joins the names of two people who agreed. No colon: imported votes carry one.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
# Longer ones only cost time; a passphrase is far below.
MAX_PASSWORD = 1_000


@dataclass(frozen=True)
class User:
    """One person who may log in."""

    name: str
    role: Role
    disabled: bool
    created_at: str


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _nobody() -> str:
    """The hash that is checked for names that do not exist, so that they take as long as those that do."""
    return _hasher().hash("nobody has this password")


def add(
    connection: sqlite3.Connection, now: datetime, name: str, role: str, password: str, least: int, actor: str
) -> None:
    """Add a user. Raises BadAccount."""
    if _NAME.fullmatch(name) is None:
        raise BadAccount(f"user name {name!r}: 1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit")
    _check_role(role)
    _check_password(password, least)
    if find(connection, name) is not None:
        raise BadAccount(f"there is a user {name!r} already")
    connection.execute(
        "INSERT INTO users (name, password, role, created_at) VALUES (?, ?, ?, ?)",
        (name, _hasher().hash(password), role, format_time(now)),
    )
    note(connection, now, actor, "added user", name, role=role)


def change(
    connection: sqlite3.Connection,
    now: datetime,
    name: str,
    actor: str,
    *,
    role: str | None = None,
    password: str | None = None,
    disabled: bool | None = None,
    least: int = 0,
) -> None:
    """Change what is given. A new password or role, and disabling, end the user's sessions. Raises BadAccount."""
    if find(connection, name) is None:
        raise BadAccount(f"there is no user {name!r}")
    if role is not None:
        _check_role(role)
        connection.execute("UPDATE users SET role = ? WHERE name = ?", (role, name))
    if password is not None:
        _check_password(password, least)
        connection.execute("UPDATE users SET password = ? WHERE name = ?", (_hasher().hash(password), name))
    if disabled is not None:
        connection.execute("UPDATE users SET disabled = ? WHERE name = ?", (disabled, name))
    connection.execute(
        "UPDATE sessions SET revoked_at = ? WHERE name = ? AND revoked_at IS NULL", (format_time(now), name)
    )
    note(
        connection, now, actor, "changed user", name, role=role, disabled=disabled, password=password is not None
    )  # fmt: skip


def find(connection: sqlite3.Connection, name: str) -> User | None:
    row = connection.execute("SELECT * FROM users WHERE name = ?", (name,)).fetchone()
    return None if row is None else User(row["name"], row["role"], bool(row["disabled"]), row["created_at"])


def every(connection: sqlite3.Connection) -> list[User]:
    rows = connection.execute("SELECT * FROM users ORDER BY name")
    return [User(row["name"], row["role"], bool(row["disabled"]), row["created_at"]) for row in rows]


def stored_password(connection: sqlite3.Connection, name: str) -> str | None:
    """The hash of a user who may log in, for `right`; None for everybody else."""
    row = connection.execute("SELECT password FROM users WHERE name = ? AND NOT disabled", (name,)).fetchone()
    return None if row is None else str(row["password"])


def right(stored: str | None, password: str) -> bool:
    """Whether the password is right. Takes some 50 ms on purpose, also for nobody; call it outside of a transaction."""
    try:
        matches = _hasher().verify(stored or _nobody(), password[:MAX_PASSWORD])
    except (VerificationError, InvalidHashError):
        return False
    return matches and stored is not None


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise BadAccount(f"role {role!r}: valid are {', '.join(ROLES)}")


def _check_password(password: str, least: int) -> None:
    if not least <= len(password) <= MAX_PASSWORD:
        raise BadAccount(f"a password has {least} to {MAX_PASSWORD} characters; this one has {len(password)}")
