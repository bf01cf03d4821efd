"""Labels for tests, and the record that carries one."""

from __future__ import annotations

from typing import Any

from schemas.events import dumps
from schemas.label import Label
from schemas.offer import Offer, pair_id
from tests.decisions import NOW


def label(a: Offer, b: Offer, verdict: str, name: str = "l1", **fields: Any) -> Label:
    """What somebody said of two offers as they are here."""
    first, second = sorted((a, b), key=lambda each: each.key)
    return Label.model_validate(
        {
            "label_id": name, "pair_id": pair_id(a.key, b.key), "first_digest": first.digest(),
            "second_digest": second.digest(), "verdict": verdict, "reviewer": "r1", "labeled_at": NOW, **fields,
        }
    )  # fmt: skip


def label_record(said: Label) -> tuple[bytes, bytes]:
    """Key and value of a label on `match.labels`."""
    return said.pair_id.encode(), dumps(said)
