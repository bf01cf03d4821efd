from __future__ import annotations

import sys
from pathlib import Path

import pytest

from train.stages import Stage, StageError, digest, run_stages

COPY = (
    "import sys, pathlib as p; p.Path(sys.argv[2]).write_bytes(p.Path(sys.argv[1]).read_bytes() + sys.argv[3].encode())"
)


def copying(folder: Path, name: str, source: str, target: str, value: str = "") -> Stage:
    """A stage that writes its source and a value."""
    command = [sys.executable, "-S", "-c", COPY, str(folder / source), str(folder / target), value]
    return Stage(name, command, [folder / source], [folder / target], [value])


def two(folder: Path, value: str = "!") -> list[Stage]:
    return [copying(folder, "first", "a", "b", value), copying(folder, "second", "b", "c")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a").write_text("data")
    return tmp_path


def test_stages_run_once_and_again_only_where_something_changed(folder: Path) -> None:
    said: list[str] = []
    assert run_stages(two(folder), folder / "run", said.append) == ["first", "second"]
    assert (folder / "c").read_text() == "data!"
    assert run_stages(two(folder), folder / "run", said.append) == []
    assert said[-2:] == ["first: stands already", "second: stands already"]
    (folder / "a").write_text("more")
    assert run_stages(two(folder), folder / "run") == ["first", "second"]
    assert run_stages(two(folder, "?"), folder / "run") == ["first", "second"]
    (folder / "c").write_text("edited")
    assert run_stages(two(folder, "?"), folder / "run") == ["second"]
    (folder / "b").unlink()
    # What comes out is the same again, so that what reads it is not run.
    assert run_stages(two(folder, "?"), folder / "run") == ["first"]
    (folder / "run" / "release.json").write_text("{")
    assert run_stages(two(folder, "?"), folder / "run") == ["first", "second"]


def test_a_stage_that_fails_ends_the_release_and_the_next_one_goes_on_there(folder: Path) -> None:
    failing = Stage("second", [sys.executable, "-S", "-c", "raise SystemExit(3)"], [folder / "b"], [folder / "c"])
    with pytest.raises(StageError, match=r"second ended with code 3: .*SystemExit"):
        run_stages([two(folder)[0], failing], folder / "run")
    assert run_stages(two(folder), folder / "run") == ["second"]


def test_a_stage_must_write_what_it_says_and_read_what_is_there(folder: Path) -> None:
    idle = Stage("idle", [sys.executable, "-S", "-c", ""], [], [folder / "c"])
    with pytest.raises(StageError, match=r"idle left no .*c"):
        run_stages([idle], folder / "run")
    with pytest.raises(StageError, match=r"second: .*b is missing"):
        run_stages([two(folder)[1]], folder / "run")


def test_a_digest_is_of_names_and_bytes_wherever_they_lie(folder: Path) -> None:
    for name in ("one", "two"):
        (folder / name / "sub").mkdir(parents=True)
        (folder / name / "sub" / "x").write_text("x")
    assert digest([folder / "one"]) == digest([folder / "two"])
    (folder / "two" / "sub" / "x").rename(folder / "two" / "sub" / "y")
    assert digest([folder / "one"]) != digest([folder / "two"])
