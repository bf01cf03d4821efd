"""How a judge is trained: one TOML file for the three of a set."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from train.pairs.splits import Stage
from train.settings_file import read_table, told_over

BodyName = Literal["none", "minilm", "smollm2"]


class RecipeError(ValueError):
    """A recipe that cannot be used; the message names file, key, value and what is valid."""


class JudgeRecipe(BaseModel):
    """Every choice of a training; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    body: BodyName = Field(default="minilm", description="what reads the text; none: evidence alone")
    layers: int = Field(default=6, ge=1, le=30, description="of the body, from the first")
    rank: int = Field(default=8, ge=1, le=64, description="of LoRA on the body's linear layers")
    max_tokens: int = Field(default=112, ge=16, le=512, description="of both listings together")
    clusters: Stage | None = Field(default="judges", description="WDC Products stage whose products are used")
    pave_halves: tuple[Literal[0, 1], ...] = Field(default=(0,), description="halves of WDC PAVE")
    teacher: str | None = Field(default=None, description="whose rationales' verdicts are claims, too")
    per_kind: int = Field(default=300, ge=1, description="preferences of each kind that the text is trained on")
    evidence_per_kind: int = Field(default=900, ge=1, description="preferences of each kind for the evidence part")
    evidence_epochs: int = Field(default=30, ge=0)
    batch: int = Field(default=8, ge=1, description="preferences a step")
    epochs: float = Field(default=1.5, gt=0, description="over the preferences, with text")
    learning_rate: float = Field(default=4e-4, gt=0)
    head_learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    pointwise: float = Field(default=0.5, ge=0, description="weight of the logistic loss of each claim by itself")
    evidence_dropout: float = Field(default=0.1, ge=0, lt=1, description="chance that a number of evidence is hidden")
    save_steps: int = Field(default=50, ge=1)
    seed: int = 17


def read_recipe(path: Path | None, **given: Any) -> JudgeRecipe:
    """The recipe in a TOML file (or the defaults) with what the command line gave over it (None: not given).

    Raises:
        RecipeError: no such file, no TOML, or a value that is not valid.
    """
    values = told_over(read_table(path, RecipeError), given)
    try:
        return JudgeRecipe.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        valid = f" (valid: {', '.join(JudgeRecipe.model_fields)})" if first["type"] == "extra_forbidden" else ""
        raise RecipeError(f"{path or 'recipe'}: {key} = {first['input']!r}: {first['msg']}{valid}") from error
