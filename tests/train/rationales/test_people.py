from __future__ import annotations

from pathlib import Path

import orjson

from schemas.label import Label
from schemas.offer import Offer, pair_id
from tests.decisions import NOW
from train.pairs.mixture import build_mixture
from train.pairs.sources import ORIGINS
from train.rationales.people import corrected, said_of
from train.rationales.verdicts import SentenceTarget, Targets
from train.retraining.labelled import collect

LEFT = Offer(offer_id="1", source="a", title="sony w1 camera black", brand="sony")
RIGHT = Offer(offer_id="2", source="b", title="sony w1 camera white", brand="sony")


def test_what_is_said_goes_over_what_is_known_and_the_rest_stays() -> None:
    known = Targets({"brand": "same", "variant": "same"}, SentenceTarget("variant", "a", "b"))
    found = corrected(known, {"variant": "different", "quantity": "unknown"}, 0)
    assert found.verdicts == {"brand": "same", "variant": "different", "quantity": "unknown"}
    assert (found.sentence, found.source) == (None, "people")
    assert corrected(known, {"brand": "unknown"}, 0).sentence == known.sentence
    assert corrected(known, {}, 0) is known


def test_a_difference_in_a_match_is_masked() -> None:
    assert corrected(Targets({"variant": "same"}), {"variant": "different"}, 1).verdicts == {}


def test_other_words_are_passed_over() -> None:
    assert said_of({"attribute_verdicts": {"brand": "perhaps", "smell": "same", "variant": "unknown"}}) == {
        "variant": "unknown"
    }
    assert said_of({"attribute_verdicts": "same"}) == said_of({}) == {}


def test_a_labels_corrections_reach_the_training_mixture(tmp_path: Path) -> None:
    """From match.labels to targets, through the file of a retraining."""
    label = Label(
        label_id="l", pair_id=pair_id(LEFT.key, RIGHT.key), first_digest=LEFT.digest(), second_digest=RIGHT.digest(),
        verdict="no_match", attributes={"variant": "unknown", "specification": "same"}, reviewer="ann", labeled_at=NOW,
    )  # fmt: skip
    rows = collect([(label, 0)], {each.digest(): each for each in (LEFT, RIGHT)}, held_share=0).train
    path = tmp_path / "labels.jsonl"
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    (item,) = build_mixture(tmp_path / "no data", leave_out=ORIGINS, files=[path]).pairs
    # The colours alone would say that the variant differs; the brand is still derived.
    assert item.targets.verdicts == {"brand": "same", "variant": "unknown", "specification": "same"}
    del rows[0]["meta"]["attribute_verdicts"]
    path.write_bytes(orjson.dumps(rows[0]))
    (item,) = build_mixture(tmp_path / "no data", leave_out=ORIGINS, files=[path]).pairs
    assert item.targets.verdicts["variant"] == "different"
