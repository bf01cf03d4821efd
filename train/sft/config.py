"""What a run depends on, as a recipe file (TOML) names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from train.settings_file import checked, read_table, told_over


class ConfigFileError(ValueError):
    """A recipe file that cannot be read; the message names file, key and what would be valid."""


class Augmentation(BaseModel):
    """How often pairs are rewritten as other sellers would list them, anew in every epoch.

    Attributes:
        noise_share: of the pairs that are given seller noise.
        edit_share: edited pairs of each kind, as a share of the matches.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    noise_share: float = Field(default=0.0, ge=0, le=1)
    edit_share: float = Field(default=0.0, ge=0, le=1)


class SftConfig(BaseModel):
    """A run of supervised fine-tuning. One process takes ``rows_per_step`` rows a step, several take as many each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str = "default"
    init: str | None = None
    """What to go on from: the folder of an adapter of the same base and rank, or a recipe file that is run first, in
    the run's folder ``first``. In a recipe file the path is meant from that file's folder. Unset: a new adapter."""
    mix_init: float = Field(default=0.0, ge=0, lt=1)
    """Share of the weights that the run went on from in the mean that it ends with: a stage that teaches something new
    unlearns something old, and between both ends the loss is lower (Wortsman et al. 2022, Robust fine-tuning of
    zero-shot models, arXiv 2109.01903)."""
    mix_back: int = Field(default=1, ge=1)
    """How many stages back the weights of ``mix_init`` are taken: 1 is the adapter that the run went on from; 2 the one
    that *that* stage went on from, if a recipe file named it."""
    seed: int = 17

    # Which pairs, and how often.
    leave_out: tuple[str, ...] = ()
    """Origins that are not trained on, nor used for early stopping: leave-one-dataset-out."""
    hold_products: float = Field(default=0.0, ge=0, lt=1)
    """Share of each set's product groups that training must not touch."""
    hold_seed: int = 17
    """Of the choice of those groups: runs of several seeds hold out the same."""
    large: bool = False
    """Also the pairs of WDC Products' large training file: titles only, more offers of the same products."""
    mined: Path | None = None
    """Hard negatives to add, a file of ``samesku train mine``; what is left out or held out is dropped from it too."""
    files: tuple[Path, ...] = ()
    """Pair files of one's own to add: JSON Lines, CSV or Parquet, each an origin by its name."""
    held_out_files: tuple[Path, ...] = ()
    """One's own test and validation files: none of their pairs is trained on. In a recipe file all these paths are
    meant from that file's folder."""
    limit: int | None = Field(default=None, ge=1)
    """Only so many pairs: a trial."""
    repeat: dict[str, float] = Field(default_factory=dict)
    """How often an epoch holds the pairs of an origin; 1 where it is not named."""
    keep_easy: float = Field(default=0.1, ge=0, le=1)
    both_ways: bool = True
    augment: Augmentation = Augmentation()
    steady: bool = False
    """Edited matches are to keep the verdicts that the adapter in ``init`` gave them before the edit, where nothing
    else is known of an attribute: an edit of the brand says nothing of the pack."""
    rationales: tuple[Path, ...] = ()
    """Teachers' records to train on (`samesku teacher run`); each set must be covered by ``verification``."""
    verification: tuple[Path, ...] = ()
    """People's checks of teachers' sets (`samesku verify`), one file a set."""
    max_teacher_error: float = Field(default=0.05, gt=0, lt=1)
    """The run refuses to start on a set whose verified error rate may be higher than this."""

    # How long.
    epochs: int | None = Field(default=None, ge=1)
    """Passes over the pairs; unset: as many as ``max_steps`` needs."""
    max_steps: int | None = Field(default=560, ge=1)
    """Unset: as many as ``epochs`` gives. The learning rate's schedule ends with them."""
    minutes: float | None = Field(default=None, gt=0)
    """The run ends cleanly after so much training time, all its sessions together, wherever its schedule stands."""

    # The optimiser.
    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    warmup_share: float = Field(default=0.04, ge=0, le=1)
    rows_per_step: int = Field(default=6, ge=1)
    row_tokens: int = Field(default=384, ge=64)
    average: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the moving average of the adapter's weights, which is what is validated and saved; 0: none."""

    # The loss.
    attribute_weight: float = Field(default=0.25, ge=0)
    sentence_weight: float = Field(default=0.15, ge=0)
    sentence_share: float = Field(default=0.12, ge=0, le=1)

    # Validation on the way.
    evaluate_every: int = Field(default=0, ge=0)
    """Steps between validations; 0: none, and the last weights are kept instead of the best."""
    evaluate_pairs: int = Field(default=120, ge=2)
    """Pairs of each validation set, a seeded uniform sample."""
    patience: int | None = Field(default=None, ge=1)
    """The run ends after so many validations without a better log loss."""
    keep: Literal["best", "last", "mean"] = "best"
    """Which weights the run ends with: the best by validation, the last, or the mean of these two (for a small sample
    picks between neighbours by chance). Without validation the last."""

    # The machine.
    save_steps: int = Field(default=100, ge=1)
    threads: int = Field(default=0, ge=0)
    compiled: bool | None = None
    """Whether the model's body is compiled (two minutes at the start); unset: for 200 steps or more, if it can be."""

    @model_validator(mode="after")
    def _ends(self) -> SftConfig:
        if self.epochs is None and self.max_steps is None:
            raise ValueError("max_steps or epochs must say when the run ends")
        if self.mix_init and self.init is None:
            raise ValueError("mix_init needs init: there is nothing to mix in")
        if self.steady and self.init is None:
            raise ValueError("steady needs init: there is no student whose verdicts could be kept")
        if self.patience is not None and not self.evaluate_every:
            raise ValueError("patience counts validations: it needs evaluate_every")
        return self


def read_config(path: Path | None, **given: Any) -> SftConfig:
    """The recipe of a TOML file, with what is ``given`` (and not None) in place of the file's values.

    Raises:
        ConfigFileError: no TOML, an unknown key or a value out of its range.
    """
    values = read_table(path, ConfigFileError)
    if path is not None and isinstance(values.get("init"), str):
        values["init"] = str(path.parent / values["init"])
    for key in ("rationales", "verification"):
        if path is not None and isinstance(values.get(key), list):
            values[key] = [path.parent / str(each) for each in values[key]]
    if path is not None and isinstance(values.get("mined"), str):
        values["mined"] = path.parent / values["mined"]
    for name in ("files", "held_out_files"):
        if path is not None and isinstance(values.get(name), list):
            values[name] = [path.parent / file if isinstance(file, str) else file for file in values[name]]
    return checked(SftConfig, told_over(values, given), path, ConfigFileError)
