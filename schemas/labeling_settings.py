"""The section of the settings for sampling to labelling: which chances, which budget. What a section is:
`schemas.sections`. Chances are probabilities per decision, before the budget scales them.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schemas.sections import Millis, Positive, Seconds, Section

Rate = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class LabelingSettings(Section):
    """`samesku labeling run`."""

    group_id: str = Field(default="samesku-labeling", min_length=1)
    uniform_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        # 200 of 10,000 decisions: precision is then known to about three points either way.
        default=0.02,
        description="chance of every decision, for the estimates; never zero, or nothing could be estimated",
    )
    uncertainty_rate: Rate = Field(
        default=0.5, description="chance at the match threshold; it falls to 0 at `uncertainty_band` from it"
    )
    uncertainty_band: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.2, description="distance of the probability from the match threshold within which a pair is uncertain"
    )
    disagreement_rate: Rate = Field(
        default=0.5,
        description="chance where a shadow or an opinion says otherwise, or the answer contradicts its attributes",
    )
    opinions_wait_s: Annotated[float, Field(ge=0, le=86_400)] = Field(
        # A decision is drawn once; what judges say after that comes too late for its chance.
        default=0.0,
        description="a decision is drawn no sooner than this after it was made, so that judges (match.opinions) have "
        "spoken; 0: opinions are not looked at",
    )
    novelty_rate: Rate = Field(default=0.1, description="chance of pairs of sources or brands that are new")
    novelty_span: Positive = Field(
        default=1_000,
        description="decisions of a partition for which a pair of sources or a brand counts as new after its first one",
    )
    novelty_score: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="a blocking score below it is new, too; unset: scores are not looked at"
    )
    value_rate: Rate = Field(default=0.05, description="chance of a pair that is worth `value_scale` or more")
    value_scale: Annotated[float, Field(gt=0)] = Field(
        default=1_000.0, description="price times traffic at which the chance is `value_rate`; below it in proportion"
    )
    traffic_field: str = Field(
        default="traffic",
        description="field of an offer that weighs its price (views a day, say); 1 where absent",
    )
    budget_per_day: Positive = Field(
        # Three hours of one person at two pairs a minute.
        default=400,
        description="tasks a day that the chances are scaled to, over all partitions",
    )
    uniform_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.5, description="of the budget, that the uniform tasks may take before their chance is lowered"
    )
    window_s: Seconds = Field(
        # A flood is noticed after a quarter of an hour and costs at most that much beyond the budget.
        default=900.0,
        description="chances change only between two windows of this length, by the decisions' own clock",
    )
    min_uniform_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.0005, description="the uniform chance never falls below it, whatever the budget: weights stay bounded"
    )
    double_share: Rate = Field(default=0.1, description="of the tasks, those that two people label")
    expires_days: Annotated[float, Field(gt=0, le=365)] = Field(default=14.0, description="a task's life in the queue")
    sweep_s: Seconds = Field(default=30.0, description="between two looks whether the offers of open tasks still stand")
    batch_size: Annotated[int, Field(ge=1, le=100_000)] = Field(default=500, description="decisions of one transaction")
    max_wait_ms: Millis = Field(default=500, description="a batch is closed after this long, however small")
