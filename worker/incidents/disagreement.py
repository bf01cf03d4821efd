"""Who had said otherwise: people, other bundles and the shadow, about pairs that are now reported or like them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from worker.audit import sql
from worker.audit.store import AuditStore

# Pairs named in one query.
CHUNK = 10_000


@dataclass(frozen=True)
class Disagreement:
    """One voice: about how many of the pairs it was heard, about how many it said otherwise than what stands, which."""

    who: str
    heard: int
    otherwise: int
    examples: tuple[str, ...]


def disagreements(store: AuditStore, pairs: Collection[str], examples: int = 5) -> list[Disagreement]:
    """What was said of these pairs beside what stands, the loudest first. The views must have been made.

    A label counts whatever versions it was given on; a bundle counts with its last word on the pair. Verdicts of people
    and of students are compared as match or not: a review says neither, and is not heard.
    """
    heard: dict[str, set[str]] = {}
    otherwise: dict[str, set[str]] = {}
    wanted = sorted(set(pairs))
    for start in range(0, len(wanted), CHUNK):
        for who, pair, verdict, stands in _voices(store, wanted[start : start + CHUNK]):
            if verdict not in ("match", "no_match"):
                continue
            heard.setdefault(who, set()).add(pair)
            if (verdict == "match") != (stands == "match"):
                otherwise.setdefault(who, set()).add(pair)
    found = []
    for who, pairs_heard in heard.items():
        against = otherwise.get(who, set())
        found.append(Disagreement(who, len(pairs_heard), len(against), tuple(sorted(against)[:examples])))
    return sorted(found, key=lambda each: (-each.otherwise, each.who))


def _voices(store: AuditStore, pairs: Sequence[str]) -> list[tuple[Any, ...]]:
    named = ", ".join(sql.literal(pair) for pair in pairs)
    # Of each voice its last word: `arg_max` by when it was said.
    query = f"""
        WITH now AS (SELECT pair_id, verdict AS stands, bundle_digest AS own FROM decisions
                     JOIN stands USING (pair_id, "partition", "offset") WHERE pair_id IN ({named})),
        voices AS (
            SELECT 'a person' AS who, pair_id, verdict, labeled_at AS said_at FROM labels WHERE pair_id IN ({named})
            UNION ALL
            SELECT 'in the shadow: ' || shadow_bundle_name || ' ' || shadow_bundle_version, pair_id, shadow_verdict,
                decided_at FROM decisions WHERE shadow_verdict IS NOT NULL AND pair_id IN ({named})
            UNION ALL
            SELECT bundle_name || ' ' || bundle_version || ' (' || bundle_digest[:12] || ')', pair_id, d.verdict,
                decided_at FROM decisions d JOIN now USING (pair_id)
                WHERE decided_by = 'student' AND bundle_digest <> own)
        SELECT who, pair_id, arg_max(verdict, said_at) AS verdict, any_value(stands) AS stands
        FROM voices JOIN now USING (pair_id) GROUP BY who, pair_id ORDER BY who, pair_id"""
    return store.settled(lambda: store.connection.execute(query).fetchall())
