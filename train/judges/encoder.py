"""A local judge as it is used: a body from its wheel, the committed delta, a calibration; loaded, checked, asked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from train.evaluation.metrics import Floats
from train.judges.claims import CLAIM_FORMAT, Claim
from train.judges.facts import FEATURES, features, rendered
from train.judges.interface import MANIFEST, JudgeFileError, JudgeName, OfManifest, check_attributes
from train.judges.model import JudgeModel, body_digest, row_of
from train.judges.recipe import JudgeRecipe

WEIGHTS = "delta.safetensors"
BATCH = 32


class Manifest(BaseModel):
    """``judge.json`` of a local judge."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    form: str = "cross-encoder"
    name: JudgeName
    recipe: JudgeRecipe
    claim_format: str = CLAIM_FORMAT
    features: int = FEATURES
    body_sha256: str
    weights_sha256: str
    slope: float = 1.0
    intercept: float = 0.0
    trained_on: str = ""
    preferences: dict[str, int] = {}

    def digest(self) -> str:
        """SHA-256 (hex) of all that makes the scores."""
        content = self.model_dump(mode="json", include={
            "name", "claim_format", "features", "body_sha256", "weights_sha256", "slope", "intercept"})  # fmt: skip
        shape = self.recipe.model_dump(mode="json", include={"body", "layers", "rank", "max_tokens"})
        return hashlib.sha256(orjson.dumps([content, shape], option=orjson.OPT_SORT_KEYS)).hexdigest()


def write_delta(model: JudgeModel, path: Path) -> str:
    """Keep what was trained, in half precision. Returns the SHA-256 (hex) of the file."""
    tensors = {name: value.detach().to(torch.float16).contiguous() for name, value in model.kept().items()}
    save_file(tensors, str(path))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_delta(model: JudgeModel, path: Path) -> None:
    """Put a kept delta into a model of the same shape. Raises JudgeFileError."""
    try:
        tensors = load_file(str(path))
    except (OSError, SafetensorError) as error:
        raise JudgeFileError(f"{path}: {error}") from error
    kept = model.kept()
    if tensors.keys() != kept.keys() or any(kept[name].shape != value.shape for name, value in tensors.items()):
        raise JudgeFileError(f"{path}: not the delta of a judge of this shape")
    with torch.no_grad():
        for name, value in tensors.items():
            kept[name].copy_(value.to(torch.float32))


class EncoderJudge(OfManifest[Manifest]):
    """One judge. Not to be shared by threads."""

    def __init__(self, manifest: Manifest, model: JudgeModel) -> None:
        super().__init__(manifest)
        self._model = model.eval()

    def logits(self, claims: Sequence[Claim]) -> Floats:
        """Logits before calibration [claims]. Raises ValueError for a claim of another judge."""
        check_attributes(self, claims)
        return raw_logits(self._model, claims)

    def score(self, claims: Sequence[Claim]) -> Floats:
        """As :meth:`train.judges.interface.Judge.score`; a claim's score does not depend on the others."""
        z = self.manifest.slope * self.logits(claims) + self.manifest.intercept
        return np.asarray(1 / (1 + np.exp(-np.clip(z, -40, 40))), dtype=np.float64)


def raw_logits(model: JudgeModel, claims: Sequence[Claim]) -> Floats:
    """Logits of claims [claims]; claims with one text share one pass."""
    if not claims:
        return np.zeros(0)
    texts = [rendered(claim) for claim in claims]
    distinct = sorted(set(texts), key=lambda text: (len(text[0]) + len(text[1]), text))
    evidence = torch.tensor(np.stack([features(claim) for claim in claims]), dtype=torch.float32)
    rows = torch.tensor([row_of(claim) for claim in claims])
    out = np.zeros(len(claims))
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(distinct), BATCH):
            chosen = {text: number for number, text in enumerate(distinct[start : start + BATCH])}
            here = [number for number, text in enumerate(texts) if text in chosen]
            place = torch.tensor([chosen[texts[number]] for number in here])
            out[here] = model(list(chosen), place, evidence[here], rows[here]).double().numpy()
    return out


def write_judge(folder: Path, manifest: Manifest) -> None:
    """Write the manifest beside the delta. Raises OSError."""
    content: dict[str, Any] = manifest.model_dump(mode="json")
    (folder / MANIFEST).write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")


def load_encoder(folder: Path) -> EncoderJudge:
    """The judge of a folder. Raises JudgeFileError, which names the file."""
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise JudgeFileError(f"{path}: {error}") from error
    if (manifest.claim_format, manifest.features) != (CLAIM_FORMAT, FEATURES):
        raise JudgeFileError(f"{path}: made for other evidence than this version computes; train the judge again")
    weights = folder / WEIGHTS
    if not weights.is_file() or hashlib.sha256(weights.read_bytes()).hexdigest() != manifest.weights_sha256:
        raise JudgeFileError(f"{weights}: missing, or not the weights that {MANIFEST} names")
    if body_digest(manifest.recipe.body) != manifest.body_sha256:
        raise JudgeFileError(
            f"{path}: the installed body {manifest.recipe.body!r} has other weights than it was made on"
        )
    model = JudgeModel(manifest.recipe)
    read_delta(model, weights)
    return EncoderJudge(manifest, model)
