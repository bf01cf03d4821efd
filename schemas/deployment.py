"""The registry of bundles and what is deployed of them: the two events of `match.models`, and who owns a pair.

Intent: `RegisteredBundle` says that a bundle exists and where it comes from; `Deployment` states the whole of what is
to be served from its offset on: the live bundle, and a candidate in the shadow or on a share of the pairs. `owner` is
the one function that says which of the two decides a pair, so that workers, commands and checks agree without asking
each other. Non-goals: reading the topic (`worker.registry`), and loading anything.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.bundle import BundleManifest, Sha256
from schemas.decision import BundleRef
from schemas.events import Event, Natural, Timestamp

Action = Literal["promote", "rollback", "shadow", "canary", "stop"]
Mode = Literal["off", "shadow", "canary"]

BUNDLE_KEY, DEPLOYMENT_KEY = "bundle/", "deployment/"

# Eight bytes of the digest: a share is then exact to 5e-20, and the comparison below is one of integers.
_HASH_BYTES = 8
_HASH_RANGE = 1 << (8 * _HASH_BYTES)


class RegisteredBundle(Event):
    """A bundle that may be deployed. Kafka key: `bundle/DIGEST`; a later record of one digest replaces the former."""

    bundle: BundleRef
    location: str = Field(
        min_length=1,
        description="where a worker finds it: 'default', the name of a recipe under models/, or a folder with a bundle "
        "or a recipe; only what has exactly this digest is served",
    )
    base: str = Field(description="name of the base model")
    base_sha256: Sha256 = Field(description="of the base's file")
    adapter_sha256: Sha256 | None = Field(default=None, description="of the adapter's file; null for a bare base")
    training_digest: str | None = Field(default=None, description="digest of the training data")
    trained_on: list[str] = Field(default_factory=list, description="names of the training sets")
    parent: str | None = Field(default=None, description="digest of the bundle whose weights training began with")
    registered_by: str = Field(min_length=1, description="who added it")
    registered_at: Timestamp

    @property
    def key(self) -> str:
        """The Kafka key."""
        return BUNDLE_KEY + self.bundle.digest

    @classmethod
    def of(cls, manifest: BundleManifest, location: str, parent: str | None, by: str, at: Timestamp) -> Self:
        """The entry of a bundle with this manifest."""
        return cls(
            bundle=manifest.ref(), location=location, base=manifest.base, base_sha256=manifest.base_sha256,
            adapter_sha256=manifest.adapter_sha256, training_digest=manifest.training_digest,
            trained_on=manifest.trained_on, parent=parent, registered_by=by, registered_at=at,
        )  # fmt: skip


class Deployment(Event):
    """What is to be served from this record's offset on. Kafka key: `deployment/ID`.

    Its number is its offset + 1, as `MatchDecision.deployment` has it. It is in force only if `seen` is the number of
    the deployment that was in force before it (see `worker.registry.state`): of two commands that looked at the same
    state the first in the log wins, for every reader alike.
    """

    deployment_id: str = Field(min_length=1, description="chosen by the command that wrote it; unique")
    action: Action
    live: BundleRef = Field(description="decides every pair that the candidate does not own")
    previous: BundleRef | None = Field(default=None, description="what a rollback goes back to")
    candidate: BundleRef | None = Field(default=None, description="the bundle on trial; kept when a trial is stopped")
    mode: Mode = Field(default="off", description="what the candidate does: nothing, judge unseen, or own a share")
    share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = Field(
        default=0.0, description="of the pairs, that the candidate owns; only in a canary"
    )
    seen: Natural = Field(description="the deployment in force when the command was given; 0: none")
    by: str = Field(min_length=1, description="who gave the command")
    reason: str = Field(default="", description="why, in the words of who gave it")
    at: Timestamp

    @property
    def key(self) -> str:
        """The Kafka key."""
        return DEPLOYMENT_KEY + self.deployment_id

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.mode != "off" and self.candidate is None:
            raise ValueError(f"mode {self.mode} needs a candidate")
        if self.mode != "off" and self.candidate is not None and self.candidate.digest == self.live.digest:
            raise ValueError("the candidate is the live bundle: there is nothing to try")
        if (self.mode == "canary") != (self.share > 0):
            raise ValueError("a canary, and nothing else, has a share above 0")
        return self

    def bundles(self) -> dict[str, BundleRef]:
        """The bundles that a worker needs for it, by digest."""
        needed = [self.live] if self.mode == "off" or self.candidate is None else [self.live, self.candidate]
        return {ref.digest: ref for ref in needed}


def in_share(pair_id: str, share: float) -> bool:
    """Whether a pair belongs to the share (0 to 1) that a canary owns.

    The first eight bytes of SHA-256 over the UTF-8 pair id, read as a big-endian integer, are below share * 2^64. So a
    pair's place never moves: whoever asks gets the same answer, every smaller share lies within every larger one, 0
    holds no pair and 1 all of them. Kafka's partitioner hashes otherwise, so every partition gives its share.
    """
    place = int.from_bytes(hashlib.sha256(pair_id.encode("utf-8")).digest()[:_HASH_BYTES], "big")
    return place < share * _HASH_RANGE


def owner(pair_id: str, deployment: Deployment) -> BundleRef:
    """The one bundle that decides this pair while the deployment is in force."""
    if deployment.mode == "canary" and deployment.candidate is not None and in_share(pair_id, deployment.share):
        return deployment.candidate
    return deployment.live
