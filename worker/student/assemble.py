"""Assemble a bundle from a recipe with numpy alone, byte for byte what the export wrote, or refuse.

One tensor is in memory at a time; the weights' hash is taken while they are written. Nothing appears under the
target's name before every byte is checked.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from worker.student.failures import RecipeError, WeightsError
from worker.student.gguf import GgufFile
from worker.student.lora import merge, unpermute
from worker.student.recipe import (
    ADAPTER_FILE,
    GRAPH_PACKED,
    MANIFEST_FILE,
    MODEL_FILE,
    TOKENIZER_FILE,
    TOKENIZER_PACKED,
    WEIGHTS_FILE,
    Recipe,
    TensorRecipe,
    load_recipe,
    sha256_file,
)
from worker.student.safetensors import SafetensorsFile

Progress = Callable[[int, int], None]
"""Told of (bytes done, bytes in all); bytes are those of the base that is hashed and of the weights written."""


class TensorFile(Protocol):
    """A file of named tensors that are read as fp32."""

    def names(self) -> list[str]: ...

    def tensor(self, name: str) -> npt.NDArray[np.float32]: ...


def open_tensors(path: Path, kind: str) -> TensorFile:
    """Open a base model's file of the recipe's kind (`gguf` or `safetensors`).

    Raises:
        WeightsError: it cannot be read.
    """
    return GgufFile(path) if kind == "gguf" else SafetensorsFile(path)


def make_tensor(part: TensorRecipe, base: TensorFile, adapter: TensorFile) -> npt.NDArray[np.float32]:
    """One initialiser's values, contiguous, in fp32.

    Raises:
        WeightsError: base or adapter lacks a tensor, or the shapes do not fit.
    """
    weight = base.tensor(part.source)
    if part.unpermute_heads is not None:
        weight = unpermute(weight, part.unpermute_heads)
    if part.lora is not None:
        try:
            weight = merge(weight, adapter.tensor(part.lora.a), adapter.tensor(part.lora.b), part.lora.scale)
        except ValueError as error:
            raise WeightsError(f"{part.name}: {error}") from error
    return np.ascontiguousarray(weight.T) if part.transpose else weight


def write_weights(
    target: Path, recipe: Recipe, base: TensorFile, adapter: TensorFile, seen: Callable[[int], None]
) -> str:
    """Write the external data file of the ONNX model and return its sha256; gaps between tensors are zeros."""
    digest = hashlib.sha256()
    at = 0
    with target.open("wb") as stream:
        for part in recipe.tensors:
            values = make_tensor(part, base, adapter)
            if values.nbytes != part.bytes or part.offset < at:
                raise WeightsError(
                    f"{part.name}: {values.nbytes} bytes at {at}, the recipe says {part.bytes} at {part.offset}"
                )
            for block in (bytes(part.offset - at), values.reshape(-1).view(np.uint8).data):
                stream.write(block)
                digest.update(block)
            at = part.offset + part.bytes
            seen(part.bytes)
    if at != recipe.weights_bytes:
        raise WeightsError(f"weights end at byte {at}, the recipe says {recipe.weights_bytes}")
    return digest.hexdigest()


def _require(what: str, path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise RecipeError(f"{what} is not the one that was exported: {path} has sha256 {found}, expected {expected}")


def _unpack(source: Path, target: Path) -> None:
    try:
        target.write_bytes(gzip.decompress(source.read_bytes()))
    except (OSError, EOFError, zlib.error) as error:
        raise RecipeError(f"cannot unpack {source}: {error}") from error


def assemble(recipe_dir: Path, base_file: Path, target: Path, progress: Progress | None = None) -> None:
    """Make the bundle folder `target`, which must not exist, from a recipe and the base model's file.

    Raises:
        RecipeError: base, adapter, graph, tokenizer, manifest or the result is not what was exported; the text says
            which. Nothing is left behind.
        WeightsError: base or adapter cannot be read at all.
    """
    recipe = load_recipe(recipe_dir)
    total = recipe.base.bytes + sum(part.bytes for part in recipe.tensors)
    done = 0

    def seen(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, total)

    adapter_file = recipe_dir / ADAPTER_FILE
    try:
        _require("the base model", base_file, sha256_file(base_file, seen), recipe.base.sha256)
        _require("the adapter", adapter_file, sha256_file(adapter_file), recipe.adapter_sha256)
    except OSError as error:
        raise RecipeError(f"cannot read {error.filename}: {error.strerror}") from error

    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        base = open_tensors(base_file, recipe.base.kind)
        found = write_weights(work / WEIGHTS_FILE, recipe, base, SafetensorsFile(adapter_file), seen)
        _require("the assembled weight file", work / WEIGHTS_FILE, found, recipe.outputs[WEIGHTS_FILE])
        _unpack(recipe_dir / GRAPH_PACKED, work / MODEL_FILE)
        _unpack(recipe_dir / TOKENIZER_PACKED, work / TOKENIZER_FILE)
        shutil.copyfile(recipe_dir / MANIFEST_FILE, work / MANIFEST_FILE)
        for name in (MODEL_FILE, TOKENIZER_FILE, MANIFEST_FILE):
            _require(name, recipe_dir, sha256_file(work / name), recipe.outputs[name])
        work.chmod(0o755)  # mkdtemp's 0700 would hide the bundle from a worker that runs as another user
        os.rename(work, target)
    except OSError as error:
        raise RecipeError(f"cannot write the bundle to {target}: {error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def builder_lock(target: Path) -> Iterator[None]:
    """Hold the right to build `target`; a second builder waits here until the first is done or has died."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f".{target.name}.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
