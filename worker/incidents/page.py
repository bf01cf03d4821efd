"""The report of an incident as one page that a person attaches to a ticket: HTML that fetches nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from schemas.offer import Offer
from worker.incidents.affected import Case
from worker.incidents.findings import Findings

PAGE, DATA, ACTIONS = "incident.html", "incident.json", "actions.jsonl"
# Pairs shown side by side in the page; all of them are in the JSON.
SHOWN = 20


def write_page(folder: Path, findings: Findings) -> Path:
    """Write page and data into the folder, with the actions taken so far. Returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DATA).write_bytes(orjson.dumps(findings.as_json(), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    notes = {report.pair_id: report for report in findings.reports}
    page = folder / PAGE
    page.write_text(
        environment.get_template("incident.html.j2").render(
            found=findings,
            kinds=[(kind, [_shown(case) for case in kind.affected[:SHOWN]]) for kind in findings.kinds],
            reported=[(_shown(case), notes[case.made.pair_id]) for case in findings.reported],
            actions=read_actions(folder),
            shown=SHOWN,
        ),
        encoding="utf-8",
    )
    return page


def note_action(folder: Path, entry: dict[str, Any]) -> None:
    """Add a line to the log of what was done about this incident."""
    with (folder / ACTIONS).open("ab") as out:
        out.write(orjson.dumps(entry, option=orjson.OPT_SORT_KEYS) + b"\n")


def read_actions(folder: Path) -> list[dict[str, Any]]:
    path = folder / ACTIONS
    return [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.is_file() else []


def _shown(case: Case) -> dict[str, Any]:
    made = case.made
    return {
        "pair": made.pair_id,
        "verdict": made.verdict,
        "probability": made.probability,
        "bundle": f"{made.bundle.name} {made.bundle.version}",
        "sides": [(made.first.key, _listing(case.first)), (made.second.key, _listing(case.second))],
        "attributes": []
        if made.rationale is None
        else [(str(name), seen.verdict) for name, seen in made.rationale.attributes.items()],
        "sentence": None if made.rationale is None else made.rationale.sentence,
        "at": made.decided_at.isoformat(timespec="seconds"),
    }


def _listing(offer: Offer | None) -> Sequence[str]:
    if offer is None:
        return ("content not kept",)
    parts = (
        offer.title,
        offer.brand,
        offer.model_number,
        f"{offer.price} {offer.currency or ''}" if offer.price else None,
    )
    return [str(part) for part in parts if part]
