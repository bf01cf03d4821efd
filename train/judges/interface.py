"""What every judge is, whatever stands behind it; and how a judge's folder becomes one.

Three judges, one question each: *is this verdict right for these two listings?* ``core_identity`` asks it of brand and
product, ``model_identifier`` of what model numbers, GTINs and measures bear on (product, specification),
``variant_conflict`` of variant and quantity. ``product`` is asked of two, on purpose: once for what it is called, once
for its model number; that is where judges can conflict.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Generic, Literal, Protocol, TypeVar, get_args, runtime_checkable

import orjson

from schemas.rationale import Attribute
from train.evaluation.metrics import Floats
from train.judges.claims import Claim

JudgeName = Literal["core_identity", "model_identifier", "variant_conflict"]
JUDGE_NAMES: tuple[JudgeName, ...] = get_args(JudgeName)
JUDGE_ATTRIBUTES: dict[JudgeName, tuple[Attribute, ...]] = {
    "core_identity": ("brand", "product"),
    "model_identifier": ("product", "specification"),
    "variant_conflict": ("variant", "quantity"),
}
QUESTIONS: dict[JudgeName, str] = {
    "core_identity": "Is the verdict about the brand, or about which product it is, right for these two listings?",
    "model_identifier": "Is the verdict right, going by model numbers, GTINs and stated specifications?",
    "variant_conflict": "Is the verdict about colour, size, edition, or about pack and bundle, right for these two?",
}
MANIFEST = "judge.json"


class JudgeFileError(ValueError):
    """A judge's folder cannot be used; the message names the file and what is wrong with it."""


@runtime_checkable
class Judge(Protocol):
    """One judge. ``name`` is a key of ``JUDGE_ATTRIBUTES``, ``attributes`` those it may be asked about."""

    @property
    def name(self) -> JudgeName: ...

    @property
    def attributes(self) -> tuple[Attribute, ...]: ...

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of all that makes its scores: weights, calibration, rendering, or prompt and model name."""
        ...

    def score(self, claims: Sequence[Claim]) -> Floats:
        """Calibrated probability that each claim is right [claims], 0 to 1.

        Raises:
            ValueError: a claim is about an attribute that is not this judge's.
        """
        ...


class JudgeManifest(Protocol):
    """What the manifests of all forms say."""

    @property
    def name(self) -> JudgeName: ...

    def digest(self) -> str: ...


M = TypeVar("M", bound=JudgeManifest)


class OfManifest(Generic[M]):
    """What its manifest says of a judge, whatever its form."""

    def __init__(self, manifest: M) -> None:
        self.manifest = manifest

    @property
    def name(self) -> JudgeName:
        return self.manifest.name

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return JUDGE_ATTRIBUTES[self.manifest.name]

    @property
    def digest(self) -> str:
        return self.manifest.digest()


def check_attributes(judge: Judge, claims: Sequence[Claim]) -> None:
    """Raises ValueError, naming the attribute, where a claim is not for this judge."""
    for claim in claims:
        if claim.attribute not in judge.attributes:
            raise ValueError(
                f"{judge.name} judges {' and '.join(judge.attributes)}, not {claim.attribute!r}: ask another judge"
            )


def read_manifest(folder: Path) -> dict[str, object]:
    """A judge's manifest as it stands. Raises JudgeFileError."""
    path = folder / MANIFEST
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise JudgeFileError(f"{path}: {error}") from error
    if not isinstance(found, dict) or found.get("form") not in ("cross-encoder", "prompted"):
        raise JudgeFileError(f"{path}: form must be 'cross-encoder' or 'prompted'")
    if found.get("name") not in JUDGE_NAMES:
        raise JudgeFileError(f"{path}: name must be one of {', '.join(JUDGE_NAMES)}, not {found.get('name')!r}")
    return found


def load_judge(folder: Path) -> Judge:
    """The judge of a folder, of either form, ready to score on the CPU.

    Raises:
        JudgeFileError: something in the folder is missing, broken, or was changed after it was written.
    """
    if read_manifest(folder)["form"] == "prompted":
        from train.judges.prompted import load_prompted

        return load_prompted(folder)
    from train.judges.encoder import load_encoder

    return load_encoder(folder)
