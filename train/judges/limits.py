"""The limits of a judge: what must be measured of it before its score may enter a reward, or send pairs to people."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from train.settings_file import checked, read_table

DEFAULT = Path(__file__).with_name("limits.toml")


class LimitsError(ValueError):
    """A file of limits that cannot be used; the message names file and key."""


class Limits(BaseModel):
    """See ``limits.toml`` for what each means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_cases: int = Field(ge=1)
    seen: float = Field(ge=0, le=1)
    unseen: float = Field(ge=0, le=1)
    length_bias: float = Field(ge=0, le=1)
    ece: float = Field(ge=0, le=1)
    attack_rise: float = Field(ge=0, le=1)
    attack_crossing: float = Field(ge=0, le=1)
    style: float = Field(ge=0, le=1)


def read_limits(path: Path = DEFAULT) -> Limits:
    """The limits of a TOML file. Raises LimitsError."""
    return checked(Limits, read_table(path, LimitsError), path, LimitsError)
