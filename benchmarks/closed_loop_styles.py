"""Which style costs the student most: it judges the learnt products' listings in each, blocked for real."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson

from benchmarks.closed_loop_stream import LOSES, Product, queries_of, restyled, truth_of
from benchmarks.drift_making import CLEAN, Catalogue, Maker
from samesku.embedded.redis import EmbeddedRedis
from schemas.offer import Offer, pair_id
from worker.registry.locations import locate
from worker.student.student import Student


def measure(
    bundle: str, products: Sequence[Product], styles: Sequence[str], queries: int, seed: int, folder: Path,
    told: Callable[[str], None], threads: int = 0,
) -> list[dict[str, Any]]:  # fmt: skip
    """F1 of the first `queries` listings, as they are and in each style, against the learnt products' catalogue alone.

    Judgements are kept in the folder, so that it goes on where it was stopped.
    """
    student = Student.load(locate(bundle), threads)
    threshold = student.manifest.thresholds.match
    chosen, products_of = queries_of(products, seed)[:queries], truth_of(products)
    rows = []
    with EmbeddedRedis() as server:
        offers = [offer for product in products for offer in product.catalogue]
        maker = Maker(Catalogue("market", offers, chosen), server.url(0), student, folder)
        for style in (CLEAN, *styles):
            maker.make(style, chosen if style == CLEAN else restyled(chosen, style), lambda pairs: None)
            judged = [
                (products_of.is_match(pair_id(Offer.model_validate(row["query"]).key, each["candidate"])),
                 each["probability"] >= threshold)
                for row in map(orjson.loads, (folder / "market" / f"{style.replace(' ', '-')}.jsonl").open("rb"))
                for each in row["decisions"]
            ]  # fmt: skip
            rows.append({"style": style, **scores(judged)})
            told(f"{style}: F1 {100 * rows[-1]['f1']:.1f} of {len(judged)} pairs")
    return rows


def scores(judged: Sequence[tuple[bool, bool]]) -> dict[str, Any]:
    """F1, precision and recall of (truth, said) pairs; 0 where nothing is positive."""
    hits = sum(truth and said for truth, said in judged)
    matches, said = sum(truth for truth, _ in judged), sum(said for _, said in judged)
    return {
        "pairs": len(judged), "matches": matches, "f1": 2 * hits / max(1, matches + said),
        "precision": hits / max(1, said), "recall": hits / max(1, matches),
    }  # fmt: skip


def costliest(rows: Sequence[dict[str, Any]]) -> str:
    """The style with the lowest F1 among those that keep what names a product. Raises ValueError without one."""
    kept = [row for row in rows if row["style"] != CLEAN and row["style"] not in LOSES]
    if not kept:
        raise ValueError("no style to choose from")
    return str(min(kept, key=lambda row: (row["f1"], row["style"]))["style"])
