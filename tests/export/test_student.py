"""The whole export, on the tiny student."""

from __future__ import annotations

import gzip
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from export.facts import Facts
from export.failures import ExportError, ExportRefusedError
from export.pack import update_facts
from export.student import FloatArray, export_student
from export.tiny import make_random_adapter
from schemas.bundle import Calibration, load_manifest
from worker.student import lora
from worker.student.assemble import assemble
from worker.student.recipe import ADAPTER_FILE, GRAPH_PACKED, load_recipe, sha256_file

pytestmark = pytest.mark.slow


def test_the_manifest_says_what_was_made(tiny_student: Path) -> None:
    manifest, recipe = load_manifest(tiny_student / "bundle"), load_recipe(tiny_student / "tiny")
    assert manifest.base_sha256 == sha256_file(tiny_student / "base" / "model.safetensors") == recipe.base.sha256
    assert manifest.adapter_sha256 == sha256_file(tiny_student / "tiny" / ADAPTER_FILE) == recipe.adapter_sha256
    assert manifest.calibration.fitted_on == "frozen pairs"
    assert (tiny_student / "bundle" / "bundle.json").read_bytes() == (
        tiny_student / "tiny" / "bundle.json"
    ).read_bytes()


def test_no_path_of_this_machine_is_shipped(tiny_student: Path) -> None:
    here = [str(tiny_student).encode(), str(Path.home()).encode(), str(Path(__file__).parents[2]).encode()]
    for path in (tiny_student / "tiny").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            data = gzip.decompress(data) if path.suffix == ".gz" else data
            assert not [text for text in here if text in data], path


def test_another_adapter_needs_no_other_graph(tiny_student: Path, tmp_path: Path) -> None:
    """Also one that leaves layers alone; the graph and the tokenizer are the same bytes, the weights are not."""
    base = tiny_student / "base"
    adapter = make_random_adapter(base, tmp_path / "adapter", seed=9, rank=2, layers=[1])
    readme = tmp_path / "recipe" / "README.md"
    readme.parent.mkdir()
    readme.write_text("kept")
    when = datetime(2026, 1, 2, tzinfo=UTC)
    made = export_student(
        adapter, tmp_path / "bundle", tmp_path / "recipe", base=base, name="other", version="1.2.3", threads=1,
        now=lambda: when,
    )  # fmt: skip
    assert (made.manifest.name, made.manifest.version, made.manifest.built_at) == ("other", "1.2.3", when)
    assert made.verification.labels_equal == made.verification.slots
    old, new = load_recipe(tiny_student / "tiny"), load_recipe(tmp_path / "recipe")
    assert (tmp_path / "recipe" / GRAPH_PACKED).read_bytes() == (tiny_student / "tiny" / GRAPH_PACKED).read_bytes()
    assert new.outputs["tokenizer.json"] == old.outputs["tokenizer.json"]
    assert new.outputs["model.onnx.data"] != old.outputs["model.onnx.data"]
    assert {part.name.split(".")[2] for part in new.tensors if part.lora} == {"1"}
    assert readme.read_text() == "kept"


def test_a_corrupted_merge_is_refused_and_nothing_is_written(tiny_student: Path, tmp_path: Path) -> None:
    def corrupted(weight: FloatArray, a: FloatArray, b: FloatArray, scale: float) -> FloatArray:
        return lora.merge(weight, a, b, -scale)

    with pytest.raises(ExportRefusedError, match="frozen set"):
        export_student(
            tiny_student / "adapter", tmp_path / "bundle", tmp_path / "recipe", base=tiny_student / "base",
            threads=1, merge=corrupted,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_merge_that_the_assembly_cannot_repeat_is_refused(tiny_student: Path, tmp_path: Path) -> None:
    """Right to five decimals, so that no label moves, but not the bytes that numpy will make."""

    def blas(weight: FloatArray, a: FloatArray, b: FloatArray, scale: float) -> FloatArray:
        exact = weight.astype(np.float64) + scale * b.astype(np.float64) @ a.astype(np.float64)
        return exact.astype(np.float32)

    with pytest.raises(ExportRefusedError, match="does not give the exported bytes: the assembled weight file"):
        export_student(
            tiny_student / "adapter", tmp_path / "bundle", tmp_path / "recipe", base=tiny_student / "base",
            threads=1, merge=blas,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_base_that_is_not_there(tiny_student: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no base model at"):
        export_student(tiny_student / "adapter", tmp_path / "b", tmp_path / "r", base=tmp_path / "nothing")


def test_new_facts_keep_bundle_and_recipe_alike(tiny_student: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(tiny_student / "bundle", tmp_path / "bundle"))
    recipe = Path(shutil.copytree(tiny_student / "tiny", tmp_path / "recipe"))
    old, when = load_manifest(bundle), datetime(2026, 1, 2, tzinfo=UTC)
    facts = Facts(calibration=Calibration(a=3.0, b=1.0), quality={"f1": 0.5})
    for folder in (bundle, recipe):
        new = update_facts(folder, facts, when, "0.2.0")
    assert (new.calibration.a, new.quality, new.version, new.files) == (3.0, {"f1": 0.5}, "0.2.0", old.files)
    assert new.digest() != old.digest()
    assemble(recipe, tiny_student / "base" / "model.safetensors", tmp_path / "again")
    assert (tmp_path / "again" / "bundle.json").read_bytes() == (bundle / "bundle.json").read_bytes()
