"""How many known matches does the index name among its first k, and how fast?

    .venv/bin/python -m benchmarks.blocking [--speed-offers 200000] > blocking.json

Recall: one side of a set is indexed, each offer of the other side is looked up; the labelled positives of the
DeepMatcher splits and the full ground truth of the D2 and D3 versions. Speed: synthetic offers made of real titles
with other digits and missing words. Needs the data (SAMESKU_DATA) and the embedded Redis.
"""

from __future__ import annotations

import argparse
import dataclasses
import gzip
import json
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import redis

from samesku.embedded.redis import EmbeddedRedis
from schemas.columns import offer_from_record
from schemas.offer import Offer, offer_key
from worker.blocking import BlockingSettings, Index

KS = (1, 5, 10, 20, 50)
BATCH = 100
# What pruned look-ups are compared with. Nothing pruned at all takes seconds per look-up at 200,000 offers.
REFERENCE = (50_000, 150_000)
# (name, left, right, matches, names of the sources); measured before in plain Python, titles only, in the same order.
SETS = (
    ("abt-buy", "abt-buy/left.jsonl", "abt-buy/right.jsonl", "abt-buy/matches_known.jsonl"),
    ("amazon-google", "amazon-google/left.jsonl", "amazon-google/right.jsonl", "amazon-google/matches_known.jsonl"),
    *(
        (
            name,
            f"blocking/{name}/left.jsonl{suffix}",
            f"blocking/{name}/right.jsonl{suffix}",
            f"blocking/{name}/matches.jsonl",
        )
        for name, suffix in (("abt-buy-D2", ""), ("amazon-google-D3", ".gz"))
    ),
)
PLAIN_PYTHON = {
    ("abt-buy", "left<-right"): (91.1, 99.0, 99.8, 100.0, 100.0),
    ("abt-buy", "right<-left"): (85.0, 98.0, 99.5, 100.0, 100.0),
    ("amazon-google", "left<-right"): (84.2, 99.3, 100.0, 100.0, 100.0),
    ("amazon-google", "right<-left"): (63.5, 94.4, 98.9, 99.8, 100.0),
}
# What is turned on and off to see what it does. The first is what ships.
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "no pruning": {"max_posting": 10**9, "max_read": 10**9},
    "no identifiers": {"identifier_boost": 0.0},
    "max_read 2000": {"max_read": 2_000},
    "max_read 1000": {"max_read": 1_000},
    "fixed idf": {"idf": "fixed"},
}


