"""A small run, and decisions with contents, for tests of what a replay is made of."""

from __future__ import annotations

from schemas.decision import MatchDecision
from schemas.offer import Offer
from schemas.policy import Policy
from tests.decisions import NOW, decision
from worker.replay.folder import Asked, Mode, Run


def run(name: str = "r", mode: Mode = "pairs", **asked: object) -> Run:
    made = decision("a:1", "b:1", "match")
    fields = {
        "mode": mode, "begin": "start", "end": "end", "every": False, "cluster": "match.decisions",
        "bundle": made.bundle, "deployment": 0, "policy": Policy().resolved(), "pair_order": "query_first", "chunk": 5,
    }  # fmt: skip
    return Run(
        name=name, asked=Asked.model_validate({**fields, **asked}), bundle_path="b", prompt_version="1",
        grammar_version="1", created_at=NOW,
    )  # fmt: skip


def offer(key: str, title: str = "sony camera w120", **fields: object) -> Offer:
    source, _, number = key.partition(":")
    return Offer.model_validate({"offer_id": number, "source": source, "title": title, **fields})


def about(a: Offer, b: Offer, verdict: str = "match", **fields: object) -> MatchDecision:
    """A decision about the contents of two offers."""
    made = decision(a.key, b.key, verdict)  # type: ignore[arg-type]
    digests = {a.key: a.digest(), b.key: b.digest()}
    sides = [side.model_copy(update={"digest": digests[side.key]}) for side in (made.first, made.second)]
    return made.model_copy(update={"first": sides[0], "second": sides[1], **fields})
