"""Write the folders: manifest into the bundle, recipe beside it, and both again when only facts changed."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from export.facts import Facts
from schemas.bundle import MANIFEST_FILE, BundleManifest, FileEntry, load_manifest
from schemas.grammar import GRAMMAR_HASH, GRAMMAR_VERSION
from schemas.prompt import PROMPT_HASH, PROMPT_VERSION
from worker.student.recipe import (
    GRAPH_PACKED,
    MODEL_FILE,
    RECIPE_FILE,
    TOKENIZER_FILE,
    TOKENIZER_PACKED,
    WEIGHTS_FILE,
    Recipe,
    load_recipe,
    sha256_file,
)

PRECISION = "fp32"


def write_manifest(
    folder: Path,
    name: str,
    version: str,
    built_at: datetime,
    base: str,
    base_sha256: str,
    adapter_sha256: str,
    facts: Facts,
) -> BundleManifest:
    """Hash the bundle's files and write its bundle.json."""
    files = {
        name: FileEntry(sha256=sha256_file(folder / name), size=(folder / name).stat().st_size)
        for name in (MODEL_FILE, WEIGHTS_FILE, TOKENIZER_FILE)
    }
    fields: dict[str, Any] = {
        "name": name,
        "version": version,
        "built_at": built_at,
        "base": base,
        "base_sha256": base_sha256,
        "adapter_sha256": adapter_sha256,
        "precision": PRECISION,
        "prompt_version": PROMPT_VERSION,
        "prompt_hash": PROMPT_HASH,
        "grammar_version": GRAMMAR_VERSION,
        "grammar_hash": GRAMMAR_HASH,
        "tokenizer_hash": files[TOKENIZER_FILE].sha256,
        "files": files,
        **facts.given(),
    }
    manifest = BundleManifest.model_validate(fields)
    (folder / MANIFEST_FILE).write_bytes(manifest.dumps())
    return manifest


def write_packed(bundle: Path, recipe_dir: Path) -> None:
    """Put graph and tokenizer into the recipe, compressed; equal files give equal bytes."""
    for name, packed in ((MODEL_FILE, GRAPH_PACKED), (TOKENIZER_FILE, TOKENIZER_PACKED)):
        (recipe_dir / packed).write_bytes(gzip.compress((bundle / name).read_bytes(), 9, mtime=0))


def write_recipe(recipe_dir: Path, recipe: Recipe) -> None:
    """Write recipe.json, one tensor a line, so that a diff shows what changed."""
    text = recipe.model_dump_json(exclude={"tensors"}, indent=1)
    lines = ",\n".join("  " + tensor.model_dump_json(exclude_defaults=True) for tensor in recipe.tensors)
    (recipe_dir / RECIPE_FILE).write_text(text.removesuffix("\n}") + f',\n "tensors": [\n{lines}\n ]\n}}\n', "utf-8")


def update_facts(folder: Path, facts: Facts, built_at: datetime, version: str | None = None) -> BundleManifest:
    """Give a bundle or a recipe other facts (a new calibration, say) without a new export.

    Weights, graph and tokenizer stay; bundle.json is written anew, and in a recipe its hash in recipe.json. With the
    same arguments bundle and recipe get the same bundle.json.

    Raises:
        BundleError: `folder` holds no manifest.
    """
    old = load_manifest(folder)
    fields = {**old.model_dump(mode="json"), "built_at": built_at, **facts.given()}
    if version is not None:
        fields["version"] = version
    manifest = BundleManifest.model_validate(fields)
    data = manifest.dumps()
    _replace(folder / MANIFEST_FILE, data)
    if (folder / RECIPE_FILE).is_file():
        recipe = load_recipe(folder)
        outputs = {**recipe.outputs, MANIFEST_FILE: hashlib.sha256(data).hexdigest()}
        write_recipe(folder, recipe.model_copy(update={"outputs": outputs}))
    return manifest


def _replace(path: Path, data: bytes) -> None:
    """Write whole or not at all: a worker may be reading."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(data)
    os.replace(beside, path)


def move_into_place(made: Path, target: Path, keep: tuple[str, ...] = ()) -> None:
    """Put the folder `made` where `target` is, which it replaces; files of `target` named in `keep` stay."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        for name in keep:
            if (target / name).is_file():
                shutil.copyfile(target / name, made / name)
        shutil.rmtree(target)
    shutil.move(made, target)