def data_dir() -> Path:
    folder = Path(os.environ.get("SAMESKU_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        sys.exit(f"no data: {folder} is missing (set SAMESKU_DATA)")
    return folder


def rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        yield from map(json.loads, lines)


def offers(path: Path, source: str) -> list[Offer]:
    return [offer_from_record(row, source) for row in rows(path)]


def fill(index: Index, items: Sequence[Offer]) -> None:
    for start in range(0, len(items), BATCH):
        index.upsert_many((offer, start + i) for i, offer in enumerate(items[start : start + BATCH]))


def recall(index: Index, queries: Sequence[Offer], wanted: dict[str, set[str]]) -> dict[str, float]:
    """Share of the known matches (percent) that are among the first k of their query, for each k."""
    asked = [query for query in queries if query.key in wanted]
    ranks: list[int] = []
    for start in range(0, len(asked), BATCH):
        chunk = asked[start : start + BATCH]
        for query, found in zip(chunk, index.candidates_many(chunk, max(KS)), strict=True):
            place = {candidate.key: candidate.rank for candidate in found}
            ranks.extend(place.get(key, max(KS) + 1) for key in wanted[query.key])
    return {f"R@{k}": round(100 * sum(rank <= k for rank in ranks) / len(ranks), 1) for k in KS} | {
        "matches": len(ranks)
    }


def measure_recall(server: EmbeddedRedis, folder: Path) -> list[dict[str, Any]]:
    results = []
    for name, left_path, right_path, matches in SETS:
        sides = {"left": offers(folder / left_path, "left"), "right": offers(folder / right_path, "right")}
        pairs = [
            (offer_key("left", row["left_id"]), offer_key("right", row["right_id"])) for row in rows(folder / matches)
        ]
        for indexed, asking in (("left", "right"), ("right", "left")):
            direction = f"{indexed}<-{asking}"
            wanted: dict[str, set[str]] = {}
            for pair in pairs:
                query, match = (pair[1], pair[0]) if asking == "right" else pair
                wanted.setdefault(query, set()).add(match)
            for variant, changed in VARIANTS.items():
                index = fresh(server, BlockingSettings(**changed))
                fill(index, sides[indexed])
                result = {
                    "set": name,
                    "direction": direction,
                    "variant": variant,
                    **recall(index, sides[asking], wanted),
                }
                before = PLAIN_PYTHON.get((name, direction))
                if before and variant == "default":
                    result["plain_python"] = dict(zip((f"R@{k}" for k in KS), before, strict=True))
                results.append(result)
                print(result, file=sys.stderr)
    return results


def fresh(server: EmbeddedRedis, settings: BlockingSettings) -> Index:
    with redis.Redis.from_url(server.url()) as client:
        client.flushall()
    index = Index.connect(server.url(), settings=settings)
    index.initialise("benchmark")
    return index


def perturbed(titles: Sequence[str], count: int) -> list[Offer]:
    """Synthetic offers: a real title, mostly with other digits, sometimes a word less or one of another title."""
    draw = random.Random(17)
    made = []
    for i in range(count):
        parts = draw.choice(titles).split()
        if len(parts) > 3 and draw.random() < 0.5:
            parts.pop(draw.randrange(len(parts)))
        if draw.random() < 0.3:
            parts.append(draw.choice(draw.choice(titles).split()))
        text = " ".join(parts)
        if draw.random() < 0.8:
            text = "".join(draw.choice("0123456789") if char.isdigit() else char for char in text)
        made.append(Offer(offer_id=str(i), source=f"s{i % 7}", title=text))
    return made


def measure_speed(server: EmbeddedRedis, folder: Path, count: int, settings: BlockingSettings) -> dict[str, Any]:
    titles = [
        offer.title for _, left, right, _ in SETS[:2] for path in (left, right) for offer in offers(folder / path, "x")
    ]
    items = perturbed(titles, count)
    index = fresh(server, settings)
    with redis.Redis.from_url(server.url()) as client:
        start = time.perf_counter()
        fill(index, items)
        result: dict[str, Any] = {
            "offers": count,
            "shards": settings.shards,
            "upserts_per_s": round(count / (time.perf_counter() - start)),
        }
        result["redis_bytes_per_offer"] = round(client.info("memory")["used_memory"] / count)
        result["redis_ms_per_upsert"] = round(1000 * client.info("cpu")["used_cpu_user"] / count, 3)
        print(result, file=sys.stderr)
        queries = random.Random(3).sample(items, min(1_000, count))
        reference: list[set[str]] = []
        for max_posting, max_read in (
            REFERENCE,
            (2_000, 20_000),
            (2_000, 10_000),
            (2_000, 5_000),
            (1_000, 2_000),
            (500, 1_000),
        ):
            index.settings = dataclasses.replace(settings, max_posting=max_posting, max_read=max_read)
            is_reference = (max_posting, max_read) == REFERENCE
            asked = queries[:40] if is_reference else queries
            batch = 1 if is_reference else BATCH
            used = client.info("cpu")["used_cpu_user"]
            start = time.perf_counter()
            found = [
                {c.key for c in row}
                for i in range(0, len(asked), batch)
                for row in index.candidates_many(asked[i : i + batch], 10)
            ]
            seconds = time.perf_counter() - start
            reference = reference or found
            same = [len(got & whole) / len(whole) for got, whole in zip(found, reference, strict=False) if whole]
            result.setdefault("lookups", []).append(
                {
                    "max_posting": max_posting,
                    "max_read": max_read,
                    "per_s": round(len(asked) / seconds),
                    "redis_ms": round(1000 * (client.info("cpu")["used_cpu_user"] - used) / len(asked), 2),
                    "top10_kept": round(100 * sum(same) / len(same), 1),
                }
            )
            print(result["lookups"][-1], file=sys.stderr)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed-offers", type=int, default=200_000, help="0: recall only")
    parser.add_argument("--no-recall", action="store_true")
    parser.add_argument("--shards", type=int, default=1)
    args = parser.parse_args()
    with EmbeddedRedis() as server:
        report: dict[str, Any] = {"recall": [] if args.no_recall else measure_recall(server, data_dir())}
        if args.speed_offers:
            report["speed"] = measure_speed(server, data_dir(), args.speed_offers, BlockingSettings(shards=args.shards))
    json.dump(report, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
