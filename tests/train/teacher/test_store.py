from __future__ import annotations

import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from train.teacher.store import Reply, Store, StoreError, Usage, content_key

REPLY = Reply("k", "said", "stop", "m-2", "json_schema", Usage(10, 5, 3), Decimal("0.000125"))


def test_a_reply_is_found_again_with_all_that_it_cost(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        assert store.get("k") is None
        line = store.sending("k", "extract", Decimal("0.5"))
        assert (store.spent, store.at_risk) == (Decimal(0), Decimal("0.5"))
        store.put(line, REPLY, "extract", "m", "1", {"messages": []}, "http://x")
        assert (store.spent, store.at_risk) == (Decimal("0.000125"), Decimal(0))
    with Store(path) as store:
        assert store.get("k") == REPLY
        assert list(store.totals()) == [("extract", 1, 10, 5, Decimal("0.000125"))]


def test_a_request_whose_end_is_unknown_stays_at_risk(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        store.sending("lost", "extract", Decimal("0.5"))
        store.not_charged(store.sending("refused", "extract", Decimal("7")))
    with Store(path) as store:
        assert (store.spent, store.at_risk) == (Decimal(0), Decimal("0.5"))


@pytest.mark.parametrize("what", ["step", "model", "prompt_version", "messages", "sampling"])
def test_whatever_shapes_a_reply_is_in_its_key(what: str) -> None:
    shape: dict[str, Any] = {
        "step": "s",
        "model": "m",
        "prompt_version": "1",
        "messages": [{"a": "b"}],
        "sampling": {"t": 0},
    }
    assert content_key(**shape) == content_key(**shape)
    assert content_key(**shape) != content_key(**{**shape, what: "other"})


def test_one_run_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path), pytest.raises(StoreError, match="in use by another run"):
        Store(path)
    Store(path).close()


def test_a_killed_process_leaves_what_it_wrote_and_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    code = (
        "import sys, os, signal; from decimal import Decimal; from pathlib import Path\n"
        "from train.teacher.store import Store, Reply, Usage\n"
        "store = Store(Path(sys.argv[1]))\n"
        "reply = Reply('k', 'said', 'stop', 'm', 'plain', Usage(1, 1), Decimal(1))\n"
        "store.put(store.sending('k', 'extract', Decimal(2)), reply, 'extract', 'm', '1', {}, 'x')\n"
        "store.sending('lost', 'extract', Decimal(3))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(path)], cwd=os.getcwd(), check=False)
    assert ended.returncode == -signal.SIGKILL
    with Store(path) as store:
        assert store.get("k") is not None
        assert (store.spent, store.at_risk) == (Decimal(1), Decimal(3))


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_text("not a database, and long enough to be looked at by the library that reads them" * 20)
    with pytest.raises(StoreError, match="not a database"):
        Store(path)
    with pytest.raises(StoreError):
        Store(tmp_path / "no" / "folder")
