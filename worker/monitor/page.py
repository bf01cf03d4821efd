"""The monitor's page: one HTML file with its pictures inside, which needs no other file and no network.

Names of sources and categories are sellers' text: everything is escaped, in the table and in the pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from worker.monitor.plots import quality_figure, signal_figure, svg

PAGE, DATA = "monitor.html", "monitor.json"


def percent(value: float | None, digits: int = 1) -> str:
    """A share in percent."""
    return "–" if value is None else f"{100 * value:.{digits}f}%"


def html(found: Mapping[str, Any]) -> str:
    """The page of an overview. Raises jinja2.UndefinedError where it lacks what the page shows."""
    environment = Environment(undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["percent"] = percent
    template = environment.from_string((files(__package__) / "templates" / "monitor.html.j2").read_text("utf-8"))
    # matplotlib escapes what it writes into an SVG.
    pictures = {signal["name"]: Markup(svg(signal_figure(signal))) for signal in found["signals"]}
    quality = Markup(svg(quality_figure(found["quality"], found["labelled"])))
    return template.render(found=found, pictures=pictures, quality=quality)


def write_page(found: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write `monitor.json` and `monitor.html`; returns their paths. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    data, page = folder / DATA, folder / PAGE
    data.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE))
    page.write_text(html(found), encoding="utf-8")
    return [data, page]
