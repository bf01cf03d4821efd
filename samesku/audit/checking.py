"""Whether the store is sound: its files by themselves, and against the topics."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from samesku.matches.log import LogUnreadable, bounds, read_messages
from schemas.sections import KafkaSettings
from worker.audit import sql
from worker.audit.chain import Segment, covered
from worker.audit.columns import bytes_of
from worker.audit.erasing import remaining
from worker.audit.store import AuditStore
from worker.audit.tables import DECISIONS, TABLES, Table
from worker.replay.span import Span


@dataclass
class Report:
    """What was found: numbers by table, and what is wrong."""

    tables: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def inspect(store: AuditStore) -> Report:
    """Count, and look for what must not be: rows outside of their range or twice, lists that lie, erased text."""
    store.info()
    report = Report()
    for table in TABLES.values():
        rows = size = files = unreadable = stale = 0
        for partition in store.partitions(table):
            path = store.path(table, partition)
            stale += len(covered(store.segments(table, partition), path))
            for segment in path:
                names = store.settled(lambda t=table, p=partition, s=segment: store.files(t, p, s))  # type: ignore[misc]
                found, bad = _segment(store, table, partition, segment, names, report)
                rows, unreadable, files = rows + found, unreadable + bad, files + len(names)
                size += sum(store.folder.size(name) for name in names)
        report.tables.append(
            {
                "table": table.name, "partitions": len(store.partitions(table)), "rows": rows, "files": files,
                "bytes": size, "bytes/row": round(size / rows, 1) if rows else "", "unreadable": unreadable,
                "set aside": stale,
            }
        )  # fmt: skip
    for name, count in remaining(store).items():
        if count:
            report.problems.append(f"{name}: {count} rows still hold text that was erased: run `samesku audit compact`")
    return report


def _segment(
    store: AuditStore, table: Table, partition: int, segment: Segment, names: list[str], report: Report
) -> tuple[int, int]:
    if not names:
        return 0, 0
    where = f"{table.name}/{partition} {segment.start}-{segment.end}"
    counted = store.connection.execute(
        f"""SELECT count(*), count(DISTINCT "offset"), min("offset"), max("offset"), count(unreadable),
        count(*) FILTER (WHERE "partition" <> {partition}) FROM {sql.reading(store.folder, names)}"""
    ).fetchone()
    rows, distinct, low, high, unreadable, foreign = counted or (0, 0, None, None, 0, 0)
    if rows != distinct:
        report.problems.append(f"{where}: {rows - distinct} rows are there twice")
    if rows and not (segment.start <= low and high < segment.end):
        report.problems.append(f"{where}: holds offsets {low} to {high}")
    if foreign:
        report.problems.append(f"{where}: {foreign} rows are of other partitions")
    parts = store.parts(table, partition, segment)
    if parts is not None and sum(part.rows for part in parts) != rows:
        report.problems.append(f"{where}: its list says {sum(part.rows for part in parts)} rows, the files have {rows}")
    return rows, unreadable


def compare(store: AuditStore, kafka: KafkaSettings) -> list[str]:
    """Differences between match.decisions and the store, record by record, as far as the store goes.

    A row must be in the topic, byte for byte, unless its text was erased; a record must be in the store, unless
    retention dropped it, which the lists of files count.
    """
    problems: list[str] = []
    erasures = store.erasures()
    try:
        span = bounds(kafka, DECISIONS.topic)
    except LogUnreadable as error:
        return [str(error)]
    for number in sorted(span.ends):
        end = min(span.ends[number], store.end(DECISIONS, number))
        here = Span(span.topic, {number: span.starts[number]}, {number: end})
        try:
            topic = {
                record.offset: hashlib.sha256(record.value or b"").digest() for record in read_messages(kafka, here)
            }
        except LogUnreadable as error:
            return [*problems, str(error)]
        held: dict[int, bytes] = {}
        for row in store.stream_of(DECISIONS, number):
            offset = row["offset"]
            if offset in held:
                problems.append(f"match.decisions/{number}@{offset} is in the store twice")
            blank = row["unreadable"] is None and erasures.blanked(DECISIONS, row) != row
            event = bytes(row["raw"] or b"") if row["unreadable"] is not None else bytes_of(row)
            held[offset] = hashlib.sha256(event).digest()
            same = topic.get(offset) == held[offset]
            if not same and offset >= span.starts[number] and not blank and not _was_erased(row):
                problems.append(f"match.decisions/{number}@{offset} differs from the topic")
        missing = sorted(set(topic) - set(held))
        listed = [store.manifest(DECISIONS, number, segment) for segment in store.path(DECISIONS, number)]
        if len(missing) > sum(each.dropped for each in listed if each is not None):
            problems.append(
                f"match.decisions/{number}: {len(missing)} records are not in the store, first @{missing[0]}"
            )
    return problems


def _was_erased(row: dict[str, Any]) -> bool:
    from worker.audit.erasures import ERASED

    quotes = row["quotes"] or ()
    return (
        row["sentence"] == ERASED
        or any(each["text"] == ERASED for each in quotes)
        or (row["unreadable"] is not None and row["raw"] is None)
    )
