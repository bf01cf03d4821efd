from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from schemas.offer import Offer
from train.pairs.guard import Guard
from train.pairs.loading import load_pairs
from train.pairs.mixture import build_mixture
from train.pairs.pairs import Pair, PairFileError, read_pairs
from train.pairs.sources import ORIGINS

HEADER = "left_title,right_title,right_modelno,label\n"


def forbidden(left: str, right: str) -> Pair:
    sides = [Offer(offer_id=f"o{number}", source="s", title=title) for number, title in enumerate((left, right))]
    return Pair("p", sides[0], sides[1], 1, "test")


def test_every_format_passes_the_same_door(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{HEADER}Canon  EOS,nikon d90,,0\nsony w1,sony w1 new,w1,1\n")
    rows = [
        {"left": {"id": "o1", "title": "x"}, "right": {"id": "o0", "title": "y"}, "label": 0},
        {"left": {"title": "Nikon D90"}, "right": {"title": "canon eos"}, "label": 0},
        {"left": {"title": "sony w1"}, "right": {"title": "sony w2"}, "label": 0},
    ]
    (tmp_path / "b.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    guard = Guard.from_pairs([forbidden("canon eos", "nikon d90")])
    loaded = [*load_pairs([tmp_path / "a.csv"], guard), *load_pairs([tmp_path / "b.jsonl"], guard)]
    assert [(pair.right.title, pair.origin) for pair in loaded] == [("sony w1 new", "a.csv"), ("sony w2", "b.jsonl")]
    assert guard.dropped == {"a.csv": 1, "b.jsonl": 2}


def test_a_pair_that_is_stated_twice_counts_once(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{HEADER}a b,c d,,0\nA  b,c d,,1\n")
    (pair,) = load_pairs([tmp_path / "a.csv"] * 2, Guard.from_pairs([]), "here")
    assert (pair.label, pair.origin) == (1, "here")


def test_training_on_files_of_ones_own_alone(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(
        f"{HEADER}sony w1,sony w1 new,w1,1\nsony w1,sony w2,w2,0\nsony w3,sony w4,w4,0\n"
    )
    (tmp_path / "test.csv").write_text(f"{HEADER}SONY w4,Sony W3,,0\n")
    mixture = build_mixture(
        tmp_path / "no data", leave_out=ORIGINS, files=[tmp_path / "train.csv"], held_out_files=[tmp_path / "test.csv"]
    )
    assert mixture.counts == {"train.csv:0": 1, "train.csv:1": 1}
    assert mixture.dropped == {"train.csv": 1}
    assert {item.pair.right.model_number for item in mixture.pairs} == {"w1", "w2"}
    with pytest.raises(PairFileError, match="no data"):
        build_mixture(tmp_path / "no data", leave_out=ORIGINS[1:])


def test_the_official_tests_are_kept_out_of_ones_own_files(tmp_path: Path, data_dir: Path) -> None:
    stolen = read_pairs(data_dir / "amazon-google/test.jsonl")[:20]
    lines = [f'"{pair.right.title}","{pair.left.title}",,{pair.label}' for pair in stolen]
    (tmp_path / "own.csv").write_text(HEADER + "\n".join([*lines, "sony w1,sony w2,,0"]))
    mixture = build_mixture(data_dir, leave_out=ORIGINS, files=[tmp_path / "own.csv"])
    assert [item.pair.left.title for item in mixture.pairs] == ["sony w1"]
    assert mixture.dropped == {"own.csv": len({pair.title_key() for pair in stolen})}
