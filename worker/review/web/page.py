"""What the routes share: the database, the settings, the clock, the templates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from schemas.events import sha256_hex
from schemas.review_settings import ReviewSettings
from worker.review.database import Database
from worker.review.sessions import Keys, Session

if TYPE_CHECKING:
    from worker.review.web.guard import Limits

FOLDER = Path(__file__).parents[1]


@dataclass(frozen=True)
class Page:
    """One per application. `state` says in a few words how the reading of the topics stands; empty: all is well."""

    database: Database
    settings: ReviewSettings
    clock: Callable[[], datetime]
    keys: Keys
    limits: Limits
    templates: Environment
    state: Callable[[], str]

    def render(self, name: str, /, **values: Any) -> str:
        return self.templates.get_template(f"{name}.html.j2").render(**values)

    def html(self, name: str, session: Session | None, /, status: int = 200, **values: Any) -> HTMLResponse:
        """A whole page, for whoever is logged in."""
        trouble = self.state() if session is not None else ""
        return HTMLResponse(self.render(name, me=session, trouble=trouble, **values), status)


def page_of(request: Request) -> Page:
    """The application's page."""
    page: Page = request.app.state.page
    return page


@cache
def asset(name: str) -> str:
    """The address of a file in `static`: it changes with the content, so that browsers may keep it for good."""
    return f"/static/{name}?{sha256_hex((FOLDER / 'static' / name).read_bytes())[:12]}"


def environment() -> Environment:
    """Everything is escaped, and a name that is not given is an error."""
    templates = Environment(
        loader=FileSystemLoader(FOLDER / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    templates.globals["asset"] = asset
    templates.filters["moment"] = lambda text: str(text)[:16].replace("T", " ")
    templates.filters["percent"] = lambda share: "–" if share is None else f"{100 * share:.0f}%"
    templates.filters["said"] = lambda verdict: str(verdict).replace("_", " ")
    return templates
