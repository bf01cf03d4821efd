"""What the start's log lines say."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from benchmarks.startup import cpu_seconds, evict, read_from_disk, stages, summary

BEGAN = datetime.fromisoformat("2030-01-02T03:04:05+00:00").timestamp()
LINES = [
    b"%3|1795432656.731|FAIL|rdkafka#producer-3| Connect failed",
    b'{"event": "starting", "timestamp": "2030-01-02T03:04:07.500000Z"}',
    b'{"event": "waiting", "timestamp": "2030-01-02T03:04:08Z"}',
    b'{"event": "worker_started", "timestamp": "2030-01-02T03:04:08.250000Z"}',
    b'{"event": "worker_started", "timestamp": "2030-01-02T03:05:00Z"}',
    b'{"event": "partitions_assi',
]


def test_stages_are_read_from_the_log() -> None:
    assert stages(LINES, BEGAN) == {"starting": 2.5, "worker_started": 3.25}


def test_the_slowest_start_keeps_the_claim_or_breaks_it() -> None:
    found = summary({
        "cold": [{"worker_started": 4.0}, {"worker_started": 6.0}, {"worker_started": 4.5}],
        "warm": [{"worker_started": 2.0}],
        "new_broker": [{"worker_started": 9.0}],
    })  # fmt: skip
    assert found == {
        "cold": {"median": 4.5, "fastest": 4.0, "slowest": 6.0, "under_claim": False},
        "warm": {"median": 2.0, "fastest": 2.0, "slowest": 2.0, "under_claim": True},
    }


def test_eviction_counts_bytes_and_skips_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1_000)
    assert evict([tmp_path / "a", tmp_path / "b"]) == 1_000


def test_a_process_says_what_it_used() -> None:
    assert cpu_seconds(os.getpid()) > 0
    assert read_from_disk(os.getpid()) >= 0


def test_an_absent_process_is_unknown() -> None:
    # Above the largest process id that Linux gives (4,194,304).
    assert cpu_seconds(2**23) == -1.0
    assert read_from_disk(2**23) == -1.0
