"""The page of `samesku why`, as text and as plain data. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from rich.console import RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from schemas.decision import DELETED_DIGEST, MatchDecision
from schemas.events import format_time
from schemas.offer import Offer, split_pair
from schemas.rationale import ATTRIBUTES
from worker.audit.absence import SHOWN, Absence, Look
from worker.audit.history import Entry, History

_SIGN = {"same": "=", "different": "≠", "unknown": "?"}
_STYLE = {"match": "green", "review": "yellow", "no_match": "red", "retracted": "magenta"}
# Characters of a description that are shown side by side; --json has all.
_LONG = 200


def page(history: History) -> Iterator[RenderableType]:
    """The history: both listings side by side, each decision in time, and what stands."""
    first, second = split_pair(history.pair_id)
    standing = history.standing
    if standing is None:
        yield Text(f"{first} and {second} were never compared.", style="bold")
        return
    count = len(history.entries)
    yield Text(f"{first} and {second}: {standing.decision.verdict}", style=f"bold {_STYLE[standing.decision.verdict]}")
    yield Text(f"{count} decision{'s' if count > 1 else ''} in the audit store")
    yield Text()
    yield from _inputs(history, standing.decision)
    before: MatchDecision | None = None
    for number, entry in enumerate(history.entries, 1):
        yield Text()
        yield from _entry(number, entry, before, history)
        before = entry.decision
    for label in history.labels:
        yield Text()
        yield Text(
            f"label {label.label_id}: {label.verdict} by {label.reviewer}, {format_time(label.labeled_at)}"
            + (f": {label.note}" if label.note else "")
        )


def _inputs(history: History, decision: MatchDecision) -> Iterator[RenderableType]:
    """Both listings as the decision that stands had them; of a retraction, as the last decision that had both."""
    shown = decision
    for entry in reversed(history.entries):
        if DELETED_DIGEST not in (shown.first.digest, shown.second.digest):
            break
        shown = entry.decision
    yield offers_table(
        {side.key: history.contents.get(side.digest) for side in (shown.first, shown.second)},
        {
            side.key: f"version {side.effective_version}, {side.digest[:12]}" + _missing(side.digest, history)
            for side in (shown.first, shown.second)
        },
    )


def offers_table(offers: Mapping[str, Offer | None], titles: Mapping[str, str]) -> Table:
    """Listings side by side, a line a field that one of them has."""
    table = Table(show_header=True, header_style="bold", expand=False, pad_edge=False)
    table.add_column("")
    for key in offers:
        table.add_column(f"{escape(key)}\n{titles.get(key, '')}", overflow="fold")
    fields = [offer.model_dump(exclude_none=True) if offer is not None else {} for offer in offers.values()]
    names = [
        name for name in dict.fromkeys(name for each in fields for name in each) if name not in ("offer_id", "source")
    ]
    for name in names:
        values = [each.get(name, "") for each in fields]
        same = len(values) == 2 and values[0] == values[1]
        table.add_row(name, *(Text(_short(value), style="dim" if same else "") for value in values))
    return table


def _missing(digest: str, history: History) -> str:
    if digest in history.contents:
        return ""
    return (
        " (deleted)" if digest == DELETED_DIGEST else " (erased)" if digest in history.erased else " (not in the store)"
    )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


def _entry(number: int, entry: Entry, before: MatchDecision | None, history: History) -> Iterator[RenderableType]:
    made = entry.decision
    head = Text(f"{number}. {format_time(made.decided_at)[:19]}Z  ", style="bold")
    head.append(made.verdict, style=_STYLE[made.verdict])
    head.append(f"  {_numbers(made)}" if made.probability is not None else "")
    head.append("  stands" if entry.over is None else "")
    yield head
    # Padded as a whole, so that what does not fit on a line goes on below its text.
    yield Padding(Text("\n".join(_lines(entry, before, history))), (0, 0, 0, 3), expand=False)


def _numbers(made: MatchDecision) -> str:
    text = f"p {made.probability:.4f}"
    if made.logit is not None:
        text += f" (logit {made.logit:.4f})"
    cuts = made.thresholds
    if cuts is not None:
        text += f", match from {cuts.match:.3g}, review {cuts.review_low:.3g} to {cuts.review_high:.3g}"
    return text


def _lines(entry: Entry, before: MatchDecision | None, history: History) -> Iterator[str]:
    made = entry.decision
    yield f"why: {', '.join(made.reasons) or '-'}; decided by {_decider(made)}"
    if made.rationale is not None:
        seen = made.rationale.attributes
        yield "   ".join(
            f"{name} {_SIGN[seen[name].verdict]} {seen[name].probability:.2f}" for name in ATTRIBUTES if name in seen
        )
        if made.rationale.sentence:
            # The sentence speaks of A and B as the prompt had them: the changed offer first.
            yield f"{made.rationale.sentence} (A: {made.query_key}, B: {made.candidate_key})"
    yield f"versions: {_versions(made, before)}"
    yield _cause(made)
    timings = made.timings
    more = [f"{made.orders} orders" if made.orders > 1 else "", "canary" if made.canary else ""]
    more += [f"judged in {timings.judge_ms:.0f} ms, sentence {timings.explain_ms:.0f} ms" if timings else ""]
    more += [f"replay {made.replay}" if made.replay else "", f"deployment {made.deployment}" if made.deployment else ""]
    more += [f"published {entry.repeats + 1} times" if entry.repeats else ""]
    line = f"{made.bundle.name} {made.bundle.version} ({made.bundle.digest[:12]}), prompt {made.prompt_version}"
    yield "; ".join([f"{line}, grammar {made.grammar_version}, policy {made.policy_version}", *filter(None, more)])
    if made.shadow is not None:
        by = f"{made.shadow.bundle.name} {made.shadow.bundle.version}"
        yield f"in the shadow {by} said {made.shadow.verdict}, p {made.shadow.probability:.4f}"
    yield f"decision {made.decision_id[:16]}, match.decisions/{entry.partition}@{entry.offset}"
    standing = history.standing
    if entry.over is not None and standing is not None:
        yield f"superseded by {history.entries.index(standing) + 1}: {entry.over}"


def _decider(made: MatchDecision) -> str:
    known = {
        "label": f"label {made.label_id}", "teacher": f"the teacher's answer {made.label_id}",
        "operator": f"operator's action {made.action_id}",
        "change": "the change itself", "identifier": "the identifiers (fast path)",
    }  # fmt: skip
    return known.get(made.decided_by, "the student")


def _versions(made: MatchDecision, before: MatchDecision | None) -> str:
    texts = []
    for side, old in zip(
        (made.first, made.second), (before.first, before.second) if before else (None, None), strict=True
    ):
        text = f"{side.key} at {side.effective_version}"
        if old is not None and old.digest != side.digest:
            text += " (deleted)" if side.digest == DELETED_DIGEST else " (content changed)"
        texts.append(text)
    return ", ".join(texts)


def _cause(made: MatchDecision) -> str:
    source = f"{made.source.topic}/{made.source.partition}@{made.source.offset}"
    if made.candidate_rank is not None:
        score = f", score {made.candidate_score:.2f}" if made.candidate_score is not None else ""
        also = ", and linked" if made.linked else ""
        ranked = f"{made.candidate_key} was candidate {made.candidate_rank + 1} of {made.query_key}"
        return f"cause: {source}; {ranked}{score}{also}"
    return f"cause: {source}; {'a live link between the two' if made.linked else 'no candidate of blocking'}"


def absence_page(absence: Absence, present: Mapping[str, Offer]) -> Iterator[RenderableType]:
    """Why there is no history."""
    yield Text(f"Why not: {absence.text}.")
    yield Text()
    for each in absence.offers:
        version = f", version {each.effective_version}" if each.effective_version is not None else ""
        line = f"{each.key}: {each.state} (says the {each.seen_by}){version}"
        answer = each.last_answer
        if answer is not None:
            line += (
                f"; last change {answer.source.topic}/{answer.source.partition}@{answer.source.offset}: "
                f"{answer.outcome}, {answer.candidates} candidates of {answer.k_effective} asked for"
            )
            line += (
                f" ({answer.k_requested} but for lag {answer.lag})" if answer.k_effective < answer.k_requested else ""
            )
        yield Text(line)
    for look in absence.looks:
        yield Text(_look(look))
    if present:
        yield Text()
        yield offers_table({each.key: present.get(each.key) for each in absence.offers}, {})


def _look(look: Look) -> str:
    rank = "not found" if look.rank is None else f"number {look.rank + 1}, score {look.score or 0:.2f}"
    pruned = sorted(look.pruned, key=lambda term: look.pruned[term])[:SHOWN]
    text = f"{look.candidate} for {look.query} now: {rank} (asked for {look.k}); shared terms {look.shared}, "
    text += f"looked up {len(look.looked_up)}"
    return text + (f", pruned: {', '.join(f'{term} in {look.pruned[term]}' for term in pruned)}" if pruned else "")


def as_data(history: History, absence: Absence | None, notes: list[str]) -> dict[str, Any]:
    """The same for machines: decisions as published, contents by digest."""
    standing = history.standing
    return {
        "pair_id": history.pair_id,
        "standing": standing.decision.decision_id if standing is not None else None,
        "decisions": [
            {
                "decision": entry.decision.model_dump(mode="json"),
                "position": {"partition": entry.partition, "offset": entry.offset},
                "published_at": format_time(entry.published_at) if entry.published_at is not None else None,
                "superseded_because": entry.over,
                "repeats": entry.repeats,
            }
            for entry in history.entries
        ],
        "contents": {
            digest: offer.model_dump(mode="json", exclude_none=True) for digest, offer in history.contents.items()
        },
        "erased": sorted(history.erased),
        "labels": [label.model_dump(mode="json") for label in history.labels],
        "why_not": _absence_data(absence) if absence is not None else None,
        "notes": notes,
    }


def _absence_data(absence: Absence) -> dict[str, Any]:
    data = {each.name: getattr(absence, each.name) for each in dataclasses.fields(absence)}
    data["offers"] = [
        {**vars_of(each), "last_answer": each.last_answer.model_dump(mode="json") if each.last_answer else None}
        for each in absence.offers
    ]
    data["looks"] = [vars_of(each) for each in absence.looks]
    return data


def vars_of(value: Any) -> dict[str, Any]:
    """A dataclass's fields, not looking into them."""
    return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
