"""The page: one Markdown file and one self-contained HTML file, from the report's JSON and its pictures."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
from jinja2 import Environment, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup

from schemas.rationale import ATTRIBUTES, VERDICTS
from train.report.plots import SCORERS, draw

MISSING = "–"


def pct(value: float | None, digits: int = 1) -> str:
    """A share in percent, without the sign."""
    return MISSING if value is None else f"{100 * value:.{digits}f}"


def number(value: float | None, digits: int = 2) -> str:
    """A number with so many digits after the point."""
    return MISSING if value is None else f"{value:.{digits}f}"


def count(value: int | None) -> str:
    """A number of things."""
    return MISSING if value is None else f"{value:,}"


def signed(value: float | None) -> str:
    """A difference of shares in percentage points, with its sign."""
    return MISSING if value is None else f"{100 * value:+.1f}"


def plus(value: float | None, digits: int = 4) -> str:
    """A difference with its sign."""
    return MISSING if value is None else f"{value:+.{digits}f}"


def between(row: Mapping[str, Any], name: str) -> str:
    """The interval that stands beside a value, in percent."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "" if low is None or high is None else f"[{pct(low)}, {pct(high)}]"


def share(row: Mapping[str, Any]) -> str:
    """A row of `train.report.measures.proportion` in words."""
    return "none" if not row["n"] else f"{pct(row['share'])}% {between(row, 'share')} of {count(row['n'])}"


def accuracy(row: Mapping[str, Any]) -> str:
    """Balanced accuracy with its interval and the number of classes behind it."""
    if row["balanced_accuracy"] is None:
        return "not measured"
    return f"{pct(row['balanced_accuracy'])} {between(row, 'balanced_accuracy')} ({row['classes']})"


def slice_text(row: Mapping[str, Any] | None) -> str:
    """A slice in words."""
    if row is None:
        return "no slice is large enough"
    interval = between(row, "f1")
    return f"{row['set']}, {row['slice']}: F1 {pct(row['f1'])} {interval}, n = {count(row['n'])} ({row['positives']})"


def quoted(text: str | None) -> str:
    """Seller text as code: `schemas.text.clean` leaves no backtick in it, so that it cannot be markup."""
    return f"`{(text or MISSING).replace('`', ' ')}`"


def rates(found: Mapping[str, Any], path: str = "") -> list[dict[str, Any]]:
    """Every rate of the robustness suites with the words that lead to it, in their order."""
    rows: list[dict[str, Any]] = []
    for name, value in found.items():
        words = f"{path}, {name.replace('_', ' ')}" if path else name
        if isinstance(value, Mapping) and "rate" in value:
            rows.append({"measure": words, **value})
        elif isinstance(value, Mapping) and name not in ("targets", "bundle", "trained_on"):
            rows += rates(value, words)
    return rows


def boosting_sentences(sets: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Where the student beats gradient boosting, and where not, in words, from the differences and their intervals."""
    found = []
    for name, row in sets.items():
        if (gap := row.get("against_boosting")) is None:
            continue
        if gap["difference_low"] > 0:
            verdict = "beats gradient boosting"
        elif gap["difference_high"] < 0:
            verdict = "loses to gradient boosting"
        elif gap["difference"] > 0:
            verdict = "is ahead of gradient boosting, within the interval"
        else:
            verdict = "is not ahead of gradient boosting"
        found.append(f"On {name} the student {verdict} ({signed(gap['difference'])} {between(gap, 'difference')}).")
    return found


FILTERS = {
    filter_.__name__: filter_
    for filter_ in (pct, number, count, signed, plus, between, share, accuracy, slice_text, quoted, rates)
}


def markdown(report: Mapping[str, Any]) -> str:
    """The page as Markdown. Raises jinja2.UndefinedError where the report lacks what the page shows."""
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    environment.filters.update(FILTERS)
    template = environment.from_string((files(__package__) / "templates" / "report.md.j2").read_text())
    text = template.render(
        **report,
        scorers=SCORERS,
        attribute_names=ATTRIBUTES,
        verdict_names=VERDICTS,
        slice_names=list(next(iter(report["slices"]["sets"].values()))),
        verdict_on_boosting=boosting_sentences(report["sets"]),
    )
    lines = [line.rstrip() for line in text.splitlines()]
    # Where a part has nothing to say its blank lines stay: never two in a row.
    kept = [line for place, line in enumerate(lines) if line or (place and lines[place - 1])]
    return "\n".join(kept).strip() + "\n"


def html(text: str, pictures: Sequence[Path], title: str) -> str:
    """The same page as HTML, with its pictures inside: no other file and no network is needed to read it."""
    inside = {path.name: base64.b64encode(path.read_bytes()).decode() for path in pictures}
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")

    def image(self: RendererHTML, tokens: Sequence[Token], place: int, options: OptionsDict, env: EnvType) -> str:
        token = tokens[place]
        source = inside[str(token.attrs["src"])]
        return f'<img alt="{Markup.escape(token.content)}" src="data:image/svg+xml;base64,{source}">'

    reader.add_render_rule("image", image)
    body = reader.render(text).replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=True)
    frame = environment.from_string((files(__package__) / "templates" / "page.html.j2").read_text())
    return frame.render(title=title, body=Markup(body))


def write_page(report: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write ``report.json``, ``report.md``, ``report.html`` and the pictures; return their paths.

    Raises:
        OSError: one cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures = draw(report, folder)
    text = markdown(report)
    title = f"{report['bundle']['name']} {report['bundle']['version']}: report card"
    made = {
        "report.json": orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode(),
        "report.md": text,
        "report.html": html(text, pictures, title),
    }
    for name, content in made.items():
        (folder / name).write_text(content, encoding="utf-8")
    return [*(folder / name for name in made), *pictures]
