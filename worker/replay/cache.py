"""A judge that remembers, so that a killed replay of events judges nothing twice.

The index of such a replay is a function of all changes before; after a kill it is made again from nothing, quickly,
with what the student has said already. A judgement depends on the two contents and their order alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from pydantic import TypeAdapter

from schemas.bundle import BundleManifest
from schemas.events import canonical, sha256_hex
from schemas.offer import Offer
from schemas.rationale import Answer, Rationale
from worker.replay.store import Inputs
from worker.student.judge import Judge, Judgement

_JUDGEMENT = TypeAdapter(Judgement)


class RememberingJudge:
    """`Judge` over another one; what was said is kept in `inputs` (and is durable with its next commit)."""

    def __init__(self, judge: Judge, inputs: Inputs) -> None:
        self._judge = judge
        self._inputs = inputs

    @property
    def manifest(self) -> BundleManifest:
        return self._judge.manifest

    def judge(self, query: Offer, candidates: Sequence[Offer]) -> list[Judgement]:
        keys = [_key("judge", query, candidate) for candidate in candidates]
        known = {key: said for key in keys if (said := self._inputs.said(key)) is not None}
        new = {key: candidate for key, candidate in zip(keys, candidates, strict=True) if key not in known}
        for key, judgement in zip(new, self._judge.judge(query, list(new.values())), strict=True):
            known[key] = _JUDGEMENT.dump_json(judgement)
            self._inputs.note_said(key, known[key])
        return [_JUDGEMENT.validate_json(known[key]) for key in keys]

    def explain(self, query: Offer, candidate: Offer, judgement: Judgement, answer: Answer | None = None) -> Rationale:
        key = _key(f"explain {answer}", query, candidate)
        known = self._inputs.said(key)
        if known is None:
            rationale = self._judge.explain(query, candidate, judgement, answer)
            known = orjson.dumps(rationale.model_dump(mode="json"))
            self._inputs.note_said(key, known)
        return Rationale.model_validate_json(known)


def _key(what: str, query: Offer, candidate: Offer) -> str:
    # With the keys: quotes name the offer that they are of.
    return sha256_hex(canonical([what, query.key, query.digest(), candidate.key, candidate.digest()]))
