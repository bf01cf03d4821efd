"""`samesku compare` on folders of replays: what it writes, and its exit codes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from samesku.commands.compare import WrongUsage, app
from samesku.errors import CommandError
from schemas.decision import MatchDecision
from schemas.offer import Offer
from tests.worker.comparison.making import judged
from tests.worker.replay.conftest import offer, run
from worker.replay.folder import Folder
from worker.replay.store import FILE, Inputs
from worker.replay.summary import summary_of


def replayed(path: Path, decisions: list[MatchDecision], offers: list[Offer]) -> Path:
    """A finished folder with these decisions."""
    folder = Folder(path)
    begun = folder.open(run(name=path.name))
    with Inputs(path / FILE) as inputs:
        inputs.note_offers(offers)
        inputs.commit()
        folder.write_chunk(0, len(decisions), decisions)
        folder.finish(begun, inputs.sha256(), len(decisions), summary_of(decisions, Counter()))
    return path


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """120 pairs, of which 3 turn from match to no_match."""
    offers = [offer(f"{source}:{number}", price="10.00") for number in range(120) for source in "ab"]
    pairs = list(zip(offers[::2], offers[1::2], strict=True))
    old = [judged(a, b, "match", 0.9) for a, b in pairs]
    new = [judged(a, b, "no_match" if number < 3 else "match", 0.3) for number, (a, b) in enumerate(pairs)]
    return replayed(tmp_path / "old", old, offers), replayed(tmp_path / "new", new, offers)


def compare(*arguments: object, expect: type[BaseException] = SystemExit) -> Result:
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exception is None or isinstance(result.exception, expect), result.output
    return result


def test_within_the_limits(sides: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert compare(*sides, "--out", out).exit_code == 0
    found = orjson.loads((out / "compare.json").read_bytes())
    assert found["flips"]["kinds"] == {"match->no_match": 3}
    assert found["flips"]["examples"][0]["first"]["title"] == "sony camera w120"
    assert found["verdict"]["within"]
    assert (out / "compare.html").is_file()


def test_beyond_the_limits(sides: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMESKU_COMPARE__MAX_FLIP_SHARE", "0.02")
    result = compare(*sides, "--out", tmp_path / "out", expect=CommandError)
    assert isinstance(result.exception, CommandError)
    assert (result.exception.exit_code, str(result.exception)) == (1, "beyond the limits: max_flip_share")


def test_labels_of_a_file(sides: tuple[Path, Path], tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("first,second,label\n" + "".join(f"b:{number},a:{number},1\n" for number in range(40)))
    result = compare(*sides, "--out", tmp_path / "out", "--labels", labels, expect=CommandError)
    found = orjson.loads((tmp_path / "out" / "compare.json").read_bytes())
    assert (found["agreement"]["labelled"], found["agreement"]["only_old_agrees"]) == (40, 3)
    assert found["agreement"]["p_value"] == pytest.approx(0.25)
    assert "max_agreement_drop" in str(result.exception)


def test_wrong_usage(sides: tuple[Path, Path], tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out")
    assert compare(sides[0], *out).exit_code == 2
    assert compare(*sides, "--range", "2h..end", *out).exit_code == 2
    (tmp_path / "bad.csv").write_text("pair_id,label\na:1#b:1,maybe\n")
    (sides[1] / "manifest.json").unlink()
    for arguments in (
        (*sides, *out),
        (sides[0], tmp_path, *out),
        (sides[0], sides[0], "--labels", tmp_path / "bad.csv", *out),
    ):
        result = compare(*arguments, expect=WrongUsage)
        assert isinstance(result.exception, WrongUsage)
        assert result.exception.exit_code == 2
