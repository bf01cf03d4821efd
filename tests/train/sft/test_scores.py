from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from train.pairs.pairs import PairFileError
from train.sft.scores import UnknownSetError, evaluation_sets, read_scores, write_scores


def test_sets_are_named_by_split_or_by_origin_and_split(data_dir: Path) -> None:
    origins = {"abt-buy", "amazon-google", "wdc-computers", "wdc-cameras"}
    assert set(evaluation_sets(["valid"], data_dir)) == {(origin, "valid") for origin in origins}
    chosen = evaluation_sets(["abt-buy:test", "wdc-cameras:valid"], data_dir)
    assert {name: len(pairs) for name, pairs in chosen.items()} == {
        ("abt-buy", "test"): 1916,
        ("wdc-cameras", "valid"): 924,
    }
    assert {pair.origin for pair in chosen["abt-buy", "test"]} == {"abt-buy"}


@pytest.mark.parametrize("name", ["train", "abt-buy", "abt-buy:train", "ebay:valid", ""])
def test_another_name_is_refused_with_those_that_there_are(name: str) -> None:
    with pytest.raises(UnknownSetError, match=f"no evaluation set '{name}': .*valid, test, abt-buy:valid"):
        evaluation_sets([name])


def test_scores_are_written_whole_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    rows = [{"origin": "abt-buy", "split": "valid", "pair_id": "1-2", "label": 1, "logit": 0.25}]
    write_scores(tmp_path / "run" / "scores.jsonl.gz", rows)
    write_scores(tmp_path / "again.jsonl.gz", rows)
    assert (tmp_path / "run" / "scores.jsonl.gz").read_bytes() == (tmp_path / "again.jsonl.gz").read_bytes()
    assert read_scores(tmp_path / "again.jsonl.gz") == rows
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.jsonl.gz", "run"]
    (tmp_path / "again.jsonl.gz").write_bytes(gzip.compress(b"[]\n"))
    with pytest.raises(PairFileError, match="not a JSON object"):
        read_scores(tmp_path / "again.jsonl.gz")
