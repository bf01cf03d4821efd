"""The page: one HTML file with its pictures inside, which needs no other file and no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from worker.comparison.plots import pictures

PAGE, DATA = "compare.html", "compare.json"
MISSING = "–"


def percent(value: float | None, digits: int = 1) -> str:
    """A share in percent."""
    return MISSING if value is None else f"{100 * value:.{digits}f}%"


def points(value: float | None) -> str:
    """A difference of shares in percentage points, with its sign."""
    return MISSING if value is None else f"{100 * value:+.2f}"


def number(value: float | None, digits: int = 3) -> str:
    return MISSING if value is None else f"{value:.{digits}f}"


def interval(row: Mapping[str, Any]) -> str:
    """The interval of a proportion in percent."""
    return "" if row["low"] is None else f"[{percent(row['low'])}, {percent(row['high'])}]"


def html(found: Mapping[str, Any], shown: Sequence[tuple[float, float, bool]]) -> str:
    """The page of a comparison. Raises jinja2.UndefinedError where it lacks what the page shows."""
    environment = Environment(undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {each.__name__: each for each in (percent, points, number, interval)}
    template = environment.from_string((files(__package__) / "templates" / "compare.html.j2").read_text("utf-8"))
    drawn = {name: Markup(text) for name, text in pictures(found, shown).items()}
    return template.render(found=found, pictures=drawn)


def write_page(found: Mapping[str, Any], shown: Sequence[tuple[float, float, bool]], folder: Path) -> list[Path]:
    """Write `compare.json` and `compare.html`; returns their paths. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    data, page = folder / DATA, folder / PAGE
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    data.write_bytes(orjson.dumps(found, option=options))
    page.write_text(html(found, shown), encoding="utf-8")
    return [data, page]
