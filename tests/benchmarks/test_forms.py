from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from benchmarks.forms import main, run_form, settings, write_section
from benchmarks.forms_table import cross_judged, difference, halves_of, mean_f1, rows_of, section
from export.tiny import make_tiny_base
from export.verify import frozen_pairs
from train.pairs.mixture import Mixture, TrainingPair
from train.pairs.pairs import Pair
from train.rationales.imported import ImportReport
from train.rationales.verdicts import Targets


def scores(noise: float, seed: int = 0, pairs: int = 400) -> dict[str, dict[str, Any]]:
    """Two sets whose logits are the label and noise; the more noise, the worse the form."""
    rng = np.random.default_rng(seed)
    found = {}
    for name in ("one", "two"):
        labels = np.arange(pairs) % 4 // 3
        found[name] = {"logits": (4 * labels - 2 + noise * rng.normal(size=pairs)).tolist(), "labels": labels.tolist()}
    return found


def run(form: str, noise: float, seed: int = 1) -> dict[str, Any]:
    return {
        "form": form,
        "seed": seed,
        "steps": 10,
        "stopped_by": "steps",
        "seen": {"tokens": 12_345, "examples": 99},
        "suffix_tokens": 40.0,
        "pairs_per_second": 9.5,
        "scores": scores(noise),
    }


def test_a_pair_is_judged_by_the_other_half() -> None:
    given = scores(0.1)
    judged = cross_judged(given)
    assert mean_f1(judged) == 1.0
    # Where one half is shifted, its threshold is of no use to the other.
    logits = np.array(given["one"]["logits"])
    logits[halves_of(np.array(given["one"]["labels"]) == 1) == 1] += 100
    shifted = cross_judged({"one": {**given["one"], "logits": logits.tolist()}})
    assert shifted["one"].f1() < 0.9


def test_a_worse_form_is_behind_by_more_than_its_interval_and_an_equal_one_is_not() -> None:
    good, bad = cross_judged(scores(0.5)), cross_judged(scores(3.0))
    gap, low, high = difference(bad, good)
    assert low < gap < high < 0
    assert difference(good, good) == (0.0, 0.0, 0.0)


def test_the_table_names_what_is_better_than_parallel_or_says_that_nothing_is() -> None:
    rows = rows_of([run("feedback", 3.0), run("parallel", 1.5), run("answer", 0.2)])
    assert [row["form"] for row in rows] == ["parallel", "answer", "feedback"]
    assert rows[0]["against"] is None
    assert rows[1]["mean_f1"] > rows[0]["mean_f1"] > rows[2]["mean_f1"]
    text = section(rows)
    assert "Better than parallel slots by more than its interval: answer (seed 1)." in text
    assert "12,345" in text
    assert len({line.count("|") for line in text.splitlines() if line.startswith("|")}) == 1
    stays = section(rows_of([run("parallel", 0.5), run("feedback", 3.0)]))
    assert "so parallel slots stay" in stays


def test_the_section_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    page = tmp_path / "method.md"
    page.write_text("# Page\n\nBefore.\n")
    write_section(page, "first\n")
    page.write_text(page.read_text() + "\nAfter.\n")
    write_section(page, "second\n")
    assert page.read_text() == "# Page\n\nBefore.\n\n<!-- forms -->\nsecond\n<!-- end of forms -->\n\nAfter.\n"
    write_section(tmp_path / "new.md", "text\n")
    assert (tmp_path / "new.md").read_text().startswith("# ")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["feedback", "answer"])
def test_a_form_is_trained_and_scored(form: Any, tmp_path: Path) -> None:
    base = make_tiny_base(tmp_path / "base")
    pairs = [Pair(str(n), item.query, item.candidate, n % 2, "frozen") for n, item in enumerate(frozen_pairs()[:16])]
    mixture = Mixture([TrainingPair(pair, Targets({"brand": "same"})) for pair in pairs], {}, {}, ImportReport())
    config = settings(1, 3, base=str(base), rows_per_step=2, rank=2, keep_easy=1.0, threads=1)
    path = run_form(form, config, tmp_path / "out", {"frozen": pairs}, mixture)
    found = orjson.loads(path.read_bytes())
    assert path.name == f"{form}-3.json"
    assert (found["form"], found["seed"], found["steps"], found["stopped_by"]) == (form, 3, 1, "steps")
    assert found["scores"]["frozen"]["labels"] == [pair.label for pair in pairs]
    assert len(set(found["scores"]["frozen"]["logits"])) > 8
    assert min(found["seen"].values()) > 0


def test_the_command_compares_what_was_run_and_writes_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for form, noise in (("parallel", 0.5), ("answer", 0.5)):
        (tmp_path / f"{form}-1.json").write_bytes(orjson.dumps(run(form, noise)))
    assert main(["--table", "--out", str(tmp_path), "--write", str(tmp_path / "method.md")]) == 0
    told = capsys.readouterr().out
    assert "| answer | 1 |" in told
    assert told.strip() in (tmp_path / "method.md").read_text()


def test_nothing_to_compare_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--table", "--out", str(tmp_path)], ["--out", str(tmp_path)]):
        with pytest.raises(SystemExit):
            main(arguments)
    assert "no form was run there" in capsys.readouterr().err
