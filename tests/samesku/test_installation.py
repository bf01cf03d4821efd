"""What is installed for whom: exact pins, one place for each, and no torch where only serving is wanted."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

from samesku.cli import MOUNTS
from schemas.settings import load_settings

ROOT = Path(__file__).parents[2]
TRAINING_ONLY = {"torch", "transformers", "peft", "trl", "optimum", "optimum-onnx", "accelerate", "datasets", "triton"}


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
    entries = [line for line in lines if line and not line.startswith(("#", "-c "))]
    parsed = [re.fullmatch(r"([a-z0-9-]+)==([0-9][0-9a-z.]*)", line) for line in entries]
    assert all(parsed), [line for line, pin in zip(entries, parsed, strict=True) if not pin]
    return {pin.group(1): pin.group(2) for pin in parsed if pin}


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]  # type: ignore[no-any-return]


def needed(extras: list[str]) -> set[str]:
    listed = [*project()["dependencies"]]
    for extra in extras:
        listed += project()["optional-dependencies"][extra]
    return {re.match(r"[a-z0-9-]+", entry).group() for entry in listed} - {"samesku"}  # type: ignore[union-attr]


def test_every_package_is_pinned_exactly_and_in_one_file() -> None:
    files = {name: pins(name) for name in ("serve", "embedded", "operate", "all", "cuda")}
    names = [package for listed in files.values() for package in listed]
    assert sorted(names) == sorted(set(names))


def test_serving_and_the_demo_need_no_training_package() -> None:
    assert not TRAINING_ONLY & {*pins("serve"), *pins("embedded")}
    assert not TRAINING_ONLY & {*pins("operate")}
    assert not [name for name in {*pins("serve"), *pins("embedded"), *pins("operate")} if name.startswith("nvidia-")]
    assert not TRAINING_ONLY & needed(["worker", "embedded"])


def test_the_pins_hold_what_the_extras_ask_for() -> None:
    assert needed(["worker"]) <= set(pins("serve"))
    assert needed(["worker", "embedded"]) <= {*pins("serve"), *pins("embedded")}
    assert needed(["worker", "audit", "compare"]) <= {*pins("serve"), *pins("operate")}
    everything = {*pins("serve"), *pins("embedded"), *pins("operate"), *pins("all")}
    assert needed(["worker", "embedded", "export", "train", "dev"]) <= everything


def test_compose_never_lets_redis_evict_and_makes_the_topics_first() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    command = services["redis"]["command"]
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
    assert services["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert services["worker"]["depends_on"]["topics"]["condition"] == "service_completed_successfully"
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_compose_holds_no_secret_and_every_service_of_ours_a_command_that_there_is() -> None:
    text = (ROOT / "compose.yaml").read_text()
    composed = yaml.safe_load(text)
    targets = re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "worker/Dockerfile").read_text(), re.MULTILINE)
    ours = {name: each for name, each in composed["services"].items() if "build" in each}
    assert {each["build"]["target"] for each in ours.values()} == set(targets)
    known = {mount.name for mount in MOUNTS}
    for name, each in ours.items():
        assert each["command"][0] in known, name
        # What is set is a setting: a misspelt variable would end the service at its start.
        load_settings(environ={key: str(value) for key, value in each["environment"].items()})
        mounted = {volume.split(":")[0] for volume in each.get("volumes", [])}
        assert mounted <= composed["volumes"].keys()
    assert {name for name, each in ours.items() if each.get("profiles") == ["people"]} == {
        "monitor", "labeling", "review",
    }  # fmt: skip
    assert not re.search(r"password|secret|token|api_key", re.sub(r"#.*", "", text), re.IGNORECASE)
