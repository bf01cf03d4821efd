"""Contents by digest."""

from __future__ import annotations

from tests.worker.audit.making import fill, offer, offer_record, tombstone
from worker.audit.compaction import compact
from worker.audit.contents import Contents
from worker.audit.store import AuditStore
from worker.audit.tables import OFFERS
from worker.stream.records import Record


def test_every_version_by_its_digest_also_after_a_merge(any_store: AuditStore) -> None:
    first, changed, other = offer(1, "a"), offer(1, "a", "sony camera black"), offer(2, "a", description="x" * 500)
    records = [
        offer_record(first, 0, 1), offer_record(changed, 1, 2), offer_record(other, 3, 3), offer_record(first, 4, 4),
        tombstone(first.key, 6, 5),
    ]  # fmt: skip
    fill(any_store, OFFERS, records[:2], end=3)
    fill(any_store, OFFERS, records[2:], end=7, start=3)
    wanted = {each.digest(): each for each in (first, changed, other)}
    for _ in range(2):
        contents = Contents(any_store)
        assert contents.get([*wanted, "0" * 64]) == wanted
        assert contents.of_digests(first.key, set(wanted)) == (
            {d: o for d, o in wanted.items() if o.key == first.key},
            set(),
        )
        history = contents.of_offer(first.key)
        assert [(row["effective_version"], row["deleted"]) for row in history] == [
            (1, False), (2, False), (4, False), (5, True),
        ]  # fmt: skip
        compact(any_store, OFFERS, 0, fan=8, part_rows=100, full=True)
    rows = any_store.rows(OFFERS, "digest = ?", [first.digest()])
    assert sorted(row["content"] is not None for row in rows) == [False, True], "a content is kept once"


def test_a_content_that_is_not_what_its_digest_says_is_set_aside(any_store: AuditStore) -> None:
    record = offer_record(offer(1, "a"), 0)
    forged = Record(record.topic, 0, 0, record.key, (record.value or b"").replace(b"camera 1", b"camera 2"))
    fill(any_store, OFFERS, [forged])
    assert Contents(any_store).get([offer(1, "a").digest()]) == {}
    (row,) = any_store.rows(OFFERS, "unreadable IS NOT NULL")
    assert row["unreadable"].startswith("digest_mismatch")
    assert row["raw"] == forged.value
