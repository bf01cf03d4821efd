"""An audit as a page (Markdown) and as data (JSON). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas.rationale import ATTRIBUTES
from train.rationales.records import RationaleRecord
from train.teacher.audit import Audit, Case, Judged, Rate

_ESCAPED = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_{}[]()#+!|~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})


def as_json(audit: Audit, about: dict[str, Any]) -> dict[str, Any]:
    """All of it, JSON-ready; ``about`` says who judged whom, when and at what price."""
    return {
        "about": about,
        "population": audit.population,
        "left_out": audit.left_out,
        "seed": audit.seed,
        "strata": [
            {
                "name": stratum.name,
                "size": stratum.size,
                "drawn": stratum.drawn,
                "inclusion_probability": stratum.inclusion_probability,
            }
            for stratum in audit.strata
        ],
        "failed": audit.failed,
        "disagreement": {
            "overall": _rate_json(audit.overall),
            "at_most_if_failed_disagree": audit.at_most,
            "by_verdict": {name: _rate_json(rate) for name, rate in audit.by_verdict.items()},
            "by_confidence": {name: _rate_json(rate) for name, rate in audit.by_band.items()},
            "by_attribute": {name: _rate_json(rate) for name, rate in audit.by_attribute.items()},
        },
        "reviews_called_same": _rate_json(audit.review),
        "attribute_confusions": audit.confusions,
        "worst": [_case_json(each) for each in audit.worst],
    }


def _rate_json(rate: Rate) -> dict[str, Any]:
    return {"asked": rate.asked, "disagree": rate.disagree, "rate": rate.rate, "low": rate.low, "high": rate.high}


def _case_json(each: Judged) -> dict[str, Any]:
    decision = each.case.decision
    return {
        "pair_id": decision.pair_id,
        "decision_id": decision.decision_id,
        "titles": [each.case.first.title, each.case.second.title],
        "student": {
            "verdict": decision.verdict,
            "probability": decision.probability,
            "rationale": decision.rationale.model_dump(mode="json") if decision.rationale else None,
        },
        "teacher": each.record.model_dump(mode="json", exclude={"left", "right"}) if each.record else None,
    }


def as_markdown(audit: Audit, about: dict[str, Any]) -> str:
    """The page. Sellers' texts are escaped: no listing can write a heading or a link into it."""
    drawn = sum(stratum.drawn for stratum in audit.strata)
    parts = [
        "# Audit: the teacher on the student's decisions",
        "",
        *(f"- {name}: {_text(str(value))}" for name, value in about.items()),
        "",
        f"{drawn} of {audit.population} decisions were drawn, stratified by verdict and confidence (seed {audit.seed});"
        " rates are of all these decisions, with 95% intervals. The teacher is no truth: a disagreement is a question.",
        "",
    ]
    if audit.left_out:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(audit.left_out.items()))
        parts += [f"Not audited: {reasons}.", ""]
    if audit.failed:
        parts += [
            f"The teacher failed on {audit.failed} of them; rates take these to be like the others of their stratum."
            + (f" Were all of them disagreements, the rate would be {audit.at_most:.1%}." if audit.at_most else ""),
            "",
        ]
    rows = [("**all decided**", audit.overall)]
    rows += [(f"verdict {name}", rate) for name, rate in audit.by_verdict.items()]
    rows += [(f"confidence {name}", rate) for name, rate in audit.by_band.items()]
    parts += ["## Disagreement", "", *_table("decisions", rows), ""]
    parts += ["## Attributes", "", *_table("attribute", list(audit.by_attribute.items())), ""]
    if audit.confusions:
        parts += ["Student → teacher, in the sample:", ""]
        parts += [
            f"- {name}: {', '.join(f'{pair} {count}' for pair, count in counts.items())}"
            for name, counts in audit.confusions.items()
        ]
        parts.append("")
    if audit.review.rate is not None:
        parts += ["## Reviews", "", *_table("teacher calls the same", [("verdict review", audit.review)]), ""]
    parts += ["## Strata", "", "| stratum | decisions | drawn | inclusion probability |", "| --- | --- | --- | --- |"]
    parts += [
        f"| {each.name} | {each.size} | {each.drawn} | {each.inclusion_probability:.4f} |" for each in audit.strata
    ]
    parts += ["", f"## The {len(audit.worst)} worst disagreements", ""]
    for place, each in enumerate(audit.worst, 1):
        parts += _worst(place, each)
    return "\n".join(parts).rstrip() + "\n"


def _table(head: str, rows: Sequence[tuple[str, Rate]]) -> list[str]:
    lines = [f"| {head} | judged | disagree | rate | 95% interval |", "| --- | --- | --- | --- | --- |"]
    for name, rate in rows:
        point = "-" if rate.rate is None else f"{rate.rate:.1%}"
        interval = "-" if rate.rate is None else f"{rate.low:.1%} to {rate.high:.1%}"
        lines.append(f"| {name} | {rate.asked} | {rate.disagree} | {point} | {interval} |")
    return lines


def _worst(place: int, each: Judged) -> list[str]:
    case, record = each.case, each.record
    assert record is not None  # a failed case is no disagreement
    return [
        f"### {place}. {_text(case.decision.pair_id)}",
        "",
        f"- A: {_text(case.first.title)}",
        f"- B: {_text(case.second.title)}",
        f"- student: **{case.decision.verdict}**, p {case.decision.probability:.3f}; {_student(case)}",
        f"- teacher: **{record.answer}**{_confidence(record)}; {_teacher(record)}",
        "",
    ]


def _student(case: Case) -> str:
    rationale = case.decision.rationale
    if rationale is None:
        return "no rationale"
    verdicts = ", ".join(
        f"{name} {rationale.attributes[name].verdict}" for name in ATTRIBUTES if name in rationale.attributes
    )
    return f"{verdicts}. {_text(rationale.sentence or '')}".strip()


def _teacher(record: RationaleRecord) -> str:
    verdicts = ", ".join(f"{name} {record.verdicts[name]}" for name in ATTRIBUTES if name in record.verdicts)
    return f"{verdicts or 'no attribute claimed'}. {_text(record.explanation)}"


def _confidence(record: RationaleRecord) -> str:
    return "" if record.confidence is None else f", confidence {record.confidence:.2f}"


def _text(text: str) -> str:
    """Other people's text in one line, with nothing in it that Markdown or HTML reads."""
    return " ".join(text.translate(_ESCAPED).split())
