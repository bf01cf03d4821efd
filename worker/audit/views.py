"""What a person's SQL sees of the store.

    decisions       one row a decision, with first_key, second_key, query_key and candidate_key
    standing        of each pair the decision that stands (the order of `schemas.decision.supersedes`)
    offer_versions  one row a version of an offer: key, effective_version, digest, deleted, indexed_at
    contents        one row a content: digest, key, content (JSON), erased
    labels          what people decided
    unreadable      records that could not be read: table, partition, offset, reason, raw
    erasures        whose text was erased, when, by whom and why

The views name the files that count at the time of `create`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas.decision import BundleRef, bundle_order
from worker.audit import sql
from worker.audit.erasures import ERASED, Erasures
from worker.audit.store import AuditStore
from worker.audit.tables import DECISIONS, LABELS, OFFERS, TABLES, Table

VIEWS = ("decisions", "standing", "offer_versions", "contents", "labels", "unreadable", "erasures")

# `schemas.decision.standing_order`, in SQL; a bundle's place among all is worked out there and joined.
_BINDING = """CASE WHEN decided_by = 'label' THEN 2
    WHEN decided_by = 'teacher' OR (decided_by = 'operator' AND label_id IS NOT NULL) THEN 1 ELSE 0 END"""
_ORDER = f"""first_version DESC, second_version DESC, {_BINDING} DESC,
    CASE WHEN {_BINDING} > 0 THEN source_offset ELSE 0 END DESC, deployment DESC, place DESC,
    (decided_by = 'operator') DESC, query_first DESC, decided_at DESC, decision_id DESC"""
_BUNDLE = ("bundle_name", "bundle_version", "bundle_digest", "bundle_built_at")


def create(store: AuditStore) -> None:
    """Make the views anew on the store's connection. Raises NoStore and StoreChanged."""
    store.info()
    store.settled(lambda: _create(store))


def _create(store: AuditStore) -> None:
    connection, erasures = store.connection, store.erasures()
    _log(store, erasures)
    for table in TABLES.values():
        names = store.all_files(table)
        if names:
            source = sql.viewing(store.folder, table, names)
        else:
            connection.register(f"no_{table.name}", sql.empty(table))
            source = f"(SELECT *, {sql.DERIVED} FROM no_{table.name})" if table is DECISIONS else f"no_{table.name}"
        connection.execute(f"CREATE OR REPLACE VIEW all_{table.name} AS SELECT * FROM {source}")
    blank = _blank(erasures)
    connection.execute(
        f"CREATE OR REPLACE VIEW decisions AS SELECT * EXCLUDE (unreadable) {blank[DECISIONS.name]} FROM all_decisions "
        "WHERE unreadable IS NULL"
    )
    connection.execute(
        'CREATE OR REPLACE VIEW offer_versions AS SELECT "key", effective_version, digest, deleted, seller_version, '
        'indexed_at, "partition", "offset" FROM all_offers WHERE unreadable IS NULL'
    )
    connection.execute(
        'CREATE OR REPLACE VIEW contents AS SELECT digest, any_value("key") AS "key", any_value(content) AS content, '
        f"bool_or(erased) AS erased FROM (SELECT * {blank[OFFERS.name]} FROM all_offers) WHERE digest IS NOT NULL "
        "AND (content IS NOT NULL OR erased) GROUP BY digest"
    )
    connection.execute(
        "CREATE OR REPLACE VIEW labels AS SELECT * EXCLUDE (unreadable) FROM all_labels WHERE unreadable IS NULL"
    )
    connection.execute(
        "CREATE OR REPLACE VIEW unreadable AS "
        + " UNION ALL ".join(
            f'SELECT \'{table.name}\' AS "table", "partition", "offset", published_at, "{table.key}" AS "key", '
            f"unreadable AS reason, raw FROM all_{table.name} WHERE unreadable IS NOT NULL"
            for table in TABLES.values()
        )
    )
    _standing(store)


def _log(store: AuditStore, erasures: Erasures) -> None:
    connection = store.connection
    connection.execute(
        "CREATE OR REPLACE TABLE erasures (erasure_id VARCHAR, offer_key VARCHAR, erased_at TIMESTAMPTZ, "
        "erased_by VARCHAR, reason VARCHAR, digests VARCHAR[])"
    )
    for each in erasures.entries:
        connection.execute(
            "INSERT INTO erasures VALUES (?, ?, ?, ?, ?, ?)",
            [each.erasure_id, each.offer_key, each.erased_at, each.by, each.reason, each.digests],
        )


def _blank(erasures: Erasures) -> dict[str, str]:
    """REPLACE clauses that hide erased text, also where a file still holds it. Nothing to hide, nothing to pay."""
    if not erasures:
        return {DECISIONS.name: "", OFFERS.name: ""}

    def covered(key: str, digest: str, at: str) -> str:
        return (
            f"({digest} IN (SELECT unnest(digests) FROM erasures) OR EXISTS (SELECT 1 FROM erasures "
            f"WHERE offer_key = {key} AND {at} <= erased_at))"
        )

    either = " OR ".join(covered(f"{side}_key", f"{side}_digest", "decided_at") for side in ("first", "second"))
    texts = f"CASE WHEN sentence IS NOT NULL AND ({either}) THEN '{ERASED}' ELSE sentence END AS sentence"
    more = ", ".join(f"CASE WHEN {either} THEN NULL ELSE {name} END AS {name}" for name in ("quotes", "rest", "raw"))
    gone = covered('"key"', "digest", "indexed_at")
    return {
        DECISIONS.name: f"REPLACE ({texts}, {more})",
        OFFERS.name: f"REPLACE (CASE WHEN {gone} THEN NULL ELSE content END AS content, erased OR {gone} AS erased)",
    }


def _standing(store: AuditStore) -> None:
    """The view `standing`. Which of two bundles is newer is not for SQL to say, so they are ranked here."""
    connection = store.connection
    found = connection.execute(f"SELECT DISTINCT {', '.join(_BUNDLE)} FROM decisions").fetchall()
    refs = {row: bundle_order(BundleRef(name=row[0], version=row[1], digest=row[2], built_at=row[3])) for row in found}
    connection.execute(
        "CREATE OR REPLACE TABLE bundle_places (bundle_name VARCHAR, bundle_version VARCHAR, bundle_digest VARCHAR, "
        "bundle_built_at TIMESTAMPTZ, place INTEGER)"
    )
    for place, row in enumerate(sorted(refs, key=lambda each: refs[each])):
        connection.execute("INSERT INTO bundle_places VALUES (?, ?, ?, ?, ?)", [*row, place])
    same = " AND ".join(f"d.{name} IS NOT DISTINCT FROM b.{name}" for name in _BUNDLE)
    connection.execute(
        'CREATE OR REPLACE VIEW standing AS SELECT d.* FROM decisions d JOIN (SELECT pair_id, "partition", "offset" '
        f"FROM decisions d JOIN bundle_places b ON {same} QUALIFY row_number() OVER (PARTITION BY pair_id "
        f'ORDER BY {_ORDER}) = 1) s USING (pair_id, "partition", "offset")'
    )


def count(store: AuditStore, names: Sequence[str], condition: str) -> int:
    """Rows of the files for which a condition on a table's columns holds."""
    if not names:
        return 0
    query = f"SELECT count(*) FROM {sql.reading(store.folder, names)} WHERE {condition}"
    found: tuple[Any, ...] | None = store.connection.execute(query).fetchone()
    return int(found[0]) if found else 0


__all__ = ["LABELS", "VIEWS", "Table", "count", "create"]
