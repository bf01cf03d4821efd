"""One load from file to Kafka: rows that cannot be used go to the rejects file, the others to the topic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self

import orjson

from samesku.load.changes import Ready, Reject


class Sender(Protocol):
    """Where changes go; `samesku.load.send.ChangeProducer` is one."""

    def send(self, key: bytes | None, value: bytes | None) -> None: ...

    def flush(self) -> None: ...


@dataclass
class LoadReport:
    """What came of a load."""

    sent: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    first_rejects: list[Reject] = field(default_factory=list)
    rejects_file: Path | None = None

    @property
    def rejects(self) -> int:
        return sum(self.rejected.values())


# Enough to see what is wrong with a file; all of them are in the rejects file.
SHOWN_REJECTS = 10


class RejectsFile:
    """Rejected rows as JSON Lines, made with the first of them: a clean load leaves no file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def write(self, reject: Reject) -> None:
        """Append one. Raises OSError."""
        if self._file is None:
            self._file = self.path.open("wb")
        said = {"line": reject.line, "reason": reject.reason, "detail": reject.detail, "row": reject.row}
        self._file.write(orjson.dumps(said) + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


def load(
    changes: Iterable[Ready | Reject],
    sender: Sender,
    rejects: RejectsFile,
    before_each: Callable[[], None] = lambda: None,
    progress: Callable[[LoadReport], None] = lambda report: None,
) -> LoadReport:
    """Send every change, write every reject, and return when Kafka has acknowledged all.

    `before_each` may block to hold the load back. Raises what they raise: NotDelivered, LagUnknown, OSError; what was
    sent until then stays sent, and sending it again does no harm (the later offset wins, with equal content).
    """
    report = LoadReport()
    for change in changes:
        if isinstance(change, Reject):
            report.rejected[change.reason] += 1
            if len(report.first_rejects) < SHOWN_REJECTS:
                report.first_rejects.append(change)
            rejects.write(change)
            report.rejects_file = rejects.path
        else:
            before_each()
            sender.send(change.key, change.value)
            report.sent += 1
        progress(report)
    sender.flush()
    return report
