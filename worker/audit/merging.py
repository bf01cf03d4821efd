"""Merging a sink's files beside its reading: one thread, one partition at a time, with a store of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from worker.audit.chain import merges
from worker.audit.compaction import SMALLEST, Interrupted, compact
from worker.audit.store import AuditStore
from worker.audit.tables import Table
from worker.stream.backoff import Log
from worker.stream.metrics import AUDIT_MERGES, Metrics


class Merger:
    """Takes partitions that may be worth it. A failure is logged, counted and forgotten: the store stays right."""

    def __init__(
        self, make_store: Callable[[], AuditStore], fan: int, part_rows: int, metrics: Metrics, log: Log
    ) -> None:
        self._make_store = make_store
        self._fan = fan
        self._part_rows = part_rows
        self._metrics = metrics
        self._log = log
        self._asked: queue.Queue[tuple[Table, int] | None] = queue.Queue()
        self._waiting: set[tuple[str, int]] = set()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit-merges", daemon=True)
        self._thread.start()

    def ask(self, table: Table, partition: int) -> None:
        """Look at this partition soon. Returns at once."""
        if (table.name, partition) not in self._waiting:
            self._waiting.add((table.name, partition))
            self._asked.put((table, partition))

    def end(self, timeout: float) -> None:
        """Stop: a merge under way is given up and leaves nothing behind."""
        self._ending.set()
        self._asked.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        store = self._make_store()
        while (asked := self._asked.get()) is not None and not self._ending.is_set():
            table, partition = asked
            self._waiting.discard((table.name, partition))
            try:
                if merges(store.path(table, partition), self._fan, SMALLEST):
                    gone = compact(
                        store, table, partition, fan=self._fan, part_rows=self._part_rows,
                        going=lambda: not self._ending.is_set(),
                    )  # fmt: skip
                    self._metrics.add(AUDIT_MERGES, result="done")
                    self._log.info("merged", table=table.name, partition=partition, files_gone=gone)
            except Interrupted:
                return
            except Exception as error:  # noqa: BLE001 - a merge is never worth a sink
                self._metrics.add(AUDIT_MERGES, result="failed")
                self._log.warning("merge_failed", table=table.name, partition=partition, error=repr(error))
