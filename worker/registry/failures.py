"""What can be wrong with the registry, and with a bundle that is about to serve."""

from __future__ import annotations

from schemas.bundle import BundleError


class RegistryError(Exception):
    """Base: a command on the registry cannot be carried out."""


class RegistryUnreadable(RegistryError):
    """A record of `match.models` is no entry of it."""


class Overtaken(RegistryError):
    """Another command came between reading and writing; the text says which deployment is in force now."""


class SelfTestFailed(BundleError):
    """A bundle loads, and judges in a way that no sound bundle does."""
