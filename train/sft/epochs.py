"""The rows of a whole run: every epoch augments, schedules and packs the pairs anew.

Rows are made up front, in the order in which they are trained; the same configuration and pairs give the same rows,
and a longer run begins with the rows of a shorter one, so that a run can be resumed and prolonged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from train.pairs.augment import Held, augment
from train.pairs.mixture import TrainingPair, known_brands
from train.pairs.shares import stable_share
from train.sft.config import SftConfig
from train.sft.examples import Encoder
from train.sft.packing import Group, group_examples, pack
from train.sft.schedule import schedule

Row = list[Group]
# Odd, so that a second copy of a pair in one epoch is seen in the other direction; larger than any number of epochs.
COPY_STRIDE = 1_001


@dataclass(frozen=True)
class Rows:
    """Packed rows in training order and what they hold."""

    rows: list[Row]
    epochs: int

    @property
    def examples(self) -> int:
        return sum(len(group.examples) for row in self.rows for group in row)

    @property
    def tokens(self) -> int:
        return sum(group.tokens for row in self.rows for group in row)


def repeated(
    items: Sequence[TrainingPair], repeat: Mapping[str, float], seed: int, epoch: int
) -> Iterator[list[TrainingPair]]:
    """Copies of the pairs: the first with each pair of weight 1 or more, and so on; part of a copy goes by hash."""
    copies = max([1.0, *repeat.values()])
    number = 0
    while number < copies:
        chosen = []
        for item in items:
            left = repeat.get(item.pair.origin, 1.0) - number
            identity = f"repeat:{epoch}:{number}:{item.pair.origin}:{item.pair.pair_id}"
            if left >= 1 or (left > 0 and stable_share(seed, identity) < left):
                chosen.append(item)
        yield chosen
        number += 1


def epoch_rows(
    items: Sequence[TrainingPair], encoder: Encoder, config: SftConfig, epoch: int, steady: Held = MappingProxyType({})
) -> list[Row]:
    """The packed rows of one epoch, in training order; ``steady`` as in :func:`train.pairs.augment.augment`."""
    examples = []
    brands = known_brands(item.pair for item in items)
    for number, copy in enumerate(repeated(items, config.repeat, config.seed, epoch)):
        view = epoch + COPY_STRIDE * number
        seen = copy
        if config.augment.noise_share or config.augment.edit_share:
            seen = augment(
                copy,
                seed=config.seed,
                epoch=view,
                noise_share=config.augment.noise_share,
                edit_share=config.augment.edit_share,
                brands=brands,
                steady=steady,
            )
        examples += schedule(
            seen, encoder, seed=config.seed, epoch=view, keep_easy=config.keep_easy,
            sentence_share=config.sentence_share, both_ways=config.both_ways,
        )  # fmt: skip
    return pack(group_examples(examples, config.row_tokens), config.seed + epoch, config.row_tokens)


def run_rows(
    items: Sequence[TrainingPair],
    encoder: Encoder,
    config: SftConfig,
    processes: int = 1,
    steady: Held = MappingProxyType({}),
) -> Rows:
    """All rows of a run: ``epochs`` of them, or as many epochs as ``max_steps`` needs on so many processes.

    ``steady``: as in :func:`train.pairs.augment.augment`.

    Raises:
        ValueError: the configuration leaves no row to train on.
    """
    needed = None if config.max_steps is None else config.max_steps * config.rows_per_step * processes
    rows: list[Row] = []
    epoch = 0
    while (config.epochs is None or epoch < config.epochs) and (needed is None or len(rows) < needed):
        made = epoch_rows(items, encoder, config, epoch, steady)
        if not made:
            raise ValueError(f"no pair is left to train on of {len(items)} in the mixture")
        rows += made
        epoch += 1
    return Rows(rows, epoch)
