"""The section of the settings for the monitor (`worker.monitor`). What a section is: `schemas.sections`."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from schemas.sections import Positive, Seconds, Section


class MonitorSettings(Section):
    """`samesku monitor`: how long a window is, when a stream is compared, and how often it may be wrong."""

    group_id: str = Field(default="samesku-monitor", min_length=1, description="consumer group of the monitors")
    # Short, so that an alarm comes soon; a stream with few decisions is compared over several windows anyway.
    window_s: Annotated[int, Field(ge=1, le=86_400)] = Field(
        default=300, description="length of a window, by the log's own clock; all monitors of a group must agree"
    )
    grace_s: Seconds = Field(
        # Covers the difference between the brokers' clocks and ours; an open transaction is waited for besides.
        default=5.0, description="a window is closed no sooner than this after its end"
    )  # fmt: skip
    unit: Annotated[int, Field(ge=10, le=1_000_000)] = Field(
        # Four or five units in a row raise the strongest alarm, so small ones find a drift sooner; weak drifts are
        # found in groups of units.
        default=50,
        description="windows of a stream are put together until they hold so many decisions (a quarter as many offers "
        "or answers)",
    )
    reference_units: Annotated[int, Field(ge=5, le=10_000)] = Field(
        default=30, description="units that make the reference of a stream"
    )
    trial_units: Annotated[int, Field(ge=5, le=10_000)] = Field(
        # A unit's rank among n can be no rarer than 1 in n: an alarm needs some to be rare among.
        default=30, description="units after the reference that only teach how far clean units are from it"
    )  # fmt: skip
    false_alarms: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.0005,
        description="bound on the chance of a false alarm per window, over all streams of one kind of input",
    )
    min_distance: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.03,
        description="total variation from the reference below which no alarm is raised: too small to matter",
    )
    max_segments: Positive = Field(
        default=200, description="sources and categories counted in a window; further ones count as 'other'"
    )
    max_watched: Positive = Field(default=50, description="sources and categories that are compared, largest first")
    retention_days: Annotated[float, Field(gt=0, le=3650)] = Field(
        default=30.0, description="how long a window is kept in Redis once it was counted and compared"
    )
    poll_s: Seconds = Field(default=1.0, description="how often it is looked whether a window can be closed")
    datadir: str | None = Field(
        default=None, description="folder of this process alone, for Faust; unset: a temporary one"
    )

    @model_validator(mode="after")
    def _orders(self) -> Self:
        if self.max_watched > self.max_segments:
            raise ValueError("max_watched must not exceed max_segments")
        return self
