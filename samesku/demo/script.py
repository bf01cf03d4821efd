"""What the demo sends, in order: our own shop's catalogue, the other sellers' listings, then one event at a time.

Reads the committed files, or a catalogue of the user's own; no Kafka in here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from samesku.demo.generate import CATALOG, OWN_SHOP, TRUTH
from samesku.load.changes import Ready, Reject, to_changes
from samesku.load.rows import read_rows
from schemas.events import canonical
from schemas.offer import offer_key, split_key

EVENTS: Final = Path(__file__).with_name("events.jsonl")

Record = tuple[bytes, bytes | None]


@dataclass(frozen=True)
class Act:
    """Records that are sent together; the next act begins when each of them is answered.

    `expect` says to the reader what to look for. `products` is what the act changes in the ground truth: the product
    of an offer, None for an offer that is gone. `detailed` acts have every decision shown.
    """

    title: str
    records: list[Record]
    expect: str = ""
    products: dict[str, str | None] = field(default_factory=dict)
    detailed: bool = False
    judged: bool = True


@dataclass(frozen=True)
class Script:
    """All acts; `titles` are the listings' by offer key, `truth` their products, empty where nobody knows."""

    acts: list[Act]
    titles: dict[str, str]
    truth: dict[str, str]
    rejects: list[Reject] = field(default_factory=list)


def own_catalog(path: Path) -> Script:
    """The user's catalogue, all of it judged, and nothing after it. Raises UnknownFormat and OSError."""
    ready, rejects = _split(to_changes(read_rows(path), path.name.split(".")[0] or "catalog"))
    acts = [Act(f"{len(ready)} listings of {path.name}", [(each.key, each.value) for each in ready])]
    return Script(acts, _titles(ready), {}, rejects)


def demo_catalog(catalog: Path = CATALOG, truth: Path = TRUTH, events: Path = EVENTS) -> Script:
    """The committed catalogue and its events. Raises OSError."""
    rows = list(read_rows(catalog))
    own, rejected_own = _split(to_changes((row for row in rows if _source(row.record) == OWN_SHOP), "demo", True))
    live, rejected = _split(to_changes((row for row in rows if _source(row.record) != OWN_SHOP), "demo"))
    sellers = len({split_key(each.key.decode())[0] for each in live})
    products: dict[str, str] = orjson.loads(truth.read_bytes())
    listed = {each.key.decode(): orjson.loads(each.value) for each in (*own, *live)}
    acts = [
        Act(
            f"our own shop: {len(own)} listings are indexed, not judged",
            [(each.key, each.value) for each in own],
            judged=False,
        ),
        Act(
            f"{sellers} other sellers send {len(live)} listings; each is judged against what resembles it most",
            [(each.key, each.value) for each in live],
        ),
        *(_event(orjson.loads(line), listed, products) for line in events.read_bytes().splitlines()),
    ]
    return Script(acts, _titles([*own, *live]), products, [*rejected_own, *rejected])


def _source(record: Mapping[str, Any] | None) -> str:
    return str((record or {}).get("source", ""))


def _split(changes: Iterable[Ready | Reject]) -> tuple[list[Ready], list[Reject]]:
    ready: list[Ready] = []
    rejects: list[Reject] = []
    for change in changes:
        (rejects if isinstance(change, Reject) else ready).append(change)  # type: ignore[arg-type]
    return ready, rejects


def _titles(changes: Iterable[Ready]) -> dict[str, str]:
    return {each.key.decode(): str(orjson.loads(each.value)["offer"]["title"]) for each in changes}


def _event(said: dict[str, Any], listed: Mapping[str, dict[str, Any]], products: Mapping[str, str]) -> Act:
    """One line of the events file as an act; `set` and `unset` change the listing as the catalogue has it."""
    key = str(said["key"])
    source, offer_id = split_key(key)
    if offer_key(source, offer_id) != key:
        raise ValueError(f"not spelt as a key: {key}")
    change = {"op": said.get("op", "upsert"), "source": source, "offer_id": offer_id, "schema_version": "1.0"}
    gone = said.get("delete") or said.get("null")
    if said.get("null"):
        value = None
    elif "text" in said:
        value = str(said["text"]).encode()
    elif said.get("delete"):
        value = canonical(change | {"op": "delete"})
    else:
        kept = {name: held for name, held in listed[key]["offer"].items() if name not in said.get("unset", ())}
        version = {"version": said["version"]} if "version" in said else {}
        value = canonical(change | version | {"offer": kept | version | said.get("set", {})})
    product: dict[str, str | None] = {key: None} if gone else {}
    if "product_of" in said:
        product = {key: products[said["product_of"]]}
    return Act(said["title"], [(key.encode(), value)], said["expect"], product, detailed=True)
