from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from schemas.evidence import compare
from schemas.offer import Offer
from tests.train.report.making import made_up_pairs
from train.pairs.pairs import Pair
from train.report.baselines import FEATURES, Boosting, boosting_scores, features, leave_out, token_jaccard
from train.report.minilm import NoEmbeddingsError, cosine, model_folder


def offer(title: str, **fields: str) -> Offer:
    return Offer(offer_id=title, source="shop", title=title, **fields)  # type: ignore[arg-type]


def test_token_jaccard_by_hand() -> None:
    pairs = [
        Pair("1", offer("Acme Drill X1"), offer("acme drill"), 1, "a"),
        Pair("2", offer("one"), offer("two"), 0, "a"),
    ]
    assert token_jaccard(pairs).tolist() == pytest.approx([2 / 3, 0])


def test_features_are_the_evidence() -> None:
    left, right = offer("acme drill ax1000", price="10", gtin="4006381333931"), offer("drill ax1000 acme", price="20")
    values = dict(zip(FEATURES, features(left, right), strict=True))
    evidence = compare(left, right)
    assert values["codes_shared"] == evidence.codes_shared == 1
    assert values["price"] == evidence.price
    assert math.isnan(values["gtin"])
    assert dict(zip(FEATURES, features(left, left), strict=True))["gtin"] == 1


def test_boosting_learns_what_the_evidence_tells_apart() -> None:
    model = Boosting(made_up_pairs(200, seed=1))
    pairs = made_up_pairs(100, seed=2)
    labels = [pair.label for pair in pairs]
    scores = model(pairs)
    assert average_precision_score(labels, scores) > 0.95
    assert ((scores >= 0) & (scores <= 1)).all()
    assert model([]).shape == (0,)


def test_a_set_that_is_left_out_is_not_learnt_from() -> None:
    first, second = made_up_pairs(80, "first"), made_up_pairs(80, "second")
    assert leave_out([*first, *second], "first") == second
    # In `first` the labels are turned round: only a model that saw it can be misled.
    turned = [Pair(p.pair_id, p.left, p.right, 1 - p.label, p.origin) for p in first]
    tests = {"first": turned, "second": second}
    scores = boosting_scores([*turned, *second], tests, tests)
    assert set(scores) == {"all", "first", "second"}
    assert set(scores["first"]["test"]) == {"first"}
    assert set(scores["first"]["valid"]) == {"second"}
    said = np.array(scores["first"]["test"]["first"]) > 0.5
    assert (said != np.array([pair.label == 1 for pair in turned])).mean() > 0.9


def test_embeddings_know_a_paraphrase_from_another_thing() -> None:
    try:
        model_folder()
    except NoEmbeddingsError as error:
        pytest.skip(str(error))
    near, far = cosine(
        [
            Pair("1", offer("black laser printer"), offer("laser printer, colour black"), 1, "a"),
            Pair("2", offer("black laser printer"), offer("garden hose"), 0, "a"),
        ]
    )
    assert near > 0.8 > 0.4 > far
    assert cosine([]).shape == (0,)
