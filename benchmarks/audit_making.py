"""Synthetic decisions for the audit store's benchmark: columns made all at once, in the form of real ones.

A change has ten candidates; most are rejected without a sentence, one in eight is a match or a review with sentence and
quotes; a pair is judged twice on average, under three bundles. Hashes are random, so that nothing compresses that would
not. Non-goal: sense.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from schemas.rationale import ATTRIBUTES, VERDICTS
from worker.audit.tables import DECISIONS, OFFERS

BRANDS = ("Sony", "Canon", "Panasonic", "Bose", "LG", "Samsung", "Philips", "Nikon", "Garmin", "Logitech", "Epson")
NOUNS = ("Digital Camera", "Home Theater System", "Headphones", "Microwave Oven", "LCD Television", "Ink Cartridge")
COLOURS = ("Black", "Silver", "White", "Red", "Blue", "Titanium")
Numbers = npt.NDArray[np.int64]
# Microseconds of 2026-01-01, and how many decisions a second the years hold.
BEGAN_US = 1_767_225_600_000_000
PER_SECOND = 4
CHANGE = 10
# Of a pair's two judgements the second comes after this share of all.
AGAIN = 0.5


@dataclass
class Catalogue:
    """Offers that pairs are made of: key, digest and title by number."""

    keys: npt.NDArray[np.object_]
    digests: npt.NDArray[np.object_]
    titles: npt.NDArray[np.object_]


def hashes(count: int, chance: np.random.Generator | None = None) -> npt.NDArray[np.object_]:
    """So many random SHA-256 sums in hex; reproducible with a generator."""
    text = (os.urandom(32 * count) if chance is None else chance.bytes(32 * count)).hex()
    return np.array([text[64 * n : 64 * n + 64] for n in range(count)], dtype=object)


def catalogue(count: int, seed: int = 1) -> Catalogue:
    """Offers of 40 sellers; neighbours in number are what the same product looks like elsewhere."""
    chance = np.random.default_rng(seed)
    numbers = chance.integers(100_000, 9_999_999, count)
    picks = [chance.integers(0, len(words), count) for words in (BRANDS, NOUNS, COLOURS)]
    titles = [
        f"{BRANDS[a]} {BRANDS[a][:2].upper()}{n % 10_000}{'XZ'[n % 2]} {NOUNS[b]} - {COLOURS[c]}"
        for a, b, c, n in zip(*picks, numbers, strict=True)
    ]
    keys = [f"seller{n % 40:02d}:{number}-{n}" for n, number in enumerate(numbers)]
    return Catalogue(np.array(keys, dtype=object), hashes(count, chance), np.array(titles, dtype=object))


def offers_table(made: Catalogue, numbers: Numbers, partition: int) -> pa.Table:
    """Their contents as rows of the table `offers`, in its order."""
    contents = [
        orjson.dumps(
            {
                "offer_id": made.keys[n].partition(":")[2], "source": made.keys[n].partition(":")[0],
                "title": made.titles[n], "brand": made.titles[n].split()[0], "price": f"{n % 900}.99",
                "currency": "EUR", "description": f"{made.titles[n]}, {n * 7919 % 1_000_003} in stock, new. " * 3,
            }
        ).decode()
        for n in numbers
    ]  # fmt: skip
    count = len(numbers)
    offsets = np.arange(count)
    rows = {
        "partition": np.full(count, partition, np.int32), "offset": offsets, "published_at": times(offsets, 1_000),
        "unreadable": pa.nulls(count, pa.string()), "key": made.keys[numbers], "digest": made.digests[numbers],
        "deleted": np.zeros(count, bool), "erased": np.zeros(count, bool), "effective_version": offsets,
        "seller_version": pa.nulls(count, pa.int64()), "indexed_at": times(offsets, 1), "content": contents,
        "raw": pa.nulls(count, pa.binary()),
    }  # fmt: skip
    return _table(OFFERS.schema, rows).sort_by("key")


def times(offsets: Numbers, unit: int) -> Numbers:
    """Times of events in units of so many microseconds."""
    return (BEGAN_US + offsets * (1_000_000 // PER_SECOND)) // unit


def decisions_table(made: Catalogue, numbers: Numbers, total: int) -> pa.Table:
    """Decisions with these numbers (of `total`) as rows of the table `decisions`, in its order; offsets are numbers.

    Which pair and side a number means follows from it alone, so that the second judgement of a pair finds the first.
    """
    count = len(numbers)
    chance = np.random.default_rng(int(numbers[0]) + 1)
    pair = pair_of(numbers, total)
    query = pair // CHANGE
    offers = len(made.keys)
    a = query % offers
    b = (a + 1 + (pair * 48_271 + pair // offers) % (offers - 1)) % offers
    later = numbers >= total * AGAIN
    keys_a, keys_b = made.keys[a], made.keys[b]
    first = keys_a < keys_b
    low, high = np.where(first, a, b), np.where(first, b, a)
    logits = np.round(chance.normal(-4, 3, count), 4)
    probability = np.round(1 / (1 + np.exp(-0.9 * logits)), 9)
    verdict = np.where(probability >= 0.6, "match", np.where(probability >= 0.4, "review", "no_match"))
    told = np.isin(verdict, ("match", "review"))
    which = np.where(later, 1 + (numbers % 3 == 0), 0)
    bundles = (("0.2.0", hashes(1)[0]), ("0.3.0", hashes(1)[0]), ("0.4.0", hashes(1)[0]))
    offsets = numbers
    rows: dict[str, Any] = {
        "partition": np.zeros(count, np.int32), "offset": offsets, "published_at": times(offsets, 1_000),
        "schema_version": _same("1.0", count), "decision_id": hashes(count),
        "pair_id": made.keys[low] + "#" + made.keys[high], "query_first": first,
        "first_version": low + later, "first_digest": made.digests[low],
        "second_version": high + later, "second_digest": made.digests[high], "verdict": verdict,
        "probability": probability, "logit": logits, "reasons": _reasons(verdict),
        "previous_verdict": pc.if_else(pa.array(later), "no_match", pa.scalar(None, pa.string())),
        "decided_by": _same("student", count),
        "bundle_name": _same("samesku-135m", count), "bundle_version": np.array([b[0] for b in bundles])[which],
        "bundle_digest": np.array([b[1] for b in bundles])[which],
        "bundle_built_at": np.full(count, BEGAN_US), "prompt_version": _same("3", count),
        "grammar_version": _same("2", count), "policy_version": _same("5be0ab12cd34", count),
        "candidate_rank": numbers % CHANGE, "candidate_score": np.round(chance.gamma(9, 4, count) * 2**20) / 2**20,
        "linked": np.asarray(later), "source_topic": _same("catalog.changes", count),
        "source_partition": query % 6, "source_offset": offsets // CHANGE,
        "decided_at": times(offsets, 1) + chance.integers(0, 1_000, count),
        "match_threshold": np.full(count, 0.5137), "review_low": np.full(count, 0.4),
        "review_high": np.full(count, 0.6),
        "orders": np.ones(count, np.int64), "judge_ms": np.round(chance.gamma(30, 2.7, count), 3),
        "explain_ms": np.where(told, np.round(chance.gamma(30, 8, count), 3), 0.0),
        "deployment": which.astype(np.int64), "canary": np.zeros(count, bool),
        "answer": np.where(probability >= 0.5, "same", "different"),
    }  # fmt: skip
    rows |= _attributes(chance, count, probability)
    titles_a, titles_b = made.titles[low], made.titles[high]
    sentence = 'Both name "' + titles_a + '" and "' + titles_b + '", and no attribute differs between the listings.'
    rows["sentence"] = pc.if_else(pa.array(told), pa.array(sentence, pa.string()), pa.scalar(None, pa.string()))
    rows["quotes"] = [
        [{"offer": x, "text": t}, {"offer": y, "text": u}] if say else []
        for say, x, t, y, u in zip(told, made.keys[low], titles_a, made.keys[high], titles_b, strict=True)
    ]
    return _table(DECISIONS.schema, rows).sort_by([("pair_id", "ascending"), ("offset", "ascending")])


def pair_of(numbers: Numbers, total: int) -> Numbers:
    """Which pair a decision is about: each of the first half once, then again, in the same order."""
    half = int(total * AGAIN)
    return np.where(numbers < half, numbers, numbers - half)


def partitions_of(keys: pa.Array, count: int) -> Numbers:
    """`schemas.partitioner.partition_of` of many keys at once."""
    lengths = pc.binary_length(keys).to_numpy().astype(np.uint32)
    widest = -(-int(lengths.max()) // 4) * 4
    padded = keys.cast(pa.binary()).to_pylist()
    words = np.frombuffer(b"".join(each.ljust(widest, b"\0") for each in padded), np.uint32).reshape(len(keys), -1)
    multiplier = np.uint32(0x5BD1E995)
    value = np.uint32(0x9747B28C) ^ lengths
    for place in range(words.shape[1]):
        word = words[:, place] * multiplier
        word = (word ^ word >> np.uint32(24)) * multiplier
        value = np.where(place < lengths // 4, value * multiplier ^ word, value)
    tail = words[np.arange(len(keys)), np.minimum(lengths // 4, words.shape[1] - 1)]
    value = np.where(lengths % 4 > 0, (value ^ tail) * multiplier, value)
    value = (value ^ value >> np.uint32(13)) * multiplier
    found: Numbers = (value ^ value >> np.uint32(15)).astype(np.int64) & 0x7FFFFFFF
    return found % count


def _attributes(chance: np.random.Generator, count: int, probability: npt.NDArray[np.float64]) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for name in ATTRIBUTES:
        logits = np.round(chance.normal(0, 3, (count, 3)), 4)
        logits[:, 0] += 4 * probability
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares = np.round(shares / shares.sum(axis=1, keepdims=True), 9)
        rows[name] = np.array(VERDICTS)[shares.argmax(axis=1)]
        rows |= {f"{name}_{verdict}": shares[:, place] for place, verdict in enumerate(VERDICTS)}
    return rows


def _reasons(verdict: npt.NDArray[np.str_]) -> pa.Array:
    said = {"match": "above_match_threshold", "review": "in_review_band", "no_match": "below_match_threshold"}
    values = pa.array([said[str(each)] for each in verdict])
    return pa.ListArray.from_arrays(pa.array(np.arange(len(verdict) + 1), pa.int32()), values)


def _same(text: str, count: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([text]))


def _table(schema: pa.Schema, rows: dict[str, Any]) -> pa.Table:
    columns = []
    for each in schema:
        value = rows.get(each.name)
        if value is None:
            columns.append(pa.nulls(len(rows["offset"]), each.type))
            continue
        made = value if isinstance(value, pa.Array | pa.ChunkedArray) else pa.array(value)
        columns.append(pc.cast(made, each.type))
    return pa.Table.from_arrays(columns, schema=schema)
