"""Judges whose verdicts are known beforehand, and manifests for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from schemas.bundle import BundleManifest
from schemas.grammar import GRAMMAR_HASH, GRAMMAR_VERSION
from schemas.offer import Offer
from schemas.prompt import PROMPT_HASH, PROMPT_VERSION
from schemas.rationale import Answer, Rationale
from worker.student.judge import Judgement

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def manifest(version: str, **fields: Any) -> BundleManifest:
    """The manifest of a bundle without files; another version has another digest."""
    return BundleManifest.model_validate(
        {
            "name": "rule", "version": version, "built_at": NOW, "base": "none", "base_sha256": "0" * 64,
            "precision": "exact", "prompt_version": PROMPT_VERSION, "prompt_hash": PROMPT_HASH,
            "grammar_version": GRAMMAR_VERSION, "grammar_hash": GRAMMAR_HASH, "tokenizer_hash": "0" * 64, "files": {},
            **fields,
        }
    )  # fmt: skip


class LengthJudge:
    """The more the lengths of two titles differ, the less alike they are; `shift` moves all its logits.

    `fails` makes it raise when it is asked, as a defect would. `calls` counts how often it was.
    """

    def __init__(self, version: str = "1.0.0", shift: float = 0.0, **fields: Any) -> None:
        self.manifest = manifest(version, **fields)
        self.shift = shift
        self.fails = False
        self.calls = 0

    def judge(self, query: Offer, candidates: Sequence[Offer]) -> list[Judgement]:
        self.calls += 1
        if self.fails:
            raise ArithmeticError("the student cannot digest this")
        return [self.one(query, candidate) for candidate in candidates]

    def one(self, query: Offer, candidate: Offer) -> Judgement:
        logit = round(self.shift + 3.0 - abs(len(query.title) - len(candidate.title)) / 4, 4)
        probability = self.manifest.calibration.apply(logit) if math.isfinite(logit) else 0.5
        return Judgement(logit, probability, {})

    def explain(self, query: Offer, candidate: Offer, judgement: Judgement, answer: Answer | None = None) -> Rationale:
        if self.fails:
            raise ArithmeticError("no words")
        return judgement.rationale().model_copy(update={"sentence": f"says {self.manifest.version}", "quotes": ()})
