"""The folder of a run."""

from __future__ import annotations

import gzip
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.decision import Timings
from tests.decisions import NOW, decision
from tests.worker.replay.conftest import run
from worker.replay.errors import WrongRequest
from worker.replay.folder import Folder, stable_line
from worker.replay.summary import summary_of

MADE = [decision("a:1", f"b:{number}", "match") for number in range(7)]


def test_the_same_request_finds_its_folder_and_another_is_refused(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "run")
    begun = folder.open(run(name="first"))
    assert folder.open(run(name="second")) == begun, "a resumed run keeps its name"
    with pytest.raises(WrongRequest, match=r"begin: there \"start\", asked \"2h\""):
        folder.open(run(begin="2h"))
    other = MADE[0].bundle.model_copy(update={"digest": "e" * 64})
    with pytest.raises(WrongRequest, match="eeeeeeeeeeee"):
        folder.open(run(bundle=other))


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(WrongRequest, match="no folder of a replay"):
        Folder(tmp_path).open(run())
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_chunks_are_named_by_what_they_cover_and_come_back_in_order(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "run")
    folder.open(run())
    folder.write_chunk(5, 7, MADE[5:])
    folder.write_chunk(0, 5, MADE[:5])
    (folder.decisions / ".000000007-000000008.jsonl.gz.1.partial").write_bytes(b"half")
    assert list(folder.chunks()) == [(0, 5), (5, 7)]
    assert list(folder.read()) == MADE


def test_equal_decisions_give_equal_bytes(tmp_path: Path) -> None:
    folders = [Folder(tmp_path / name) for name in "ab"]
    for folder in folders:
        folder.open(run())
        folder.write_chunk(0, 7, MADE)
    assert folders[0].chunk(0, 7).read_bytes() == folders[1].chunk(0, 7).read_bytes()


def test_times_alone_make_no_difference(tmp_path: Path) -> None:
    later = MADE[0].model_copy(update={"decided_at": NOW + timedelta(hours=1), "timings": Timings(judge_ms=5)})
    assert stable_line(later) == stable_line(MADE[0])
    assert stable_line(later.model_copy(update={"probability": 0.91})) != stable_line(MADE[0])
    manifests = []
    for name, made in (("a", MADE[0]), ("b", later)):
        folder = Folder(tmp_path / name)
        begun = folder.open(run())
        folder.write_chunk(0, 1, [made])
        manifests.append(folder.finish(begun, "0" * 64, 1, summary_of([made], Counter())))
    assert manifests[0]["sha256_stable"] == manifests[1]["sha256_stable"]
    assert manifests[0]["files"] != manifests[1]["files"]


def test_a_damaged_chunk_is_named(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.open(run())
    folder.write_chunk(0, 7, MADE)
    whole = folder.chunk(0, 7).read_bytes()
    for damaged in (whole[:-20], gzip.compress(b"{}\n"), b"no gzip", whole[:30] + b"\xff" + whole[31:]):
        folder.chunk(0, 7).write_bytes(damaged)
        with pytest.raises(WrongRequest, match=r"000000000-000000007.jsonl.gz is damaged"):
            list(folder.read())


def test_a_run_that_has_not_ended_says_so(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.open(run())
    assert not folder.finished
    with pytest.raises(WrongRequest, match="has not ended"):
        folder.manifest()
    with pytest.raises(WrongRequest, match="no folder of a replay"):
        Folder(tmp_path / "none").run()


def test_the_summary_counts_flips() -> None:
    turned = [MADE[0].model_copy(update={"previous_verdict": "no_match"}), MADE[1]]
    told = summary_of(turned, Counter({"judged": 2}))
    assert (told["decisions"], told["verdicts"], told["flips"]) == (2, {"match": 2}, {"no_match->match": 1})
