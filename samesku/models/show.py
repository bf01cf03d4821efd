"""The registry as text: tables for people, and plain data for machines."""

from __future__ import annotations

from typing import Any

from rich.markup import escape
from rich.table import Table

from samesku.models.workers import Fleet
from schemas.decision import BundleRef
from schemas.deployment import Deployment, RegisteredBundle
from worker.registry.state import ALIASES, Numbered, RegistryState

DIGITS = 12
"""Hex digits of a digest that are shown: enough to be typed back."""


def named(ref: BundleRef | None) -> str:
    """A bundle in a few words."""
    return "none" if ref is None else f"{ref.name} {ref.version} ({ref.digest[:DIGITS]})"


def trial(deployment: Deployment) -> str:
    """What a deployment tries, in a few words; empty without a trial."""
    if deployment.mode == "off":
        return ""
    how = "in the shadow" if deployment.mode == "shadow" else f"on {deployment.share:.4g} of the pairs"
    return f"{named(deployment.candidate)} {how}"


def sentence(numbered: Numbered) -> str:
    """A deployment in one line."""
    now = numbered.deployment
    tried = f"; {trial(now)}" if trial(now) else ""
    return f"deployment {numbered.number} ({now.action} by {now.by}): {named(now.live)} is live{tried}"


def bundles_table(state: RegistryState) -> Table:
    """Every registered bundle, newest entry last."""
    table = Table(title="bundles", title_justify="left")
    for column in ("alias", "bundle", "version", "digest", "built", "registered", "by", "location"):
        table.add_column(column, overflow="fold")
    for entry in sorted(state.bundles.values(), key=lambda each: each.registered_at):
        ref = entry.bundle
        table.add_row(
            ", ".join(state.aliases_of(ref.digest)), escape(ref.name), ref.version, ref.digest[:DIGITS],
            f"{ref.built_at:%Y-%m-%d}" if ref.built_at else "", f"{entry.registered_at:%Y-%m-%d %H:%M}",
            escape(entry.registered_by), escape(entry.location),
        )  # fmt: skip
    return table


def history_table(history: list[Numbered]) -> Table:
    """Every deployment that took effect, newest first."""
    table = Table(title="deployments", title_justify="left")
    for column in ("no.", "at (UTC)", "action", "live", "trial", "by", "reason"):
        table.add_column(column, overflow="fold")
    for each in reversed(history):
        now = each.deployment
        table.add_row(
            str(each.number), f"{now.at:%Y-%m-%d %H:%M:%S}", now.action, escape(named(now.live)), escape(trial(now)),
            escape(now.by), escape(now.reason),
        )  # fmt: skip
    return table


def fleet_table(workers: Fleet) -> Table:
    """What each worker serves."""
    table = Table(title="workers", title_justify="left")
    for column in ("slot", "deployment", "live", "trial", "said at (UTC)", "refused"):
        table.add_column(column, overflow="fold")
    for slot, said in workers.slots.items():
        if said is None:
            table.add_row(slot, "", "has not said yet", "", "", "")
            continue
        tried = "" if said.candidate is None else f"{said.mode} {named(said.candidate)} {said.share or ''}".strip()
        refused = f"{said.refused}: {said.refusal}" if said.refused else ""
        table.add_row(
            slot, str(said.deployment), escape(named(said.live)), escape(tried), f"{said.at:%H:%M:%S}", escape(refused)
        )  # fmt: skip
    return table


def lineage(state: RegistryState, entry: RegisteredBundle) -> list[RegisteredBundle]:
    """The bundle, its parent, that one's parent and so on, as far as they are registered."""
    found = [entry]
    while (parent := state.bundles.get(found[-1].parent or "")) is not None and parent not in found:
        found.append(parent)
    return found


def bundle_text(state: RegistryState, entry: RegisteredBundle) -> str:
    """One bundle with all that is known of it, in lines."""
    ref = entry.bundle
    parents = " <- ".join(named(each.bundle) for each in lineage(state, entry))
    live_in = [str(each.number) for each in state.history if each.deployment.live.digest == ref.digest]
    lines = {
        "bundle": named(ref),
        "digest": ref.digest,
        "aliases": ", ".join(state.aliases_of(ref.digest)) or "none",
        "location": entry.location,
        "base": f"{entry.base} (sha256 {entry.base_sha256})",
        "adapter": f"sha256 {entry.adapter_sha256}" if entry.adapter_sha256 else "none",
        "training data": entry.training_digest or "not stated",
        "trained on": ", ".join(entry.trained_on) or "not stated",
        "parent": entry.parent or "not stated",
        "lineage": parents,
        "registered": f"{entry.registered_at:%Y-%m-%d %H:%M:%S}Z by {entry.registered_by}",
        "live in": f"deployments {', '.join(live_in)}" if live_in else "no deployment",
    }
    return "\n".join(f"{name + ':':<15} {text}" for name, text in lines.items())


def numbered_data(each: Numbered) -> dict[str, Any]:
    """A deployment as JSON data, with its number."""
    return {"number": each.number, **each.deployment.model_dump(mode="json")}


def bundle_data(state: RegistryState, entry: RegisteredBundle) -> dict[str, Any]:
    """A bundle as JSON data, with its aliases."""
    return {**entry.model_dump(mode="json"), "aliases": state.aliases_of(entry.bundle.digest)}


def state_data(state: RegistryState) -> dict[str, Any]:
    """The whole registry as JSON data."""
    aliases = {name: ref.digest if (ref := state.alias(name)) is not None else None for name in ALIASES}
    return {
        "number": state.number,
        "aliases": aliases,
        "deployment": numbered_data(state.history[-1]) if state.history else None,
        "bundles": [bundle_data(state, entry) for entry in state.bundles.values()],
    }


def fleet_data(workers: Fleet) -> dict[str, Any]:
    """The workers as JSON data, by slot."""
    return {slot: said.model_dump(mode="json") if said is not None else None for slot, said in workers.slots.items()}
