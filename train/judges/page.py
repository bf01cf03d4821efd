"""The validation of a set of judges as a page: tables in Markdown, one reliability diagram a judge. Text is pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from train.judges.admission import GUARDED_SURFACES, failures
from train.judges.limits import Limits
from train.judges.teachers import KIND
from train.judges.validation import Validation

BEGIN, END = "<!-- validation: begin -->", "<!-- validation: end -->"


class PageError(ValueError):
    """The page to write into has no place for the tables."""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def kinds_table(measured: Validation) -> str:
    """Pairwise accuracy of each kind."""
    rows = [
        [
            kind.kind,
            "claims of a teacher" if kind.kind == KIND else "seen" if kind.seen else "**unseen**",
            str(kind.cases),
            str(kind.products),
            f"{kind.accuracy:.3f}",
            f"{kind.low:.3f}",
        ]
        for kind in sorted(measured.kinds, key=lambda kind: (not kind.seen, kind.low))
    ]
    return _table(["corruption", "in training", "cases", "products", "accuracy", "95% lower bound"], rows)


def tables(sets: Sequence[tuple[str, Sequence[Validation]]], limits: Limits) -> str:
    """The page's text for one or more sets of judges (title, validations)."""
    parts: list[str] = []
    for title, found in sets:
        parts.append(f"### {title}")
        rows = []
        for each in found:
            problems = list(failures(each, limits))
            rows.append([
                f"`{each.judge}`", "admitted" if not problems else "**refused**: " + "; ".join(problems),
                _number(min(k.low for k in each.kinds if k.seen and k.kind != KIND)),
                _number(min((k.low for k in each.kinds if not k.seen), default=None)),
                _number(each.ece), _number(each.brier), _number(each.length_listing), _number(each.length_quote),
            ])  # fmt: skip
        head = ["judge", "verdict", "worst seen kind", "worst unseen kind", "ECE", "Brier", "r listing", "r quotes"]
        parts.append(_table(head, rows))
        for each in found:
            parts += [
                f"#### `{each.judge}` (digest `{each.digest[:12]}`, {each.claims} claims, {each.measured_at:%Y-%m-%d})",
                kinds_table(each),
            ]
        parts += ["#### Attack, style, real contradictions, agreement", _behaviour(found), _agreement(found)]
    return "\n\n".join(part for part in parts if part)


def _behaviour(found: Sequence[Validation]) -> str:
    rows = []
    for each in found:
        for gain in each.attack:
            note = " (rules refuse these)" if gain.surface in GUARDED_SURFACES else ""
            rows.append([
                f"`{each.judge}`", f"attack on {gain.surface}{note}",
                f"mean rise {gain.rise:.3f}, largest {gain.worst:.3f}; {gain.crossed:.1%} of {gain.rejected} rejected"
                " claims get accepted",
            ])  # fmt: skip
        said = ", ".join(f"{name} {change:.3f}" for name, change in each.style.items())
        rows.append([f"`{each.judge}`", "mean change of score by style", said])
        denied = each.denials
        rows.append([
            f"`{each.judge}`", f"teachers' denials of a match ({denied.rationales} rationales)",
            f"{denied.rejected} of {denied.with_claim} with a claim for this judge rejected"
            f" (lower bound {denied.low:.2f})",
        ])  # fmt: skip
    return _table(["judge", "what", "measured"], rows)


def _agreement(found: Sequence[Validation]) -> str:
    rows = [
        [
            f"`{each.judge}`",
            f"`{other.other}`",
            str(other.items),
            _number(other.observed),
            _number(other.kappa),
            f"{_number(other.low)} to {_number(other.high)}",
        ]
        for each in found
        for other in each.agreement
        if each.judge < other.other
    ]
    return _table(["judge", "with", "claims", "agree", "kappa", "95%"], rows) if rows else ""


def put(page: str, text: str, name: str = "page") -> str:
    """The page with the text between its two marks. Raises PageError where a mark is missing."""
    start, end = page.find(BEGIN), page.find(END)
    if start < 0 or end < start:
        raise PageError(f"{name}: no {BEGIN} followed by {END}")
    return f"{page[: start + len(BEGIN)]}\n\n{text}\n\n{page[end:]}"


def write_page(path: Path, text: str) -> None:
    """Put the text between the marks of an existing page. Raises PageError, OSError."""
    path.write_text(put(path.read_text(encoding="utf-8"), text, str(path)), encoding="utf-8")
