"""Why two offers were never compared: asked of the live index, of the store, and of the answers to their last changes.

Intent: facts first (is it known, which rank, which score, which terms they share), then the reason in one sentence.
The index says how things stand now; at the time of a change other offers were in it, so a rank may have been another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from schemas.answer import Answer
from schemas.offer import Offer, split_key
from worker.audit.columns import Row
from worker.blocking import Index
from worker.blocking.terms import document_terms, plan, query_terms

# Candidates asked for to find the other offer's rank: what a look-up yields at most (blocking.k).
DEEP = 1_000
# Terms named in a report.
SHOWN = 8

Reason = Literal[
    "unknown", "deleted", "same_source", "no_shared_terms", "pruned", "below_min_score", "beyond_k", "not_found",
    "not_judged", "unasked", "pending",
]  # fmt: skip


@dataclass(frozen=True)
class Known:
    """What is known of one offer. `state` is of the live index, or of the store where no index could be asked."""

    key: str
    state: Literal["live", "deleted", "unknown"]
    effective_version: int | None = None
    digest: str | None = None
    seen_by: Literal["index", "store"] = "index"
    last_answer: Answer | None = None


@dataclass(frozen=True)
class Look:
    """One offer's candidates: where the other stands among them. `rank` counts from 0, as events do."""

    query: str
    candidate: str
    k: int
    rank: int | None
    score: float | None
    shared: int
    """Terms that both have."""
    looked_up: list[str] = field(default_factory=list)
    """Of those, the ones that a look-up reads."""
    pruned: dict[str, int] = field(default_factory=dict)
    """And those that it leaves out, with the number of offers that hold them."""


@dataclass(frozen=True)
class Absence:
    """Why a pair has no decision."""

    reason: Reason
    text: str
    offers: tuple[Known, Known]
    looks: tuple[Look, ...] = ()
    linked: bool = False


def look(index: Index, query: Offer, candidate: Offer, k: int) -> Look:
    """Where `candidate` stands among the query's candidates, and by which terms they could meet."""
    # Without the filters, so that their effect can be told.
    open_index = Index(index.client, replace(index.settings, min_score=0.0, exclude_same_source=False))
    if index.generation is not None:
        open_index.adopt(index.generation)
    found = next((each for each in open_index.candidates(query, DEEP) if each.key == candidate.key), None)
    wanted = query_terms(query)
    shared = sorted(set(wanted) & document_terms(candidate, index.settings).keys())
    frequencies, documents = index.frequencies(wanted)
    chosen = {term for term, _ in plan(frequencies, documents, index.settings)}
    return Look(
        query.key, candidate.key, k,
        rank=found.rank - 1 if found is not None else None,
        score=found.score if found is not None else None,
        shared=len(shared),
        looked_up=[term for term in shared if term in chosen],
        pruned={term: frequencies[term] for term in shared if term not in chosen},
    )  # fmt: skip


def known_offers(index: Index | None, versions: Mapping[str, list[Row]], answers: Mapping[str, Answer]) -> list[Known]:
    """What is known of each offer; `versions` are the store's, by offer key."""
    found = []
    stored = dict(zip(versions, index.read(list(versions)), strict=True)) if index is not None else {}
    for key, rows in versions.items():
        answer = answers.get(key)
        held = stored.get(key)
        if held is not None:
            state: Literal["live", "deleted"] = "deleted" if held.deleted else "live"
            found.append(Known(key, state, held.effective_version, held.digest or None, "index", answer))
        elif rows:
            last = rows[-1]
            state = "deleted" if last["deleted"] else "live"
            found.append(Known(key, state, last["effective_version"], last["digest"], "store", answer))
        else:
            found.append(Known(key, "unknown", seen_by="index" if index is not None else "store", last_answer=answer))
    return found


def absence(
    index: Index | None, offers: tuple[Known, Known], contents: Mapping[str, Offer], k: int, linked: bool = False
) -> Absence:
    """The reason why there is no decision. `contents` are the offers' present ones by key; `k` is `blocking.k`."""
    for each in offers:
        if each.state == "unknown":
            return Absence("unknown", f"{each.key} is unknown: no valid change of it was ever indexed", offers)
    for each in offers:
        if each.state == "deleted":
            text = f"{each.key} is deleted (version {each.effective_version}), and no decision was made while it stood"
            return Absence("deleted", text, offers)
    if index is None or any(each.key not in contents for each in offers):
        return Absence("unasked", "both offers are known; the live index was not asked, so the rank is not", offers)
    a, b = (contents[each.key] for each in offers)
    looks = (look(index, a, b, _k(offers[0], k)), look(index, b, a, _k(offers[1], k)))
    reason, text = _reason(index, offers, looks)
    return Absence(reason, text, offers, looks, linked)


def _k(offer: Known, k: int) -> int:
    """Candidates that were asked for at the offer's last change, if its answer is still there."""
    answer = offer.last_answer
    return answer.k_effective if answer is not None and answer.op == "upsert" else k


def _reason(index: Index, offers: tuple[Known, Known], looks: tuple[Look, ...]) -> tuple[Reason, str]:
    settings = index.settings
    if settings.exclude_same_source and len({split_key(each.key)[0] for each in offers}) == 1:
        return "same_source", "both are of one seller, and blocking.exclude_same_source is on"
    if not any(each.shared for each in looks):
        return "no_shared_terms", "they share no trigram and no identifier, so neither can be found by the other"
    if not any(each.looked_up for each in looks):
        return "pruned", (
            f"all {max(each.shared for each in looks)} terms that they share are too frequent to be looked up "
            f"(blocking.max_posting {settings.max_posting}, blocking.max_read {settings.max_read})"
        )
    ranked = [each for each in looks if each.rank is not None and each.score is not None]
    if not ranked:
        return "not_found", f"neither is among the other's first {DEEP} candidates"
    if all((each.score or 0.0) < settings.min_score for each in ranked):
        best = max(each.score or 0.0 for each in ranked)
        return "below_min_score", f"their score {best:.2f} is below blocking.min_score {settings.min_score:g}"
    if all((each.rank or 0) >= each.k for each in ranked):
        said = "; ".join(
            f"{each.candidate} is number {(each.rank or 0) + 1} for {each.query}, which got {each.k}" for each in ranked
        )
        return "beyond_k", f"beyond the candidates that were asked for: {said}"
    if any(each.last_answer is not None and each.last_answer.outcome == "indexed_only" for each in offers):
        return "not_judged", "their last changes asked to be indexed only, not to be judged"
    near = min(ranked, key=lambda each: each.rank or 0)
    return "pending", (
        f"{near.candidate} is number {(near.rank or 0) + 1} for {near.query} now, so a change of either would compare "
        "them: the index has changed since their last change, or the decision is not in the store yet"
    )
