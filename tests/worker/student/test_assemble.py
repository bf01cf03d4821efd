"""The recipe gives the exported bytes, with any flipped byte refused and nothing left behind."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import shutil
from pathlib import Path

import pytest

from schemas.bundle import load_manifest
from worker.student.assemble import assemble
from worker.student.failures import RecipeError
from worker.student.locate import build, cached_bundle, find_bundle
from worker.student.recipe import (
    ADAPTER_FILE,
    GRAPH_PACKED,
    MANIFEST_FILE,
    RECIPE_FILE,
    TOKENIZER_PACKED,
    WEIGHTS_FILE,
    load_recipe,
    sha256_file,
)

FILES = ("bundle.json", "model.onnx", "model.onnx.data", "tokenizer.json")


@pytest.fixture
def recipe(tiny_student: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_student / "tiny", tmp_path / "recipe"))


@pytest.fixture
def base(tiny_student: Path) -> Path:
    return tiny_student / "base" / "model.safetensors"


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_the_exported_bytes(tiny_student: Path, recipe: Path, base: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    assemble(recipe, base, tmp_path / "bundle", lambda done, total: seen.append((done, total)))
    assert sorted(path.name for path in (tmp_path / "bundle").iterdir()) == sorted(FILES)
    for name in FILES:
        assert (tmp_path / "bundle" / name).read_bytes() == (tiny_student / "bundle" / name).read_bytes()
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]


def test_the_released_student_assembles_to_the_exported_bytes(default_bundle: Path) -> None:
    """`default_bundle` was assembled; what the export wrote stands in the committed recipe."""
    from worker.student.locate import default_recipe

    expected = load_recipe(default_recipe()).outputs
    assert {name: sha256_file(default_bundle / name) for name in FILES} == expected
    listed = load_manifest(default_recipe()).files
    assert {name: entry.sha256 for name, entry in listed.items()} == {
        name: value for name, value in expected.items() if name != MANIFEST_FILE
    }


def test_a_flipped_byte_in_the_base_is_refused(recipe: Path, base: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copyfile(base, tmp_path / "model.safetensors"))
    flip(copy, -5)
    with pytest.raises(RecipeError, match=r"the base model is not the one that was exported: .*sha256"):
        assemble(recipe, copy, tmp_path / "bundle")


def test_a_flipped_byte_in_the_adapter_is_refused(recipe: Path, base: Path, tmp_path: Path) -> None:
    flip(recipe / ADAPTER_FILE, -5)
    with pytest.raises(RecipeError, match="the adapter is not the one that was exported"):
        assemble(recipe, base, tmp_path / "bundle")


def test_a_flipped_byte_in_the_result_is_refused(recipe: Path, base: Path, tmp_path: Path) -> None:
    """As another numpy or a broken memory would make it: inputs as they were, another result."""
    content = json.loads((recipe / RECIPE_FILE).read_bytes())
    scaled = next(tensor for tensor in content["tensors"] if "lora" in tensor)
    scaled["lora"]["scale"] *= 1 + 2**-20
    (recipe / RECIPE_FILE).write_text(json.dumps(content), "utf-8")
    with pytest.raises(RecipeError, match="the assembled weight file is not the one that was exported"):
        assemble(recipe, base, tmp_path / "bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["recipe"]


@pytest.mark.parametrize(("name", "output"), [(GRAPH_PACKED, "model.onnx"), (TOKENIZER_PACKED, "tokenizer.json")])
def test_another_graph_or_tokenizer_is_refused(
    recipe: Path, base: Path, tmp_path: Path, name: str, output: str
) -> None:
    plain = bytearray(gzip.decompress((recipe / name).read_bytes()))
    plain[1000] ^= 1
    (recipe / name).write_bytes(gzip.compress(bytes(plain)))
    with pytest.raises(RecipeError, match=f"{output} is not the one that was exported"):
        assemble(recipe, base, tmp_path / "bundle")
    flip(recipe / name, 1000)
    with pytest.raises(RecipeError):
        assemble(recipe, base, tmp_path / "bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["recipe"]


def test_another_manifest_is_refused(recipe: Path, base: Path, tmp_path: Path) -> None:
    with (recipe / MANIFEST_FILE).open("a") as stream:
        stream.write("\n")
    with pytest.raises(RecipeError, match=r"bundle\.json is not the one"):
        assemble(recipe, base, tmp_path / "bundle")


def test_missing_parts_are_named(recipe: Path, base: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"cannot read .*nowhere"):
        assemble(recipe, tmp_path / "nowhere", tmp_path / "bundle")
    with pytest.raises(RecipeError, match="no recipe at"):
        assemble(tmp_path, base, tmp_path / "bundle")
    (recipe / GRAPH_PACKED).unlink()
    with pytest.raises(RecipeError, match="cannot unpack"):
        assemble(recipe, base, tmp_path / "bundle")


def test_a_built_bundle_is_used_again_and_a_half_one_is_built_anew(recipe: Path, base: Path, tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    assert build(recipe, target, base.parent)
    assert not build(recipe, target, base.parent)
    (target / WEIGHTS_FILE).write_bytes(b"cut off")
    assert build(recipe, target, base.parent)
    assert sha256_file(target / WEIGHTS_FILE) == load_recipe(recipe).outputs[WEIGHTS_FILE]


def test_a_folder_that_is_no_bundle_is_not_overwritten(recipe: Path, base: Path, tmp_path: Path) -> None:
    mine = tmp_path / "bundle"
    mine.mkdir()
    (mine / "diary.txt").write_text("dear")
    with pytest.raises(RecipeError, match="exists and is no bundle"):
        build(recipe, mine, base.parent)
    assert (mine / "diary.txt").read_text() == "dear"


def test_two_builders_at_once_make_one_bundle(recipe: Path, base: Path, tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        built = pool.starmap(build, [(recipe, tmp_path / "bundle", base)] * 2)
    assert sorted(built) == [False, True]
    assert {path.name for path in tmp_path.iterdir()} == {"recipe", "bundle", ".bundle.lock"}


def test_a_new_recipe_has_a_new_place_in_the_cache(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMESKU_CACHE", str(tmp_path / "cache"))
    first = cached_bundle(recipe)
    assert first.parent == tmp_path / "cache" / "bundles"
    content = json.loads((recipe / MANIFEST_FILE).read_bytes())
    content["calibration"]["b"] = 0.25
    (recipe / MANIFEST_FILE).write_text(json.dumps(content), "utf-8")
    assert cached_bundle(recipe) != first
    assert cached_bundle(recipe, tmp_path).parent == tmp_path / "bundles"


def test_a_name_that_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"no bundle at .*: give a folder with a bundle\.json, or 'default'"):
        find_bundle(tmp_path / "nothing")
