"""The tables of `docs/operations.md`, written from the code: `python -m samesku.reference [--check]`.

Settings, topics, metrics and reasons are stated once, where they are used; a page that repeats them by hand is wrong
within a month. Non-goal: the text around the tables.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from schemas.deadletter import DEAD_LETTER_HEADERS
from schemas.settings import Settings
from schemas.topics import ALL
from worker.stream.metrics import CATALOGUE

PAGE: Final = Path(__file__).parents[1] / "docs" / "operations.md"

# The units of retention that a reader thinks in.
_DAY_MS: Final = 24 * 60 * 60 * 1000


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; bars and line breaks in cells are escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def settings_table() -> str:
    """Every setting: key, default, meaning."""
    return table(("setting", "default", "meaning"), _settings(Settings, ()))


def _settings(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    for name, info in model.model_fields.items():
        section = info.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            yield from _settings(section, (*path, name))
        else:
            yield f"`{'.'.join((*path, name))}`", _default(info), info.description or ""


def _default(info: FieldInfo) -> str:
    value: Any = info.get_default(call_default_factory=True)
    if value is None:
        return "-"
    if isinstance(value, tuple | list):
        value = [each.model_dump() if isinstance(each, BaseModel) else each for each in value]
    return f"`{value}`" if value != "" else "empty"


def topics_table() -> str:
    """Every topic: name, key, value, how long it is kept, what for."""
    rows = ((f"`{topic.name}`", topic.key, topic.value, _kept(topic.configs), topic.description) for topic in ALL)
    return table(("topic", "key", "value", "kept", "what it is"), rows)


def _kept(configs: Any) -> str:
    if configs.get("cleanup.policy") == "compact":
        return "compacted"
    retention = int(configs.get("retention.ms", -1))
    return "for ever" if retention < 0 else f"{retention // _DAY_MS} days"


def metrics_table() -> str:
    """Every metric: name, kind, meaning, remedy."""
    rows = ((f"`{metric.name}`", metric.kind, metric.meaning, metric.remedy) for metric in CATALOGUE)
    return table(("metric", "kind", "what it counts", "when it looks wrong"), rows)


def headers_table() -> str:
    """Every header of a dead letter."""
    return table(("header", "what it holds"), ((f"`{name}`", text) for name, text in DEAD_LETTER_HEADERS.items()))


TABLES: Final[dict[str, Callable[[], str]]] = {
    "settings": settings_table,
    "topics": topics_table,
    "metrics": metrics_table,
    "dead letter headers": headers_table,
}


def render(page: str) -> str:
    """The page with each table between its markers made anew. Raises ValueError when a marker is missing."""
    for name, make in TABLES.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        if not pattern.search(page):
            raise ValueError(f"the page has no place for the table {name!r}")
        text = f"{begin}{make()}\n{end}"
        page = pattern.sub(lambda match, text=text: text, page)  # type: ignore[misc]
    return page


def main(arguments: Sequence[str]) -> int:
    """0 when the page is (now) up to date, 1 when `--check` finds it stale."""
    page = PAGE.read_text(encoding="utf-8")
    rendered = render(page)
    if "--check" in arguments:
        return int(rendered != page)
    PAGE.write_text(rendered, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
