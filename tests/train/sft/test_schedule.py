from __future__ import annotations

from collections import Counter

from schemas.offer import Offer
from train.pairs.mixture import TrainingPair
from train.pairs.pairs import Pair
from train.rationales.derive import derive
from train.sft.examples import Encoder, Example
from train.sft.schedule import schedule


def item(number: int, label: int) -> TrainingPair:
    left, right = (
        Offer(offer_id=f"{side}{number}", source=side, title=f"sony camera w{number} {side}")
        for side in ("left", "right")
    )
    return TrainingPair(Pair(str(number), left, right, label, "here"), derive(left, right, label, frozenset()))


ITEMS = [item(number, label=int(number < 60)) for number in range(300)]


def seen(encoder: Encoder, items: list[TrainingPair], *, seed: int = 17, epoch: int = 0) -> list[Example]:
    return schedule(items, encoder, seed=seed, epoch=epoch, keep_easy=1.0, sentence_share=0.1, both_ways=True)


def directions(encoder: Encoder, items: list[TrainingPair], *, seed: int = 17, epoch: int = 0) -> dict[int, set[bool]]:
    """By place of the pair: whether its right offer was the query, for each time that it was seen."""
    found: dict[int, set[bool]] = {}
    for place, one in enumerate(items):
        shown = Counter(example.prefix for example in seen(encoder, [one], seed=seed, epoch=epoch))
        assert max(shown.values()) == 1
        sides = {encoder.prefix(one.pair.left): False, encoder.prefix(one.pair.right): True}
        found[place] = {sides[prefix] for prefix in shown}
    return found


def test_a_match_is_seen_in_both_orders_in_every_epoch(encoder: Encoder) -> None:
    for epoch in (0, 1, 2):
        assert all(orders == {False, True} for orders in directions(encoder, ITEMS[:60], epoch=epoch).values())


def test_a_non_match_is_seen_in_one_order_an_epoch_and_in_both_over_two(encoder: Encoder) -> None:
    negatives = ITEMS[60:100]
    first, second, third = (directions(encoder, negatives, epoch=epoch) for epoch in (0, 1, 2))
    for place in first:
        assert len(first[place]) == len(second[place]) == 1
        assert first[place] | second[place] == {False, True}
        assert third[place] == first[place]


def test_the_first_order_is_no_sign_of_anything(encoder: Encoder) -> None:
    negatives = ITEMS[60:]
    shares = [
        sum(True in orders for orders in directions(encoder, negatives, seed=seed).values()) / len(negatives)
        for seed in (17, 18)
    ]
    # 240 fair choices: four standard deviations are 0.13.
    assert all(0.37 < share < 0.63 for share in shares)
    assert directions(encoder, negatives[:40], seed=17) != directions(encoder, negatives[:40], seed=18)


def test_a_pairs_order_does_not_depend_on_the_others(encoder: Encoder) -> None:
    together = seen(encoder, ITEMS[50:70])
    alone = [example for one in ITEMS[50:70] for example in seen(encoder, [one])]
    assert together == alone


def test_both_orders_of_a_pair_say_the_same(encoder: Encoder) -> None:
    for one in ITEMS[:5]:
        first, second = seen(encoder, [one])
        assert first.choices == second.choices
        assert sorted(first.prefix) != sorted(second.prefix)
