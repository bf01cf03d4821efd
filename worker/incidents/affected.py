"""The standing decisions that meet a pattern, read from the audit store; and a sample of the others to compare with.

What SQL can decide of a pattern it decides, so that only what is left is read with its contents. Non-goal: history;
only what stands is looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from schemas.decision import MatchDecision
from schemas.offer import Offer, offer_key
from schemas.rationale import ATTRIBUTES
from worker.audit import sql, views
from worker.audit.contents import Contents
from worker.audit.errors import StoreChanged
from worker.audit.store import AuditStore, decision_of
from worker.incidents.pattern import Pattern
from worker.incidents.traits import Trait, traits

# Decisions whose contents are asked for at once.
CHUNK = 1_000

# Traits that are a column; the rest is worked out from the decision.
_COLUMNS = {"policy": "policy_version", "prompt": "prompt_version", "verdict": "verdict", "decided by": "decided_by"}


@dataclass(frozen=True)
class Case:
    """One standing decision with the contents that it was about (None where they are not kept) and its traits."""

    made: MatchDecision
    first: Offer | None
    second: Offer | None
    traits: frozenset[Trait]


class Standing:
    """What stands, as the store had it when this was made. Raises worker.audit.errors.NoStore."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store
        self._contents = Contents(store)
        views.create(store)
        # A table of places: which decisions stand is worked out once.
        store.settled(
            lambda: store.connection.execute(
                'CREATE OR REPLACE TABLE stands AS SELECT pair_id, "partition", "offset" FROM standing'
            )
        )

    def of(self, pairs: Collection[str]) -> list[Case]:
        """The standing decisions of these pairs, sorted by pair; pairs never decided are left out."""
        named = ", ".join(sql.literal(pair) for pair in sorted(set(pairs)))
        return list(self._cases(f"pair_id IN ({named})")) if named else []

    def sample(self, verdicts: Collection[str], count: int, without: Collection[str]) -> list[Case]:
        """At most ``count`` standing decisions of these verdicts, drawn by a hash of the pair: always the same."""
        named = ", ".join(sql.literal(verdict) for verdict in sorted(verdicts)) or "NULL"
        left_out = ", ".join(sql.literal(pair) for pair in sorted(without)) or "''"
        return list(
            self._cases(f"verdict IN ({named}) AND pair_id NOT IN ({left_out})", f"ORDER BY md5(pair_id) LIMIT {count}")
        )

    def like(self, pattern: Pattern, verdicts: Collection[str]) -> Iterator[Case]:
        """Every standing decision of these verdicts that meets the pattern, sorted by pair."""
        named = ", ".join(sql.literal(verdict) for verdict in sorted(verdicts)) or "NULL"
        for case in self._cases(f"verdict IN ({named}) AND {condition(pattern.conditions)}"):
            if pattern.holds(case.traits):
                yield case

    def count(self) -> int:
        """Pairs about which something stands."""
        found: tuple[Any, ...] | None = self._store.connection.execute("SELECT count(*) FROM stands").fetchone()
        return int(found[0]) if found else 0

    def _cases(self, where: str, order: str = "ORDER BY pair_id") -> Iterator[Case]:
        """Raises StoreChanged when the store's files are replaced meanwhile: then ask again, from the start."""
        query = f'SELECT * FROM decisions JOIN stands USING (pair_id, "partition", "offset") WHERE {where} {order}'
        try:
            # A cursor has its own result, so that contents may be asked for meanwhile.
            found = self._store.connection.cursor().execute(query)
            while rows := sql.dicts(found, CHUNK):
                yield from self._with_contents([decision_of(row) for row in rows])
        except duckdb.Error as error:
            if sql.is_vanished(error):
                raise StoreChanged(f"files of the store were replaced while it was read: {error}") from error
            raise

    def _with_contents(self, decisions: Sequence[MatchDecision]) -> Iterable[Case]:
        contents = self._contents.get({side.digest for made in decisions for side in (made.first, made.second)})
        for made in decisions:
            first, second = contents.get(made.first.digest), contents.get(made.second.digest)
            yield Case(made, first, second, traits(made, first, second))


def condition(wanted: Collection[Trait]) -> str:
    """What SQL can say of some traits, as a condition on the view ``decisions``; never narrower than the traits."""
    parts = ["true"]
    for name, value in sorted(wanted):
        if name in _COLUMNS:
            parts.append(f"{_COLUMNS[name]} = {sql.literal(value)}")
        elif name in ATTRIBUTES:
            parts.append(f'"{name}" = {sql.literal(value)}')
        elif name == "bundle":
            digest = value.rsplit("(", 1)[1].rstrip(")")
            parts.append(f"starts_with(bundle_digest, {sql.literal(digest)})")
        elif name == "deployment":
            parts.append(f"deployment = {int(value)}")
        elif name == "a seller":
            own = sql.literal(offer_key(value, ""))
            parts.append(f"(starts_with(first_key, {own}) OR starts_with(second_key, {own}))")
        elif name == "reason":
            parts.append(f"list_contains(reasons, {sql.literal(value)})")
    return " AND ".join(parts)
