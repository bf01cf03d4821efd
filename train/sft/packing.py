"""Packing with shared prefixes: a query's tokens are computed once for all its candidates, in training as in serving.

A row holds groups; a group is one prefix and the suffixes that follow it. A suffix sees its prefix and itself, nothing
else, and its positions go on from the prefix's end. So a packed row gives the very numbers that separate prompts give,
and no token is spent on padding inside a row.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from train.sft.examples import IGNORED, Example

# Attention costs the square of a row; at this length it is a tenth of the whole.
ROW_TOKENS = 384
# More candidates of one query in one step make its gradient one-sided.
GROUP_CANDIDATES = 6


@dataclass(frozen=True)
class Group:
    """Examples of one query."""

    examples: tuple[Example, ...]

    @property
    def tokens(self) -> int:
        return len(self.examples[0].prefix) + sum(len(example.suffix) for example in self.examples)


def group_examples(examples: Iterable[Example], row_tokens: int = ROW_TOKENS) -> list[Group]:
    """Examples gathered by their prefix, at most ``GROUP_CANDIDATES`` and ``row_tokens`` to a group."""
    by_prefix: dict[tuple[int, ...], list[Example]] = {}
    for example in examples:
        by_prefix.setdefault(example.prefix, []).append(example)
    groups: list[Group] = []
    for prefix, members in by_prefix.items():
        current: list[Example] = []
        tokens = len(prefix)
        for example in members:
            if current and (len(current) == GROUP_CANDIDATES or tokens + len(example.suffix) > row_tokens):
                groups.append(Group(tuple(current)))
                current, tokens = [], len(prefix)
            current.append(example)
            tokens += len(example.suffix)
        groups.append(Group(tuple(current)))
    return groups


def pack(groups: Sequence[Group], seed: int, row_tokens: int = ROW_TOKENS) -> list[list[Group]]:
    """Rows of at most ``row_tokens`` tokens, first fit in a seeded random order; a longer group has its own row."""
    order = list(groups)
    random.Random(seed).shuffle(order)
    open_rows: list[tuple[int, list[Group]]] = []
    rows: list[list[Group]] = []
    for group in order:
        for place, (used, row) in enumerate(open_rows):
            if used + group.tokens <= row_tokens:
                row.append(group)
                open_rows[place] = (used + group.tokens, row)
                break
        else:
            open_rows.append((group.tokens, [group]))
            # Few open rows keep the order random and the fit good enough.
            if len(open_rows) > 12:
                open_rows.sort(key=lambda item: item[0])
                rows.append(open_rows.pop()[1])
    rows += [row for _, row in open_rows]
    random.Random(seed + 1).shuffle(rows)
    return rows


def collate(rows: Sequence[Sequence[Group]], least: int = 0) -> dict[str, npt.NDArray[Any]]:
    """Arrays of a batch of rows, padded to the longest of them and to ``least`` tokens.

    Returns:
        ``input_ids``, ``position_ids`` [rows, length]; ``allowed`` bool [rows, length, length], what a token may see;
        ``slot_rows``, ``slot_positions`` [examples, 6] and ``slot_choices`` [examples, 6] (``IGNORED`` where masked);
        ``sentence_rows``, ``sentence_positions``, ``sentence_ids`` [sentence tokens].
    """
    length = max(least, *(sum(group.tokens for group in row) for row in rows))
    ids = np.zeros((len(rows), length), np.int64)
    positions = np.zeros((len(rows), length), np.int64)
    allowed = np.zeros((len(rows), length, length), bool)
    # Padding sees itself, or softmax would be over nothing.
    allowed[:, np.arange(length), np.arange(length)] = True
    slot_rows, slot_positions, slot_choices = [], [], []
    sentence: list[tuple[int, int, int]] = []
    for number, row in enumerate(rows):
        start = 0
        for group in row:
            prefix = group.examples[0].prefix
            after = start + len(prefix)
            ids[number, start:after] = prefix
            positions[number, start:after] = np.arange(len(prefix))
            allowed[number, start:after, start:after] = np.tri(len(prefix), dtype=bool)
            place = after
            for example in group.examples:
                end = place + len(example.suffix)
                ids[number, place:end] = example.suffix
                positions[number, place:end] = np.arange(len(prefix), len(prefix) + len(example.suffix))
                allowed[number, place:end, start:after] = True
                allowed[number, place:end, place:end] = np.tri(len(example.suffix), dtype=bool)
                slot_rows.append([number] * len(example.slots))
                slot_positions.append([place + slot for slot in example.slots])
                slot_choices.append(list(example.choices))
                sentence += [(number, place + position, token) for position, token in example.sentence]
                place = end
            start = place
    spoken = np.array(sentence, np.int64).reshape(-1, 3)
    return {
        "input_ids": ids,
        "position_ids": positions,
        "allowed": allowed,
        "slot_rows": np.array(slot_rows, np.int64),
        "slot_positions": np.array(slot_positions, np.int64),
        "slot_choices": np.array(slot_choices, np.int64),
        "sentence_rows": spoken[:, 0],
        "sentence_positions": spoken[:, 1],
        "sentence_ids": spoken[:, 2],
    }


__all__ = ["IGNORED", "Group", "collate", "group_examples", "pack"]
