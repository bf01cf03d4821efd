"""From a location in the registry to a bundle's folder on this machine, and the other way round.

A location is `default`, the name of a released recipe (a folder under `models/`, the same on every host that has this
version installed), or a folder that holds a bundle or a recipe. A recipe is built into the cache on first use.
"""

from __future__ import annotations

import re
from pathlib import Path

from schemas.bundle import MANIFEST_FILE, BundleError, load_manifest
from schemas.settings import Settings
from worker.student.locate import DEFAULT, DEFAULT_STUDENT, RECIPES, build, cached_bundle, find_bundle
from worker.student.recipe import MODEL_FILE, RECIPE_FILE

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def cache_of(settings: Settings) -> Path | None:
    """Where bundles are built, if the settings say so."""
    return Path(settings.student.cache_dir) if settings.student.cache_dir else None


def locate(location: str, cache: Path | None = None) -> Path:
    """The folder of the bundle at a location; a recipe is built first (seconds, once).

    Raises BundleError when there is no bundle, or when it cannot be built here.
    """
    if location == DEFAULT:
        return find_bundle(DEFAULT, cache=cache)
    folder = Path(location)
    if not folder.is_dir() and _NAME.fullmatch(location) and (RECIPES / location).is_dir():
        folder = RECIPES / location
    if _is_recipe(folder):
        target = cached_bundle(folder, cache)
        build(folder, target)
        return target
    return find_bundle(folder)


def locate_exactly(location: str, digest: str, cache: Path | None = None) -> Path:
    """The same for a registered bundle: what counts is the digest, wherever the bundle lies.

    Raises BundleError when this machine has another bundle there.
    """
    folder = locate(location, cache)
    found = load_manifest(folder).digest()
    if found != digest:
        raise BundleError(
            f"{location} is a bundle with digest {found[:16]} on this machine, the registry says {digest[:16]}: "
            "another build or version of it is installed here"
        )
    return folder


def as_location(given: str) -> str:
    """How to write down what somebody typed, so that workers elsewhere find the same.

    The name of a released recipe stays a name, and so does its folder under `models/`; any other folder becomes an
    absolute path, which must be the same on every host (a shared volume, an image).
    """
    if given == DEFAULT or (not Path(given).exists() and (RECIPES / given).is_dir()):
        return given
    folder = Path(given).resolve()
    if folder.parent == RECIPES:
        return DEFAULT if folder.name == DEFAULT_STUDENT else folder.name
    return str(folder)


def is_location(given: str) -> bool:
    """Whether a bundle or a recipe is to be found there."""
    if given == DEFAULT:
        return True
    named = _NAME.fullmatch(given) is not None and (RECIPES / given / RECIPE_FILE).is_file()
    return named or (Path(given) / MANIFEST_FILE).is_file()


def _is_recipe(folder: Path) -> bool:
    return (folder / RECIPE_FILE).is_file() and not (folder / MODEL_FILE).is_file()
