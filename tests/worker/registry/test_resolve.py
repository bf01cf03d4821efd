from __future__ import annotations

from pathlib import Path

import pytest

from schemas.bundle import BundleError, load_manifest
from schemas.sections import KafkaSettings
from schemas.settings import Settings
from tests.deployments import deployment, registered
from worker.registry.locations import as_location, is_location, locate, locate_exactly
from worker.registry.registry import Registry
from worker.registry.resolve import resolve_bundle
from worker.student.locate import DEFAULT_STUDENT, RECIPES

RELEASED = sorted(path.name for path in RECIPES.iterdir() if (path / "recipe.json").is_file())


@pytest.mark.parametrize("name", RELEASED)
def test_a_released_recipe_keeps_its_name_wherever_it_lies(name: str) -> None:
    written = "default" if name == DEFAULT_STUDENT else name
    assert is_location(name)
    assert as_location(str(RECIPES / name)) == written
    assert as_location(written) == written


def test_any_other_folder_becomes_absolute(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_bundle.parent)
    assert as_location("bundle") == str(tiny_bundle.resolve())
    assert is_location("bundle")
    assert locate("bundle") == Path("bundle")


def test_where_nothing_is(tmp_path: Path) -> None:
    assert not is_location(str(tmp_path))
    assert not is_location("live")
    with pytest.raises(BundleError, match="no bundle at"):
        locate(str(tmp_path))


def test_another_digest_than_the_registered_one_is_refused(tiny_bundle: Path) -> None:
    digest = load_manifest(tiny_bundle).digest()
    assert locate_exactly(str(tiny_bundle), digest) == tiny_bundle
    with pytest.raises(BundleError, match=rf"digest {digest[:16]} on this machine, the registry says {'f' * 16}"):
        locate_exactly(str(tiny_bundle), "f" * 64)


def test_a_folder_needs_no_broker_and_a_name_does(tiny_bundle: Path) -> None:
    assert resolve_bundle(tiny_bundle, Settings()) == tiny_bundle
    with pytest.raises(BundleError, match="no bundle at 'live'"):
        resolve_bundle("live", Settings())


@pytest.mark.system
def test_names_of_the_registry(registry_kafka: KafkaSettings, tiny_bundle: Path) -> None:
    manifest = load_manifest(tiny_bundle)
    settings = Settings(kafka=registry_kafka)
    registry = Registry(registry_kafka)
    registry.add(registered(manifest.ref(), str(tiny_bundle)))
    registry.deploy(deployment("promote", manifest.ref(), 0))
    for name in ("live", manifest.digest()[:10], manifest.name, f"{manifest.name}@{manifest.version}"):
        assert resolve_bundle(name, settings) == tiny_bundle
    with pytest.raises(BundleError, match="no bundle is previous"):
        resolve_bundle("previous", settings)
