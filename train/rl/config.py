"""What a run of reinforcement learning depends on, as its recipe file (TOML) names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from train.rewards import RewardConfig
from train.settings_file import checked, read_table, told_over
from train.sft.config import ConfigFileError

Form = Literal["parallel", "sentence", "feedback"]
STUDENT = Path("models/samesku-135m/adapter")
JUDGES, HELD_OUT_JUDGES = Path("models/judges"), Path("models/judges-held-out")


class PoolConfig(BaseModel):
    """Which pairs are trained on: those of the 100 products of WDC Products that SFT never sees.

    Attributes:
        seed: of the choice of the panel's products and of augmentation; runs of other seeds share one pool.
        panel_share: of the products, kept for the held-out panel.
        large: also pairs of the large training file (titles only).
        negatives: hard negatives to make for each offer: the likest listings of other products.
        noise_share, edit_share: as in SFT (:class:`train.sft.config.Augmentation`).
        limit: at most so many pairs, the hardest first by the student's own uncertainty.
        easy_share: of the pairs under the limit so many are drawn from all that are left, lest what was known be lost.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 17
    panel_share: float = Field(default=0.2, gt=0, lt=1)
    large: bool = True
    negatives: int = Field(default=3, ge=0)
    noise_share: float = Field(default=0.3, ge=0, le=1)
    edit_share: float = Field(default=0.1, ge=0, le=1)
    limit: int | None = Field(default=2_400, ge=2)
    easy_share: float = Field(default=0.25, ge=0, le=1)


class PanelConfig(BaseModel):
    """What is looked at every ``every`` steps, and the rule that ends a run (:mod:`train.rl.hacking`).

    Attributes:
        pairs: of the pool's panel products, at most.
        of_each_set: pairs of each validation set; final evaluation leaves them out.
        window: panels over which a fall counts, beside that since the start.
        false_alarms: the most that a run without hacking may be stopped wrongly, all its panels together.
        stop: whether an alarm ends the run; the demonstration looks on instead.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    every: int = Field(default=15, ge=1)
    pairs: int = Field(default=160, ge=2)
    of_each_set: int = Field(default=40, ge=0)
    window: int = Field(default=3, ge=1)
    false_alarms: float = Field(default=0.05, gt=0, lt=1)
    stop: bool = True


class GrpoConfig(BaseModel):
    """What only sampled forms (``sentence``, ``feedback``) need.

    Attributes:
        generations: completions of a prompt, whose mean reward is the baseline.
        prompts_per_step: of one process.
        quote_tokens: the most that a quote may have.
        vllm: whether rollouts are made by vLLM where there is a GPU (it must be installed).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    generations: int = Field(default=8, ge=2)
    prompts_per_step: int = Field(default=4, ge=1)
    temperature: float = Field(default=1.0, gt=0)
    quote_tokens: int = Field(default=20, ge=2)
    vllm: bool = True


class RlConfig(BaseModel):
    """A run from an SFT adapter. One process takes ``rows_per_step`` packed rows a step, several take as many each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str = "default"
    adapter: Path = STUDENT
    """Folder of the SFT adapter: where the run begins, and the reference of KL. In a recipe file this path, and those
    of judges, are meant from that file's folder."""
    form: Form = "parallel"
    objective: Literal["rl", "sft"] = "rl"
    """``sft``: supervised fine-tuning goes on instead, on the same rows in the same order: the control."""
    seed: int = 17

    reward: RewardConfig = RewardConfig()
    beta: float = Field(default=0.05, ge=0)
    """Weight of the KL divergence to the SFT student."""
    attribute_weight: float = Field(default=0.6, ge=0)
    """Of the control alone, as in SFT."""
    judges: tuple[Path, ...] = (JUDGES,)
    """Folders of judges, or of sets of the three; all must be admitted by their validation."""
    held_out_judges: tuple[Path, ...] = (HELD_OUT_JUDGES,)
    """Of another body, teacher and other clusters: never part of a reward."""

    pool: PoolConfig = PoolConfig()
    panel: PanelConfig = PanelConfig()
    grpo: GrpoConfig = GrpoConfig()

    steps: int = Field(default=100, ge=1)
    minutes: float | None = Field(default=None, gt=0)
    learning_rate: float = Field(default=1e-4, gt=0)
    warmup_share: float = Field(default=0.1, ge=0, le=1)
    rows_per_step: int = Field(default=6, ge=1)
    row_tokens: int = Field(default=384, ge=64)
    first_layer: int = Field(default=20, ge=0)
    """Layers from here on are trained, on cached activations of those below; 0: all, for a GPU."""
    keep: Literal["best", "last"] = "best"
    """Which weights the run ends with: of the panel with the best gold score, that of the start included, or the
    last. After an alarm always the best."""

    save_steps: int = Field(default=40, ge=1)
    threads: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _makes_sense(self) -> RlConfig:
        if self.form != "parallel" and self.objective != "rl":
            raise ValueError(f"objective sft is the control of the form parallel, not of {self.form}")
        if self.form != "parallel" and self.beta == 0:
            raise ValueError(f"beta must be above 0 for the form {self.form}: what is sampled drifts without it")
        if set(self.judges) & set(self.held_out_judges):
            raise ValueError("a held-out judge must not be one of the reward's")
        return self


def read_config(path: Path | None, **given: Any) -> RlConfig:
    """The recipe of a TOML file, with what is ``given`` (and not None) in place of the file's values.

    Raises:
        ConfigFileError: no TOML, an unknown key or a value out of its range.
    """
    values = read_table(path, ConfigFileError)
    if path is not None:
        if isinstance(values.get("adapter"), str):
            values["adapter"] = path.parent / values["adapter"]
        for name in ("judges", "held_out_judges"):
            if isinstance(values.get(name), list):
                values[name] = [path.parent / str(each) for each in values[name]]
    return checked(RlConfig, told_over(values, given), path, ConfigFileError)
