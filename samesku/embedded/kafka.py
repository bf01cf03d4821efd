"""Apache Kafka of our own for the demo and the tests: one KRaft node, loopback only, in a folder of its own.

Non-goals: durability beyond the process, more than one node, security.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from samesku.embedded.java import find_java, kafka_class_path
from samesku.embedded.supervise import EmbeddedError, EmbeddedServer, ServerProcess

CLUSTER_ID = "c2FtZXNrdS1lbWJlZGRlZA"
"""Any 16 bytes in URL-safe base64 will do; this is `samesku-embedded`. Not a secret."""

JVM_FLAGS = (
    "-Xmx512m",
    "-XX:TieredStopAtLevel=1",  # starts in half the time; a small broker never needs the second compiler
    "-XX:+UseSerialGC",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)

FORMAT_SECONDS = 120.0

READY_SECONDS = 5.0
"""For one look at whether the broker answers a metadata request."""

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    # One node: every internal topic has one replica, and few partitions, as each costs start-up time.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # Topics are made by `samesku topics apply`, never by a typing error.
    "auto.create.topics.enable": "false",
    # Groups form at once, and a killed member is missed in seconds where a test asks for it.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # Short transaction time-outs are kept promptly (default 10 s).
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # The default of 128 MB is a quarter of this heap.
    "log.cleaner.dedupe.buffer.size": "16777216",
}


class EmbeddedKafka(EmbeddedServer):
    """One broker on a loopback port that stays the same over stop and start; its data survive both."""

    name = "kafka"
    port_count = 2

    @property
    def address(self) -> str:
        """The bootstrap servers, `127.0.0.1:PORT`."""
        return f"127.0.0.1:{self.ports[0]}"

    def prepare(self) -> list[str]:
        """Write the settings, format the log folder the first time, and return the command."""
        java, class_path = str(find_java()), kafka_class_path()
        data = self.folder.path / "data"
        properties = self.folder.path / "server.properties"
        properties.write_text(self._properties(data))
        if not (data / "meta.properties").exists():
            self._format([java, "-cp", class_path, *JVM_FLAGS, "kafka.tools.StorageTool"], properties)
        # Native libraries are unpacked there; in the system's folder those of a killed broker would stay for ever.
        own_tmp = f"-Djava.io.tmpdir={self.folder.path}"
        return [java, *JVM_FLAGS, own_tmp, "-cp", class_path, "kafka.Kafka", str(properties)]

    def is_ready(self, process: ServerProcess) -> bool:
        """Whether the broker, and not another on the same port, lists its topics."""
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        try:
            metadata = admin.list_topics(timeout=READY_SECONDS)
        except KafkaException:
            return False
        return str(metadata.cluster_id) == CLUSTER_ID and process.is_alive()

    def _properties(self, data: Path) -> str:
        client, controller = self.ports
        addresses = {
            "listeners": f"PLAINTEXT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{client}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "log.dirs": str(data),
        }
        return "".join(f"{key}={value}\n" for key, value in (SETTINGS | addresses).items())

    def _format(self, tool: list[str], properties: Path) -> None:
        done = subprocess.run(
            [*tool, "format", "-t", CLUSTER_ID, "-c", str(properties)],
            capture_output=True,
            text=True,
            timeout=FORMAT_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise EmbeddedError(f"Kafka's storage could not be formatted:\n{done.stdout}{done.stderr}")
