"""Abt-Buy as a stream of changes and as what is known about its pairs.

Both tables are catalogues of two sellers, `abt` and `buy`; a pair of the files is named by the `pair_id` that the
stream gives it. `truth` joins the known matches with the full one-to-one mapping of the D2 version, whose offers are
recognised by their texts (it has other ids). Non-goal: what the student makes of it.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from samesku.load.changes import Ready, to_changes
from samesku.load.rows import read_rows
from schemas.offer import offer_key, pair_id
from train.pairs.pairs import Pair, read_pairs

SELLERS = {"left": "abt", "right": "buy"}
# The student was trained on pairs of `train` and calibrated on `valid`: what counts comes first.
SPLITS = ("test", "valid", "train")
_NOT_ALNUM = re.compile(r"[^0-9a-z]")


@dataclass(frozen=True)
class Labelled:
    """One labelled pair with its two offers, `pair.left` of Abt and `pair.right` of Buy."""

    split: str
    pair: Pair

    @property
    def is_match(self) -> bool:
        return self.pair.label == 1


@dataclass(frozen=True)
class AbtBuy:
    """The offers that are streamed, in order, and all that is known about pairs of them, by pair id."""

    changes: list[Ready]
    labelled: dict[str, Labelled]
    known: dict[str, str]
    """Labelled matches and their splits. Not all matches there are."""
    truth: set[str]
    """`known` and the matches of the D2 mapping."""

    def of_split(self, split: str) -> dict[str, bool]:
        """The labelled pairs of one split and whether they match."""
        return {pair: row.is_match for pair, row in self.labelled.items() if row.split == split}


def data_dir() -> Path:
    """`SAMESKU_DATA`, or the folder beside the checkout; ends the process with a line when there is none."""
    folder = Path(os.environ.get("SAMESKU_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        sys.exit(f"no data: {folder} is missing (set SAMESKU_DATA)")
    return folder


def load_abt_buy(folder: Path, limit: int | None = None) -> AbtBuy:
    """The whole set, or `limit` offers of it. Raises OSError and train.pairs.pairs.PairFileError."""
    base = folder / "abt-buy"
    labelled = {
        key_of(pair.left.offer_id, pair.right.offer_id): Labelled(split, pair)
        for split in SPLITS
        for pair in read_pairs(base / f"{split}.jsonl.gz")
    }
    known = {key_of(row["left_id"], row["right_id"]): str(row["split"]) for row in _rows(base / "matches_known.jsonl")}
    whole = AbtBuy(list(_changes(base)), labelled, known, set(known) | _full_mapping(folder))
    return whole if limit is None else first_offers(whole, limit)


def key_of(left_id: str, right_id: str) -> str:
    """The pair id in the stream of an offer of Abt and one of Buy."""
    return pair_id(offer_key(SELLERS["left"], left_id), offer_key(SELLERS["right"], right_id))


def first_offers(data: AbtBuy, limit: int) -> AbtBuy:
    """A small set that still has matches: both offers of the known ones, test split first, then the rest.

    The order of the changes stays; pairs of which an offer is missing are left out.
    """
    ordered = sorted(data.known, key=lambda pair: (SPLITS.index(data.known[pair]), pair))
    wanted = dict.fromkeys(key for pair in ordered for key in pair.split("#"))
    wanted.update(dict.fromkeys(change.key.decode() for change in data.changes))
    kept = set(list(wanted)[:limit])

    def whole(pair: str) -> bool:
        return kept.issuperset(pair.split("#"))

    return replace(
        data,
        changes=[change for change in data.changes if change.key.decode() in kept],
        labelled={pair: row for pair, row in data.labelled.items() if whole(pair)},
        known={pair: split for pair, split in data.known.items() if whole(pair)},
        truth={pair for pair in data.truth if whole(pair)},
    )


def _changes(base: Path) -> Iterator[Ready]:
    for side, seller in SELLERS.items():
        for change in to_changes(read_rows(base / f"{side}.jsonl"), seller):
            if not isinstance(change, Ready):
                raise ValueError(f"{side}.jsonl:{change.line}: {change.reason}: {change.detail}")
            yield change


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        yield from map(json.loads, lines)


def _full_mapping(folder: Path) -> set[str]:
    """The D2 mapping in the ids of this set; a match is left out when one of its texts names several offers."""
    other = folder / "blocking" / "abt-buy-D2"
    if not other.is_dir():
        return set()
    names = [same_texts(_rows(other / f"{s}.jsonl"), _rows(folder / "abt-buy" / f"{s}.jsonl")) for s in SELLERS]
    matches = ((names[0].get(row["left_id"]), names[1].get(row["right_id"])) for row in _rows(other / "matches.jsonl"))
    return {key_of(left, right) for left, right in matches if left and right}


def same_texts(theirs: Iterator[dict[str, Any]], ours: Iterator[dict[str, Any]]) -> dict[str, str]:
    """Their id -> our id of the offers that have equal names, and descriptions where a name occurs twice.

    Compared by letters and digits only: one version is lower-cased and spaced otherwise.
    """
    by_name: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in ours:
        by_name[_letters(row["name"])].append(row)
    found = {}
    for row in theirs:
        same = by_name.get(_letters(row["name"]), [])
        if len(same) > 1:
            same = [each for each in same if _letters(each["description"]) == _letters(row["description"])]
        if len(same) == 1:
            found[str(row["id"])] = str(same[0]["id"])
    return found


def _letters(text: str | None) -> str:
    return _NOT_ALNUM.sub("", (text or "").lower())
