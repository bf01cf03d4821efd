"""The sections of the settings that upgrades need: how a replay behaves, and within which limits a bundle may replace
another. Other sections, and what a section is: `schemas.sections`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schemas.sections import Positive, Section


class ReplaySettings(Section):
    """`samesku replay`: how gentle it is, and in what portions it works."""

    share: Annotated[float, Field(gt=0, le=1)] = Field(
        # Beside a live worker on the same cores even a replay that never waits gets half of them.
        default=0.5,
        description="of the time in which it judges; the rest it sleeps, so that a live worker on the same machine "
        "loses no more than this share. 1: never sleeps",
    )
    rate: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="pairs per second at most, beside the share; unset: no such limit"
    )
    piece_pairs: Annotated[int, Field(ge=1, le=10_000)] = Field(
        # About a second on one core: short enough that the share holds within any window that somebody looks at.
        default=16,
        description="pairs judged between two sleeps; with --publish also the pairs of one transaction",
    )
    chunk_pairs: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        # A killed replay loses half a minute of judging, and a million pairs make 2,500 files.
        default=400,
        description="pairs (with --mode events: changes) in one file of decisions; what a kill can lose",
    )


class CompareSettings(Section):
    """`samesku compare`: the limits within which a new bundle may replace an old one without a person's look."""

    min_pairs: Positive = Field(
        # The 95% interval of a share of 2% is 0.6 to 7% wide with 100 pairs: fewer say nothing about the limits below.
        default=100,
        description="fewer pairs judged by both are no basis: beyond the limits",
    )
    max_flip_share: Annotated[float, Field(ge=0, le=1)] = Field(
        # Five times what exchanging the two offers of a pair may turn (1%, a floor of the report card).
        default=0.05,
        description="of the pairs judged by both, those whose verdict changed",
    )
    max_rate_change: Annotated[float, Field(ge=0, le=1)] = Field(
        # Readers size their own work by these rates; a shift beyond it is a change of policy and not of the model.
        default=0.03,
        description="absolute change of the share of matches, of no matches and of reviews",
    )
    min_labels: Positive = Field(
        # One pair of 30 is already 3 points.
        default=30,
        description="labelled pairs below which agreement and calibration are shown and not judged",
    )
    max_agreement_drop: Annotated[float, Field(ge=0, le=1)] = Field(
        # New bundles are released to be better; a point is what a few hundred labels cannot tell from nothing.
        default=0.01,
        description="how much less the new one may agree with human labels",
    )
    max_calibration_rise: Annotated[float, Field(ge=0, le=1)] = Field(
        # A quarter of the review band that the default costs make (0.4 to 0.6).
        default=0.05,
        description="rise of the expected calibration error on labelled pairs",
    )
    max_latency_ratio: Annotated[float, Field(gt=0)] = Field(
        # Beyond it the same stream needs half as many workers again, which is for a person to grant.
        default=1.5,
        description="median time to judge a pair, new over old, where both were measured on one machine",
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(default=0.95, description="of all intervals")
    examples: Annotated[int, Field(ge=0, le=10_000)] = Field(default=50, description="flips shown, most costly first")
