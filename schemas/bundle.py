"""The manifest of a bundle: what a folder with a student in it says about itself (`bundle.json`).

Types and their checks. Hashing the files on disk is the work of `worker/student/bundle.py`.
"""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from schemas.decision import BundleRef
from schemas.events import Natural, Timestamp, canonical, sha256_hex

MANIFEST_FILE = "bundle.json"
MANIFEST_VERSION = "1.0"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="sha256, lower-case hex")]


class BundleError(Exception):
    """A bundle cannot be served. The text names the bundle, what is wrong and what to do."""


class _Part(BaseModel):
    # Unknown fields are kept: a newer export may say more about the same bundle.
    model_config = ConfigDict(extra="allow", frozen=True)


class Calibration(_Part):
    """Platt scaling (Platt 1999): `p = sigmoid(a * logit + b)`, fitted on validation pairs.

    `a` is positive: calibration may move probabilities, never their order.
    """

    method: Literal["platt"] = "platt"
    a: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    b: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    fitted_on: str | None = Field(default=None, description="name or digest of the validation pairs")

    def apply(self, logit: float) -> float:
        """The calibrated probability of a match, 0 to 1; stable for any finite or infinite logit."""
        z = self.a * logit + self.b
        if z >= 0:
            return 1.0 / (1.0 + math.exp(-z))
        odds = math.exp(z)
        return odds / (1.0 + odds)

    def logit(self, probability: float) -> float:
        """The raw logit of a probability: `apply` turned round; infinite for 0 and 1."""
        if probability in (0, 1):
            return math.inf if probability else -math.inf
        return (math.log(probability) - math.log1p(-probability) - self.b) / self.a


class Thresholds(_Part):
    """The bundle's own recommendation, from validation; the policy's explicit settings come first."""

    match: Annotated[float, Field(ge=0, le=1)] = 0.5
    review_low: Annotated[float, Field(ge=0, le=1)] | None = None
    review_high: Annotated[float, Field(ge=0, le=1)] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low = self.match if self.review_low is None else self.review_low
        high = self.match if self.review_high is None else self.review_high
        if not low <= self.match <= high:
            raise ValueError("thresholds need review_low <= match <= review_high")
        return self


class FileEntry(_Part):
    """One file of the bundle."""

    sha256: Sha256
    size: Natural = Field(description="bytes")


class BundleManifest(BaseModel):
    """`bundle.json`. `files` lists every other file of the folder, by its path with `/`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    manifest_version: str = MANIFEST_VERSION
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    version: str = Field(
        pattern=r"^\d{1,9}\.\d{1,9}\.\d{1,9}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$",
        description="semantic version; orders bundles",
    )
    built_at: Timestamp = Field(description="when the export wrote it; the recipe repeats it, so builds are equal")
    base: str = Field(description="name of the base model")
    base_sha256: Sha256 = Field(description="of the base's file")
    adapter_sha256: Sha256 | None = Field(default=None, description="of the adapter's file; null for a bare base")
    precision: str = Field(description="fp32, int8-weight-only, ...")
    prompt_version: str
    prompt_hash: str
    grammar_version: str
    grammar_hash: str
    tokenizer_hash: str = Field(description="sha256 of tokenizer.json")
    template_hash: str | None = Field(default=None, description="of the rendered golden prompts")
    calibration: Calibration = Field(default_factory=Calibration)
    thresholds: Thresholds = Field(default_factory=Thresholds)
    both_orders_within: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        default=None,
        # Left out where it says nothing, so that the digests of bundles from before it stay what they were.
        exclude_if=lambda margin: margin is None,
        description="in nats of the raw answer logit: a pair whose logit is nearer than this to one of the thresholds "
        "is judged in the other order of its offers too, and the logits of both are averaged; null or 0: never",
    )
    training_digest: str | None = Field(default=None, description="digest of the training data")
    trained_on: list[str] = Field(default_factory=list, description="names of the training sets, for evaluations")
    quality: dict[str, Any] = Field(default_factory=dict, description="measured quality, by test set")
    files: dict[str, FileEntry]

    @field_validator("manifest_version")
    @classmethod
    def _known(cls, value: str) -> str:
        if value.partition(".")[0] != MANIFEST_VERSION.partition(".")[0]:
            raise ValueError(f"manifest version {value!r} is unknown to this code, which reads {MANIFEST_VERSION}")
        return value

    @field_validator("both_orders_within")
    @classmethod
    def _never_is_null(cls, value: float | None) -> float | None:
        return value or None  # one way to say it, one digest

    @field_validator("files")
    @classmethod
    def _inside(cls, value: dict[str, FileEntry]) -> dict[str, FileEntry]:
        for name in value:
            path = PurePosixPath(name)
            if not name or path.is_absolute() or ".." in path.parts or "\\" in name or str(path) != name:
                raise ValueError(f"{name!r} is no path inside the bundle")
            if name == MANIFEST_FILE:
                raise ValueError(f"{MANIFEST_FILE} cannot hold its own hash")
        return value

    def digest(self) -> str:
        """64 hex digits over what determines a decision: all of the manifest but `quality` and `built_at`.

        The file hashes are inside, so that two bundles with one digest judge alike.
        """
        return sha256_hex(canonical(self.model_dump(mode="json", exclude={"quality", "built_at"})))

    def in_doubt(self, logit: float) -> bool:
        """Whether a pair of this raw answer logit is to be judged in the other order too (`both_orders_within`).

        Doubt is nearness to a threshold of the bundle, for there a verdict turns; raw logits have no 0 of their own,
        since training thins negatives.
        """
        margin, cuts = self.both_orders_within, self.thresholds
        if margin is None:
            return False
        given = {cut for cut in (cuts.review_low, cuts.match, cuts.review_high) if cut is not None}
        return any(abs(logit - self.calibration.logit(cut)) < margin for cut in given)

    def ref(self) -> BundleRef:
        """How decisions name this bundle."""
        return BundleRef(name=self.name, version=self.version, digest=self.digest(), built_at=self.built_at)

    def dumps(self) -> bytes:
        """The bytes of `bundle.json`: sorted keys, indented, one newline at the end; equal manifests, equal bytes."""
        return orjson.dumps(
            self.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        )


def parse_manifest(data: bytes, where: str = MANIFEST_FILE) -> BundleManifest:
    """The manifest in `data`. Raises BundleError that names `where` and the first thing that is wrong."""
    try:
        return BundleManifest.model_validate(orjson.loads(data))
    except orjson.JSONDecodeError as error:
        raise BundleError(f"{where} is not JSON ({error}): build the bundle again") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the manifest"
        raise BundleError(f"{where}: {field}: {first['msg']}: build the bundle again") from error


def load_manifest(directory: Path | str) -> BundleManifest:
    """The manifest of the bundle in `directory`. Raises BundleError. Reads `bundle.json` and nothing else."""
    path = Path(directory) / MANIFEST_FILE
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{directory} is no bundle: {path} cannot be read ({error.strerror})") from error
    return parse_manifest(data, str(path))
