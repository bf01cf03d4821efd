"""The registry as the log says: bundles, the deployment in force, aliases and history. Pure.

The order of the log decides between commands that came at the same time: a deployment takes effect only if it states
(`seen`) the number of the one that is in force when its turn comes; else it is void, for every reader alike. So a
command reads, writes, reads back, and knows whether it won. A void record stays in the log and counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from schemas.bundle import BundleError
from schemas.decision import BundleRef
from schemas.deployment import Deployment, RegisteredBundle

LIVE, CANDIDATE, PREVIOUS = "live", "candidate", "previous"
ALIASES = (LIVE, CANDIDATE, PREVIOUS)

# Hex digits of a digest that may stand for it: shorter ones would name a bundle by accident.
LEAST_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Numbered:
    """A deployment and its number (offset + 1)."""

    number: int
    deployment: Deployment


@dataclass
class RegistryState:
    """What the records so far add up to. `apply` them in the log's order."""

    bundles: dict[str, RegisteredBundle] = field(default_factory=dict)
    """By digest."""
    history: list[Numbered] = field(default_factory=list)
    """Deployments that took effect, oldest first."""
    void: list[Numbered] = field(default_factory=list)
    """Those that came too late."""

    def apply(self, offset: int, entry: RegisteredBundle | Deployment) -> None:
        """Take in the record at this offset."""
        if isinstance(entry, RegisteredBundle):
            self.bundles[entry.bundle.digest] = entry
            return
        numbered = Numbered(offset + 1, entry)
        (self.history if entry.seen == self.number else self.void).append(numbered)

    @property
    def number(self) -> int:
        """Of the deployment in force; 0 before the first."""
        return self.history[-1].number if self.history else 0

    @property
    def deployment(self) -> Deployment | None:
        """The one in force."""
        return self.history[-1].deployment if self.history else None

    def alias(self, name: str) -> BundleRef | None:
        """The bundle that an alias stands for, if any."""
        now = self.deployment
        return None if now is None else {LIVE: now.live, CANDIDATE: now.candidate, PREVIOUS: now.previous}.get(name)

    def aliases_of(self, digest: str) -> list[str]:
        """The aliases of a bundle."""
        return [name for name in ALIASES if (ref := self.alias(name)) is not None and ref.digest == digest]

    def last_live(self, digest: str, before: int) -> int:
        """Number of the last deployment before this one in which the bundle was live; 0 if it never was."""
        lives = (each.number for each in self.history if each.deployment.live.digest == digest)
        return max((number for number in lives if number < before), default=0)

    def copy(self) -> RegistryState:
        """One that stays as it is while this one goes on."""
        return RegistryState(dict(self.bundles), list(self.history), list(self.void))

    def find(self, name: str) -> RegisteredBundle:
        """The registered bundle that a name stands for: an alias, a digest or its beginning, `NAME` or `NAME@VERSION`.

        Raises BundleError when there is none, or more than one.
        """
        if name in ALIASES:
            ref = self.alias(name)
            if ref is None:
                raise BundleError(f"no bundle is {name} at present; see `samesku models list`")
            if ref.digest not in self.bundles:
                raise BundleError(f"{name} is {ref.name} {ref.version} ({ref.digest[:16]}), which is not registered")
            return self.bundles[ref.digest]
        found = list(self._named(name))
        if len(found) == 1:
            return found[0]
        if found:
            refs = [each.bundle for each in found]
            listed = ", ".join(f"{ref.name}@{ref.version} ({ref.digest[:16]})" for ref in refs)
            raise BundleError(f"{name!r} stands for more than one bundle: {listed}; give a digest")
        known = ", ".join(sorted(f"{each.bundle.name}@{each.bundle.version}" for each in self.bundles.values()))
        raise BundleError(
            f"no registered bundle is called {name!r}; valid: {', '.join(ALIASES)}, a digest of at least {LEAST_DIGITS}"
            f" hex digits, or NAME@VERSION of a registered one ({known or 'none is registered'})"
        )

    def _named(self, name: str) -> Iterator[RegisteredBundle]:
        for digest, each in self.bundles.items():
            called = (each.bundle.name, f"{each.bundle.name}@{each.bundle.version}")
            if name in called or (len(name) >= LEAST_DIGITS and digest.startswith(name)):
                yield each
