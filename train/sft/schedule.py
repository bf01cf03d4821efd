"""Which examples are seen in which order: easy negatives thinned, positives in both directions."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.evidence import compare
from train.pairs.mixture import TrainingPair
from train.pairs.shares import stable_share
from train.sft.examples import Encoder, Example


def _chance(seed: int, *parts: object) -> float:
    return stable_share(seed, str(parts))


def is_easy_negative(item: TrainingPair) -> bool:
    """A non-match that hardly shares a word or code: blocking would not have named it, and there is little to learn."""
    if item.pair.label == 1:
        return False
    evidence = compare(item.pair.left, item.pair.right)
    return (
        not evidence.codes_shared
        and not evidence.codes_inside
        and evidence.word_overlap <= 1
        and evidence.trigram_containment <= 2
    )


def schedule(
    pairs: Sequence[TrainingPair],
    encoder: Encoder,
    *,
    seed: int,
    epoch: int,
    keep_easy: float,
    sentence_share: float,
    both_ways: bool,
) -> list[Example]:
    """Examples of one epoch.

    Every kept pair is seen in one direction, chosen by hash and flipped from epoch to epoch; positives are seen in both
    when ``both_ways``. Of the easy negatives a share ``keep_easy`` is kept; of the examples that have a sentence, a
    share ``sentence_share`` carries it.
    """
    examples: list[Example] = []
    for item in pairs:
        identity = item.pair.origin, item.pair.pair_id
        if _chance(seed, "easy", *identity) >= keep_easy and is_easy_negative(item):
            continue
        swap = (_chance(seed, "swap", *identity) < 0.5) ^ bool(epoch % 2)
        directions = (swap, not swap) if both_ways and item.pair.label == 1 else (swap,)
        for direction in directions:
            spoken = _chance(seed, "sentence", epoch, direction, *identity) < sentence_share
            examples.append(encoder.example(item, swap=direction, with_sentence=spoken))
    return examples
