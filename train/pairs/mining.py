"""Hard negatives named by the blocking index itself: what serving will put to the student, with a label that is safe.

For each training offer whose match is known, the best candidates of the index that are no match of it. Only offers of
training pairs are asked for and found, so that whatever was left out or held out stays out.

The label is safe as far as the known matches go. In WDC Products the cluster ids say it. Elsewhere an offer whose
match is known in the train split can still have another match that no training pair states; :func:`hidden_matches`
measures how often, by hiding a share of the known ones, and :class:`MiningRule` keeps to what proved safe.
"""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from schemas.evidence import compare
from schemas.offer import Offer
from train.pairs.guard import Guard
from train.pairs.pairs import Pair, PairFileError, read_pairs
from train.pairs.products import clusters_of, product_groups
from train.pairs.shares import stable_share

# Of each query, for a pool of offers: the indexed offers by score, best first, without the query itself.
Blocking = Callable[[Sequence[Offer], Sequence[Offer], int], list[list[Offer]]]
# Matches stand among the best candidates: so many more are asked for than are kept.
SPARE = 12


@dataclass(frozen=True)
class MiningRule:
    """How many negatives an offer gives, and from how deep.

    Attributes:
        per_offer: at most so many for each query.
        depth: only among so many candidates, matches not counted: what serving would put to the student.
        both_known: the candidate's own match must be known as well. With 40% of the matches hidden, of what is mined
            from Amazon-Google 0 of 1,285 pairs were matches with it and 19 of 2,280 without.
        codes_differ: in a pool without product ids, each side must have a code that the other lacks, and none in
            common. Otherwise 80 of 1,034 pairs with a common code and 22 of 688 without codes were hidden matches in
            WDC computers; of those that pass 4 of 1,370.
    """

    per_offer: int = 3
    depth: int = 10
    both_known: bool = True
    codes_differ: bool = True


def mine(pairs: Iterable[Pair], blocking: Blocking, guard: Guard, rule: MiningRule | None = None) -> list[Pair]:
    """Hard negatives of each origin among the offers of its training pairs, without what is labelled or guarded.

    A pair is named once, its id marked ``mined:``, and keeps its origin; ``meta`` holds the candidate's ``rank``.
    """
    found = [one for own in by_origin(pairs) for one in _mine(own, own, blocking, rule or MiningRule())]
    return guard.filter(found)


def hidden_matches(
    pairs: Iterable[Pair], blocking: Blocking, rule: MiningRule | None = None, *, share: float = 0.4, seed: int = 17
) -> dict[str, tuple[int, int]]:
    """The risk of a false negative: how many matches are mined when a share of the known ones is hidden.

    The share should be about that of the matches which the train split does not state. Origins with cluster ids are
    left out: their labels do not rest on known matches.

    Returns:
        By origin: pairs mined, and how many of them are one product by the labels that were hidden.
    """
    risk: dict[str, tuple[int, int]] = {}
    for own in by_origin(pairs):
        if "cluster_id_left" in own[0].meta:
            continue
        known = [pair for pair in own if pair.label == 0 or stable_share(seed, f"hide:{pair.pair_id}") >= share]
        mined = _mine(own, known, blocking, rule or MiningRule())
        truth = product_groups(own)
        wrong = sum(truth[pair.left.offer_id] == truth[pair.right.offer_id] for pair in mined)
        risk[own[0].origin] = len(mined), wrong
    return risk


def by_origin(pairs: Iterable[Pair]) -> list[list[Pair]]:
    """The pairs of each origin, in order of first appearance."""
    groups: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[pair.origin].append(pair)
    return list(groups.values())


def count_by_origin(pairs: Iterable[Pair]) -> dict[str, int]:
    """How many pairs each origin has, in order of first appearance."""
    return {own[0].origin: len(own) for own in by_origin(pairs)}


def products_known(pairs: Iterable[Pair]) -> dict[str, str]:
    """Offer id to product: by cluster ids where pairs state them, else by :func:`product_groups`."""
    clustered: dict[str, str] = {}
    others = []
    for pair in pairs:
        if "cluster_id_left" in pair.meta:
            left, right = clusters_of(pair)
            clustered |= {pair.left.offer_id: left, pair.right.offer_id: right}
        else:
            others.append(pair)
    return {**product_groups(others), **clustered}


