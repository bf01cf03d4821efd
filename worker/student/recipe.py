"""The recipe: how the bundle's files are made from the base model and the committed adapter.

A recipe is a folder:

    bundle.json         the bundle's manifest, copied as it is
    recipe.json         this module's `Recipe`
    graph.onnx.gz       the ONNX graph; its weights are named, not held
    tokenizer.json.gz   the tokenizer
    adapter/            the adapter as peft reads it: adapter_model.safetensors (fp16), adapter_config.json

Every hash is the sha256 of the uncompressed bytes, in hex.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from worker.student.failures import RecipeError

RECIPE_FILE = "recipe.json"
MANIFEST_FILE = "bundle.json"
MODEL_FILE = "model.onnx"
WEIGHTS_FILE = "model.onnx.data"
TOKENIZER_FILE = "tokenizer.json"
GRAPH_PACKED = "graph.onnx.gz"
TOKENIZER_PACKED = "tokenizer.json.gz"
ADAPTER_FILE = "adapter/adapter_model.safetensors"
ADAPTER_CONFIG = "adapter/adapter_config.json"
RECIPE_FORMAT: Literal[1] = 1

_CHUNK = 1 << 22


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BaseRef(_Part):
    """The base model's file. `gguf` comes from the installed package unless another path is given."""

    kind: Literal["gguf", "safetensors"]
    id: str
    file: str
    sha256: str
    bytes: int


class LoraPair(_Part):
    a: str
    b: str
    scale: float


class TensorRecipe(_Part):
    """One initialiser: base tensor -> rows un-permuted by `unpermute_heads` -> adapter merged -> transposed."""

    name: str
    offset: int
    bytes: int
    shape: tuple[int, ...]
    source: str
    unpermute_heads: int | None = None
    lora: LoraPair | None = None
    transpose: bool = False


class Recipe(_Part):
    """What `recipe.json` holds. `outputs` has the sha256 of every file of the bundle, bundle.json included."""

    format: Literal[1]
    name: str
    base: BaseRef
    adapter_sha256: str
    weights_bytes: int
    tensors: tuple[TensorRecipe, ...]
    outputs: dict[str, str]


def load_recipe(folder: Path) -> Recipe:
    """Read `folder/recipe.json`.

    Raises:
        RecipeError: missing, or not a recipe of this format.
    """
    path = folder / RECIPE_FILE
    try:
        return Recipe.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RecipeError(f"no recipe at {path}: {error.strerror}") from error
    except ValidationError as error:
        raise RecipeError(f"{path} is not a recipe of format {RECIPE_FORMAT}: {error}") from error


def sha256_file(path: Path, seen: Callable[[int], None] | None = None) -> str:
    """The sha256 of a file in hex; `seen` is told of every chunk's size."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            if seen is not None:
                seen(len(chunk))
    return digest.hexdigest()
