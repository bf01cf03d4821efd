"""Everything that can be set about the teacher, in one table; `samesku teacher run --config FILE` reads it from TOML.

The key itself is never a setting: ``api_key_env`` names the environment variable that holds it.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from schemas.settings import ConfigError
from train.settings_file import read_table, told_over

Structured = Literal["auto", "json_schema", "json_object", "plain"]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+\S*$")]
# Far above any request of ours: an hour of waiting is an outage, not a rate limit.
MAX_WAIT_S = 3600


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Price(_Table):
    """Money per million tokens."""

    input: Decimal = Field(ge=0, description="per million prompt tokens")
    output: Decimal = Field(ge=0, description="per million completion tokens")
    cached_input: Decimal | None = Field(
        default=None, ge=0, description="per million prompt tokens that the server had cached; unset: as input"
    )


class TeacherConfig(_Table):
    """Where the teacher is, how it samples, how fast it may be asked and what it may cost."""

    base_url: Url = Field(default="http://127.0.0.1:8080/v1", description="any endpoint that speaks OpenAI's API")
    model: Annotated[str, StringConstraints(min_length=1)] = Field(
        default="default", description="as the server names it"
    )
    api_key_env: str | None = Field(default=None, description="variable that holds the key; unset: no key is sent")
    structured: Structured = Field(
        default="auto", description="form of replies; auto: json_schema, or less where the server refuses it"
    )
    temperature: float | None = Field(default=0.0, ge=0, le=2, description="unset: the server's own")
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = None
    max_tokens: int = Field(default=800, ge=16, description="of one reply; what it costs at most follows from it")
    max_tokens_name: Literal["max_completion_tokens", "max_tokens"] = Field(
        default="max_completion_tokens", description="what the server calls it; it must obey, or a budget cannot hold"
    )
    extra_body: dict[str, Any] = Field(default_factory=dict, description="further fields of every request")
    repairs: int = Field(default=1, ge=0, le=5, description="times a reply that cannot be used is asked for again")
    concurrency: int = Field(default=8, ge=1, le=1024, description="requests under way at once")
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(
        default=None, gt=0, description="prompt and reply, estimated before sending"
    )
    timeout_s: float = Field(default=120, gt=0, le=MAX_WAIT_S)
    max_retries: int = Field(
        default=5, ge=0, le=20, description="after 408, 409, 429, 5xx, time-outs, broken connections"
    )
    max_retry_after_s: float = Field(
        default=300, gt=0, le=MAX_WAIT_S, description="a server that asks for a longer pause ends the run"
    )
    max_outages: int = Field(default=5, ge=1, description="so many requests given up in a row end the run")
    prices: dict[str, Price] = Field(default_factory=dict, description="by model")
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "USD"
    budget: Decimal | None = Field(default=None, gt=0, description="of all that the store ever paid for")
    store: Path = Field(default=Path("teacher.sqlite"), description="replies already paid for")

    @model_validator(mode="after")
    def _budget_needs_a_price(self) -> Self:
        if self.budget is not None and self.model not in self.prices:
            raise ValueError(
                f"budget = {self.budget} needs the price of {self.model!r}: "
                f'[prices."{self.model}"] with input and output per million tokens'
            )
        return self

    @property
    def price(self) -> Price | None:
        """The price of the model in use, if it is known."""
        return self.prices.get(self.model)

    def sampling(self) -> dict[str, Any]:
        """The request's fields that shape a reply; part of what a reply is kept under."""
        fields = {"temperature": self.temperature, "top_p": self.top_p, "seed": self.seed}
        given = {name: value for name, value in fields.items() if value is not None}
        return {**given, self.max_tokens_name: self.max_tokens, **self.extra_body}

    def api_key(self, environ: Mapping[str, str] | None = None) -> str:
        """The key, or a word that says that there is none. Raises ConfigError when the named variable is not set."""
        if self.api_key_env is None:
            return "none"
        key = (os.environ if environ is None else environ).get(self.api_key_env, "")
        if not key:
            raise ConfigError(f"api_key_env = {self.api_key_env!r}: this environment variable is not set")
        return key


def load_config(path: Path | None = None, given: Mapping[str, Any] | None = None) -> TeacherConfig:
    """The table in a TOML file (or none) with what the command line gave over it (None: not given).

    Raises ConfigError, which names key, value and what is valid.
    """
    of_file = read_table(path, ConfigError)
    try:
        return TeacherConfig.model_validate(told_over(of_file, given or {}))
    except ValidationError as error:
        raise ConfigError(
            "\n".join(_explain(path, of_file, given or {}, detail) for detail in error.errors(include_url=False))
        ) from error


def _explain(path: Path | None, of_file: Mapping[str, Any], given: Mapping[str, Any], detail: Any) -> str:
    parts = [str(part) for part in detail["loc"]]
    key = ".".join(parts) or "teacher"
    # The file is to blame only for what it says and the command line did not overrule.
    where = f"{path}: " if parts and parts[0] in of_file and given.get(parts[0]) is None else ""
    if detail["type"] != "extra_forbidden":
        value = "" if isinstance(detail["input"], Mapping) else f" = {detail['input']!r}"
        return f"{where}{key}{value}: {detail['msg']}"
    valid = list((Price if parts[0] == "prices" else TeacherConfig).model_fields)
    close = difflib.get_close_matches(parts[-1], valid, n=1)
    guess = f" did you mean {close[0]}?" if close else ""
    return f"{where}{key}: no such setting;{guess} valid: {', '.join(valid)}"
