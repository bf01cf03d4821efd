"""`samesku bundle` and `samesku export` as a user calls them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from samesku.cli import main
from schemas.bundle import load_manifest
from worker.student.recipe import ADAPTER_FILE, sha256_file

Output = pytest.CaptureFixture[str]


def call(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def test_build_and_build_again(tiny_student: Path, tmp_path: Path, capsys: Output) -> None:
    arguments = ("--recipe", tiny_student / "tiny", "--base", tiny_student / "base", "--out", tmp_path / "bundle")
    assert call("bundle", "build", *arguments) == 0
    first = capsys.readouterr()
    assert first.out == f"{tmp_path / 'bundle'}\n"
    assert "built tiny 0.1.0" in first.err
    weights = "model.onnx.data"
    assert sha256_file(tmp_path / "bundle" / weights) == sha256_file(tiny_student / "bundle" / weights)
    assert call("bundle", "build", *arguments) == 0
    assert "stands already" in capsys.readouterr().err


def test_the_cache_is_the_default_place(
    tiny_student: Path, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMESKU_CACHE", str(tmp_path))
    assert call("bundle", "build", "--recipe", tiny_student / "tiny", "--base", tiny_student / "base") == 0
    built = Path(capsys.readouterr().out.strip())
    assert built.parent == tmp_path / "bundles"
    assert load_manifest(built) == load_manifest(tiny_student / "bundle")


def test_a_refusal_is_one_sentence_and_exit_code_one(tiny_student: Path, tmp_path: Path, capsys: Output) -> None:
    recipe = Path(shutil.copytree(tiny_student / "tiny", tmp_path / "recipe"))
    (recipe / ADAPTER_FILE).write_bytes(b"other")
    out = tmp_path / "bundle"
    assert call("bundle", "build", "--recipe", recipe, "--base", tiny_student / "base", "--out", out) == 1
    said = capsys.readouterr().err
    assert said.startswith("samesku: the adapter is not the one that was exported")
    assert not out.exists()


def test_a_recipe_of_another_base_asks_for_it(tiny_student: Path, tmp_path: Path, capsys: Output) -> None:
    assert call("bundle", "build", "--recipe", tiny_student / "tiny", "--out", tmp_path / "bundle") == 1
    assert "is made from tiny: say where its model.safetensors is" in capsys.readouterr().err


def test_update(tiny_student: Path, tmp_path: Path, capsys: Output) -> None:
    folders = [Path(shutil.copytree(tiny_student / name, tmp_path / name)) for name in ("bundle", "tiny")]
    facts = tmp_path / "calibration.json"
    facts.write_text(json.dumps({"a": 0.5, "b": 0.125, "fitted_on": "validation"}))
    given = ("--calibration", facts, "--version", "0.1.1", "--both-orders-within", "1.5")
    assert call("bundle", "update", *folders, *given) == 0
    first, second = (load_manifest(folder) for folder in folders)
    assert first == second
    assert (first.calibration.b, first.version, first.both_orders_within) == (0.125, "0.1.1", 1.5)
    assert call("bundle", "update", *folders, "--both-orders-within", "0") == 0
    assert load_manifest(folders[0]).both_orders_within is None
    assert call("bundle", "update", tmp_path, "--calibration", facts) == 1
    assert "is no bundle" in capsys.readouterr().err


@pytest.mark.slow
def test_export(tiny_student: Path, tmp_path: Path, capsys: Output) -> None:
    arguments = ("--base", tiny_student / "base", "--threads", "1", "--version", "2.0.0")
    out, recipe = tmp_path / "bundle", tmp_path / "recipe"
    assert call("export", tiny_student / "adapter", "--out", out, "--recipe", recipe, *arguments) == 0
    said = capsys.readouterr()
    assert said.out == f"{out}\n"
    assert "144 of 144 labels agree with torch on 24 pairs" in said.err
    assert load_manifest(out).version == load_manifest(recipe).version == "2.0.0"
    assert call("export", tmp_path, "--out", out, "--recipe", recipe, *arguments) == 1
    assert "no adapter in" in capsys.readouterr().err
