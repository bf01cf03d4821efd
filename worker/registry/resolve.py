"""`resolve_bundle`: the folder that a name stands for, be it known to the file system or to the registry."""

from __future__ import annotations

from pathlib import Path

from schemas.bundle import BundleError
from schemas.settings import Settings
from worker.registry.locations import as_location, cache_of, is_location, locate, locate_exactly


def resolve_bundle(name: str | Path, settings: Settings) -> Path:
    """The folder of the bundle that `name` stands for; a recipe is built into the cache on first use.

    In this order: `default`, the name of a released recipe, or a folder with a bundle or a recipe (no broker is asked);
    then what the registry knows: `live`, `candidate`, `previous`, a digest (6 hex digits or more), NAME, NAME@VERSION.
    A registered bundle must be found with exactly the digest that is registered.

    Raises schemas.bundle.BundleError, worker.registry.failures.RegistryError, worker.stream.errors.Unavailable.
    """
    given, cache = str(name), cache_of(settings)
    if is_location(given):
        return locate(as_location(given), cache)
    if not settings.kafka.bootstrap_servers:
        raise BundleError(
            f"no bundle at {given!r}: give 'default', a folder with a bundle or a recipe, or set "
            "kafka.bootstrap_servers so that the registry can be asked"
        )
    # Imported here: whoever names a folder needs no Kafka client.
    from worker.registry.registry import Registry

    entry = Registry.read(settings.kafka).find(given)
    return locate_exactly(entry.location, entry.bundle.digest, cache)