def _mine(pairs: Sequence[Pair], known: Sequence[Pair], blocking: Blocking, rule: MiningRule) -> list[Pair]:
    """Negatives among the offers of one origin's ``pairs``, of which only the labels of ``known`` are known."""
    matched = {offer.offer_id for pair in known if pair.label == 1 for offer in (pair.left, pair.right)}
    taken = {pair.id_key() for pair in known} | {pair.title_key() for pair in known}
    products = products_known([*known, *(replace(pair, label=0) for pair in pairs)])
    lefts = {pair.left.offer_id: pair.left for pair in pairs}
    rights = {pair.right.offer_id: pair.right for pair in pairs}
    everything = lefts | rights
    # Two catalogues name candidates of one another; in WDC every shop's offers are in one pool and on both sides.
    one_pool = bool(lefts.keys() & rights.keys())
    sides = [(everything, everything)] if one_pool else [(lefts, rights), (rights, lefts)]
    doubtful = rule.codes_differ and one_pool and not any("cluster_id_left" in pair.meta for pair in pairs)
    mined: list[Pair] = []
    for asking, pool in sides:
        queries = [offer for offer in asking.values() if offer.offer_id in matched]
        answers = blocking(list(pool.values()), queries, rule.depth + SPARE)
        for query, candidates in zip(queries, answers, strict=True):
            others = [one for one in candidates if products[one.offer_id] != products[query.offer_id]][: rule.depth]
            room = rule.per_offer
            for rank, candidate in enumerate(others, 1):
                if not room or (rule.both_known and candidate.offer_id not in matched):
                    continue
                if doubtful and not codes_conflict(query, candidate):
                    continue
                pair = _negative(query, candidate, query.offer_id in lefts, pairs[0].origin, rank)
                if pair.id_key() not in taken and pair.title_key() not in taken:
                    taken |= {pair.id_key(), pair.title_key()}
                    mined.append(pair)
                    room -= 1
    return mined


def codes_conflict(one: Offer, other: Offer) -> bool:
    """Whether both offers have codes and none is shared, in whole or as a part of the other's."""
    evidence = compare(one, other)
    return not (evidence.codes_shared or evidence.codes_inside) and bool(
        evidence.codes_only_a and evidence.codes_only_b
    )


def _negative(query: Offer, candidate: Offer, query_is_left: bool, origin: str, rank: int) -> Pair:
    left, right = (query, candidate) if query_is_left else (candidate, query)
    return Pair(
        f"mined:{left.offer_id}#{right.offer_id}",
        left.model_copy(update={"source": "left"}),
        right.model_copy(update={"source": "right"}),
        0,
        origin,
        {"rank": rank},
    )


def write_mined(path: Path, pairs: Iterable[Pair]) -> None:
    """Write negatives as a pair file that :func:`read_mined` reads; the same pairs give the same bytes."""
    lines = b"".join(
        orjson.dumps(
            {
                "pair_id": pair.pair_id,
                "left": pair.left.model_dump(mode="json", exclude_none=True),
                "right": pair.right.model_dump(mode="json", exclude_none=True),
                "label": pair.label,
                "meta": {**pair.meta, "origin": pair.origin},
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )
        for pair in pairs
    )
    path.write_bytes(gzip.compress(lines, mtime=0) if path.suffix == ".gz" else lines)


def read_mined(path: Path) -> list[Pair]:
    """The negatives of a file, each under the origin that it was mined from.

    Raises:
        PairFileError: the file is missing or broken, or a row does not say its origin or is no negative.
    """
    pairs = []
    for pair in read_pairs(path):
        origin = pair.meta.get("origin")
        if not isinstance(origin, str) or pair.label != 0:
            raise PairFileError(f"{path}: pair {pair.pair_id}: not a mined negative (label 0 and meta.origin expected)")
        pairs.append(replace(pair, origin=origin))
    return pairs
