"""What the costs are made of: named numbers, each with its unit, source, date and basis.

The values stand in ``inputs.toml`` beside this module; a user's file of the same form replaces single ones.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from train.settings_file import read_table

DEFAULTS = Path(__file__).with_name("inputs.toml")
Basis = Literal["measured", "quoted", "assumed"]

UNITS: Mapping[str, str] = {
    "changes_per_day": "changes a day",
    "candidates_per_change": "pairs a change",
    "cpu_pairs_per_second": "pairs a second, one machine",
    "cpu_hour": "an hour of that machine",
    "gpu_pairs_per_second": "pairs a second, one GPU",
    "gpu_hour": "an hour of that GPU",
    "utilisation": "share of the hours in which a machine judges, 0 to 1",
    "platform_month": "a month",
    "retrainings_per_month": "a month",
    "training_cpu_hours": "machine hours a retraining",
    "teacher_pairs_per_retraining": "pairs a retraining",
    "human_checks_per_month": "pairs a month",
    "human_check": "a pair",
    "api_input": "a million tokens",
    "api_output": "a million tokens",
    "large_api_input": "a million tokens",
    "large_api_output": "a million tokens",
    "api_prompt_tokens": "tokens a pair",
    "api_reply_tokens": "tokens a pair",
    "agentic_prompt_tokens": "tokens a pair",
    "agentic_reply_tokens": "tokens a pair",
    "extract_prompt_tokens": "tokens an offer",
    "extract_reply_tokens": "tokens an offer",
}


class InputsError(Exception):
    """The inputs cannot be used; the text names key, value and what is valid."""


class Input(BaseModel):
    """One number and where it comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float = Field(ge=0, allow_inf_nan=False)
    basis: Basis
    source: str = Field(min_length=1)
    date: dt.date


class Inputs(BaseModel):
    """All inputs by name, and the currency of the prices."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    currency: str = Field(pattern=r"^[A-Z]{3}$")
    numbers: dict[str, Input]

    def __getitem__(self, name: str) -> float:
        return self.numbers[name].value

    def scaled(self, name: str, factor: float) -> Inputs:
        """The same with one value multiplied."""
        one = self.numbers[name]
        moved = one.model_copy(update={"value": one.value * factor})
        return self.model_copy(update={"numbers": {**self.numbers, name: moved}})


def read_inputs(path: Path | None = None) -> Inputs:
    """The inputs that the project states, with those of a file in their place.

    Raises:
        InputsError: the file cannot be read, names an unknown input, or a value that none can have.
    """
    given = read_table(DEFAULTS, InputsError) | read_table(path, InputsError)
    currency = given.pop("currency", None)
    if unknown := sorted(given.keys() - UNITS.keys()):
        raise InputsError(f"{path or DEFAULTS}: no input {unknown[0]!r}; there are {', '.join(UNITS)}")
    numbers: dict[str, Input] = {}
    for name in UNITS:
        try:
            numbers[name] = Input.model_validate(given.get(name))
        except ValidationError as error:
            raise InputsError(f"{path or DEFAULTS}: {name}: {_first(error)}") from error
    for name in ("cpu_pairs_per_second", "gpu_pairs_per_second", "utilisation", "candidates_per_change"):
        if numbers[name].value <= 0:
            raise InputsError(f"{path or DEFAULTS}: {name} = {numbers[name].value:g}: must be above 0")
    if numbers["utilisation"].value > 1:
        raise InputsError(f"{path or DEFAULTS}: utilisation = {numbers['utilisation'].value:g}: at most 1")
    try:
        return Inputs(currency=currency, numbers=numbers)
    except ValidationError as error:
        raise InputsError(f"{path or DEFAULTS}: {_first(error)}") from error


def _first(error: ValidationError) -> str:
    found = error.errors()[0]
    where = ".".join(str(part) for part in found["loc"])
    return f"{where + ' = ' if where else ''}{found['input']!r}: {found['msg']}"
