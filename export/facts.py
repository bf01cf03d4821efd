"""What an export is told about a student: calibration, thresholds, quality, training data. Read from JSON files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from export.failures import ExportError
from schemas.bundle import Calibration, Thresholds


class Facts(BaseModel):
    """All optional; what is missing keeps the manifest's default (or, in an update, its value)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    calibration: Calibration | None = None
    thresholds: Thresholds | None = None
    both_orders_within: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    training_digest: str | None = None
    trained_on: list[str] | None = None
    quality: dict[str, Any] | None = None
    calibration_report: dict[str, Any] | None = Field(
        default=None, description="how good the calibration is: for people, no part of a manifest"
    )

    def given(self) -> dict[str, Any]:
        """The fields that are set; a margin of 0 is one: it takes an older margin away."""
        names = type(self).model_fields.keys() - {"calibration_report"}
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def read_facts(*paths: Path | None, both_orders_within: float | None = None) -> Facts:
    """Merge JSON files of `Facts`, later ones first; a bare calibration (`{"a": ..., "b": ...}`) counts as one.

    A margin that is given comes before all files.

    Raises:
        ExportError: a file cannot be read or says something unknown.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        if path is None:
            continue
        try:
            content = orjson.loads(path.read_bytes())
            if isinstance(content, dict) and {"a", "b"} <= content.keys():
                content = {"calibration": content}
            merged.update(Facts.model_validate(content).given())
        except OSError as error:
            raise ExportError(f"cannot read {path}: {error.strerror}") from error
        except (orjson.JSONDecodeError, ValidationError) as error:
            raise ExportError(f"{path} is no file of facts about a student: {error}") from error
    if both_orders_within is not None:
        merged["both_orders_within"] = both_orders_within
    return Facts(**merged)
