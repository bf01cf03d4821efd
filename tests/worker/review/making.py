"""Tasks, decisions and labels for the tests of the review page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.decision import BundleRef, MatchDecision, Side
from schemas.label import Label
from schemas.labeling import LabelingTask
from schemas.offer import Offer, pair_id
from schemas.rationale import ATTRIBUTES, AttributeVerdict, Rationale
from schemas.review import ReviewTask
from schemas.review_settings import ReviewSettings
from tests.decisions import decision as decided
from worker.review.voting import Ballot

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PASSWORD = "correct horse battery"
BUNDLE = BundleRef(name="tiny", version="1.0.0", digest="d")


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


def settings(**fields: Any) -> ReviewSettings:
    return ReviewSettings(**{"double_share": 0.0, "hosts": ("testserver",), **fields})


def offers(number: int, title: str | None = None, **fields: Any) -> tuple[Offer, Offer]:
    """Two listings of a camera, the second with another model number if the number is odd."""
    model = f"DSC-W{120 + number}"
    other = f"DSC-W{121 + number}" if number % 2 else model
    first = Offer(
        offer_id=f"a{number}", source="abt", title=title or f"Sony Cyber-shot {model} 7.2MP digital camera pink",
        brand="Sony", price="199.00", currency="USD", **fields,
    )  # fmt: skip
    second = Offer(
        offer_id=f"b{number}", source="buy", title=f"{other} Sony digital camera, 7.2 MP, silver", price="189.90",
        currency="USD", description="2.5 inch display, 3x optical zoom",
    )  # fmt: skip
    return first, second


def rationale(answer: str = "different", sentence: str | None = None) -> Rationale:
    different = {"variant", "specification"} if answer == "different" else set()
    seen = {
        name: AttributeVerdict(
            verdict="different" if name in different else "same", probability=0.8,
            p_same=0.1 if name in different else 0.8, p_different=0.8 if name in different else 0.1, p_unknown=0.1,
        )
        for name in ATTRIBUTES
    }  # fmt: skip
    return Rationale.model_validate({"attributes": seen, "answer": answer, "sentence": sentence})


def review_task(
    number: int = 1, versions: tuple[int, int] = (1, 1), decision: str | None = None, probability: float = 0.5,
    answer: str = "different", **fields: Any,
) -> ReviewTask:  # fmt: skip
    first, second = offers(number, **fields)
    return ReviewTask(
        task_id=decision or f"d{number}", decision_id=decision or f"d{number}", pair_id=pair_id(first.key, second.key),
        first=_side(first, versions[0]), second=_side(second, versions[1]), first_offer=first, second_offer=second,
        reasons=["uncertain"], probability=probability,
        rationale=rationale(answer, 'because one says "pink" and the other "silver"'), created_at=NOW,
    )  # fmt: skip


def labeling_task(number: int = 1, versions: tuple[int, int] = (1, 1), **fields: Any) -> LabelingTask:
    asked = review_task(number, versions)
    given = {
        **asked.model_dump(exclude={"reasons", "schema_version"}), "reasons": ["uniform"], "inclusion_probability": 0.1,
        "rates": {"uniform": 0.1}, "priority": 2.0, "expires_at": NOW + timedelta(days=30), "verdict": "no_match",
        "decided_by": "student", "bundle": BUNDLE, "decided_at": NOW, **fields,
    }  # fmt: skip
    return LabelingTask.model_validate(given)


def later_decision(number: int, verdict: Any, versions: tuple[int, int], **fields: Any) -> MatchDecision:
    first, second = offers(number)
    made = decided(first.key, second.key, verdict, versions)
    sides = {
        "first": _side(first, versions[0]), "second": _side(second, versions[1]), "decision_id": f"l{number}{versions}"
    }  # fmt: skip
    return made.model_copy(update={**sides, **fields})


def label(number: int, verdict: Any = "match", versions: tuple[int, int] = (1, 1), **fields: Any) -> Label:
    first, second = offers(number)
    return Label.model_validate(
        {
            "label_id": f"label{number}", "pair_id": pair_id(first.key, second.key),
            "first_digest": _side(first, versions[0]).digest, "second_digest": _side(second, versions[1]).digest,
            "verdict": verdict, "decision_id": f"d{number}", "reviewer": "somebody", "labeled_at": NOW, **fields,
        }
    )  # fmt: skip


def ballot(task: str, reviewer: str, verdict: Any, role: str = "reviewer", **fields: Any) -> Ballot:
    """A vote whose id depends on who says what about which task."""
    given = {"cast_id": f"{task}:{reviewer}:{verdict}", **fields}
    return Ballot(task_id=task, reviewer=reviewer, role=role, verdict=verdict, **given)


def _side(offer: Offer, version: int) -> Side:
    # Another version is another content, as it is in life.
    return Side(key=offer.key, effective_version=version, digest=f"{offer.digest()[:40]}-{version}")
