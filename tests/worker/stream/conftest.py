"""A judge whose verdicts are known beforehand, so that what the loop does with them can be stated exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest

from schemas.bundle import BundleManifest
from schemas.grammar import GRAMMAR_HASH, GRAMMAR_VERSION
from schemas.offer import Offer
from schemas.policy import Policy
from schemas.prompt import PROMPT_HASH, PROMPT_VERSION
from schemas.rationale import Answer, Rationale
from worker.blocking import BlockingSettings, Index
from worker.student.judge import Judgement

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MANIFEST = BundleManifest(
    name="rule", version="1.0.0", built_at=NOW, base="none", base_sha256="0" * 64, precision="exact",
    prompt_version=PROMPT_VERSION, prompt_hash=PROMPT_HASH, grammar_version=GRAMMAR_VERSION, grammar_hash=GRAMMAR_HASH,
    tokenizer_hash="0" * 64, files={},
)  # fmt: skip
POLICY = Policy(match_threshold=0.5, review_low=0.4, review_high=0.6, explain="never")


class RuleJudge:
    """Two offers are the same if the last words of their titles are equal; "perhaps" is in doubt with everything.

    A title with "poison" in it fails as a defect of the student would. `during(query, candidates)` runs while pairs are
    judged, which is when others may move.
    """

    manifest = MANIFEST

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.during: Callable[[Offer, Sequence[Offer]], object] = lambda query, candidates: None

    def judge(self, query: Offer, candidates: Sequence[Offer]) -> list[Judgement]:
        if any("poison" in offer.title for offer in (query, *candidates)):
            raise ArithmeticError("the student cannot digest this")
        self.asked += [(query.key, candidate.key) for candidate in candidates]
        self.during(query, candidates)
        return [self._one(query.title.split()[-1], candidate.title.split()[-1]) for candidate in candidates]

    def explain(self, query: Offer, candidate: Offer, judgement: Judgement, answer: Answer | None = None) -> Rationale:
        return judgement.rationale()

    @staticmethod
    def _one(a: str, b: str) -> Judgement:
        logit = 0.0 if "perhaps" in (a, b) else 4.0 if a == b else -4.0
        return Judgement(logit, MANIFEST.calibration.apply(logit), {})


def offer(number: int | str, title: str = "sony camera w120", **fields: object) -> Offer:
    return Offer.model_validate({"offer_id": str(number), "source": "s", "title": title, **fields})


@pytest.fixture
def judge() -> RuleJudge:
    return RuleJudge()


@pytest.fixture
def index(redis_url: str) -> Index:
    made = Index.connect(redis_url, settings=BlockingSettings(idf="fixed"))
    made.initialise("g")
    return made
