"""Bundles and deployments for tests of the registry."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from schemas.decision import BundleRef
from schemas.deployment import Action, Deployment, RegisteredBundle

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def ref(letter: str, version: str = "1.0.0") -> BundleRef:
    """A bundle whose digest is one hex digit 64 times."""
    return BundleRef(name=f"tiny-{letter}", version=version, digest=letter * 64, built_at=NOW)


A, B, C = ref("a", "1.0.0"), ref("b", "2.0.0"), ref("c", "3.0.0")


def registered(bundle: BundleRef, location: str = "/nowhere", **fields: Any) -> RegisteredBundle:
    return RegisteredBundle(
        bundle=bundle, location=location, base="tiny", base_sha256="0" * 64, registered_by="ann", registered_at=NOW,
        **fields,
    )  # fmt: skip


def deployment(action: Action, live: BundleRef, seen: int, **fields: Any) -> Deployment:
    named = {"deployment_id": f"{action}-{live.name}-{seen}", "by": "ann", "at": NOW, **fields}
    return Deployment(action=action, live=live, seen=seen, **named)
