"""The records of `match.models`: reading them in order, and writing one.

One partition, so that offsets order everything; `read_committed`, as all readers of ours. A reader is assigned by hand
and belongs to no group: every worker reads everything.
"""

from __future__ import annotations

from typing import Any

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from pydantic import ValidationError

from schemas.deployment import BUNDLE_KEY, DEPLOYMENT_KEY, Deployment, RegisteredBundle
from schemas.events import dumps, event_headers
from schemas.sections import KafkaSettings
from schemas.topics import MODELS, PARTITIONER
from worker.registry.failures import RegistryUnreadable
from worker.registry.state import RegistryState
from worker.stream.clients import assigned_config, reader_config
from worker.stream.errors import Unavailable

# Records of one look: a registry has dozens, so that one look is all.
LOOK = 500
# Seconds of one wait for records while reading to the end.
WAIT = 1.0


class EntryReader:
    """Reads the topic from its start into `state`. Two ways: `to_end` waits, `look` never does."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self.topic = kafka.topic(MODELS)
        self.state = RegistryState()
        self.unreadable: list[str] = []
        """Records that are no entries; they count for nothing, for every reader alike."""
        self._timeout = kafka.request_timeout_s
        self._consumer = Consumer(assigned_config(kafka, "models", "earliest"))
        self._consumer.assign([TopicPartition(self.topic, 0, OFFSET_BEGINNING)])
        self._next = 0

    def to_end(self) -> RegistryState:
        """The state up to the end of now. A topic that does not exist holds nothing.

        Raises Unavailable (no broker answers) and schemas.events.UnknownMajorVersion.
        """
        end = self._end()
        silent = 0.0
        while self._next < end:
            before = self._next
            self._take(WAIT)
            silent = 0.0 if self._next > before else silent + WAIT
            if silent > self._timeout:
                raise Unavailable("kafka", f"{self.topic} gives nothing more before offset {end}")
        return self.state

    def look(self) -> bool:
        """Take what has come since, without waiting; whether anything did.

        Raises schemas.events.UnknownMajorVersion; nothing may be read after that.
        """
        return self._take(0)

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def _end(self) -> int:
        try:
            found = self._consumer.list_topics(self.topic, timeout=self._timeout).topics[self.topic]
            if found.error is not None and found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return 0
            return int(self._consumer.get_watermark_offsets(TopicPartition(self.topic, 0), timeout=self._timeout)[1])
        except KafkaException as error:
            raise Unavailable("kafka", str(error)) from error

    def _take(self, seconds: float) -> bool:
        came = False
        for message in self._consumer.consume(LOOK, timeout=seconds):
            error, offset = message.error(), message.offset()
            if offset is None:
                continue
            if error is not None:
                # The end's "offset" is that of the next record: compaction may have taken what stood before it.
                if error.code() == KafkaError._PARTITION_EOF:
                    self._next = max(self._next, offset)
                continue  # everything else is retried by the client itself
            try:
                entry = read_entry(message.key(), message.value(), f"{self.topic}@{offset}")
            except RegistryUnreadable as unreadable:
                self.unreadable.append(str(unreadable))
                entry = None
            if entry is not None:
                self.state.apply(offset, entry)
                came = True
            self._next = offset + 1
        return came


def read_entry(key: Any, value: Any, where: str) -> RegisteredBundle | Deployment | None:
    """What a record says; None for a removed one and for a kind that a newer version may write.

    Raises RegistryUnreadable for one that should be readable and is not, and
    schemas.events.UnknownMajorVersion.
    """
    name = key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key or "")
    if value is None:
        return None
    try:
        if name.startswith(BUNDLE_KEY):
            return RegisteredBundle.model_validate(orjson.loads(value))
        if name.startswith(DEPLOYMENT_KEY):
            return Deployment.model_validate(orjson.loads(value))
    except (orjson.JSONDecodeError, ValidationError) as error:
        raise RegistryUnreadable(f"{where} ({name}) is no entry that this version can read: {error}") from error
    return None


def write_entry(kafka: KafkaSettings, entry: RegisteredBundle | Deployment) -> None:
    """Append one entry; it is on the broker when this returns.

    An idempotent producer, no transaction: one record is atomic by itself. Raises Unavailable; the record may then be
    there all the same, which reading back tells.
    """
    failed: list[KafkaError] = []
    producer = Producer(
        {
            **reader_config(kafka),
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": PARTITIONER,
            "message.timeout.ms": int(1000 * kafka.request_timeout_s),
        }
    )
    producer.produce(
        kafka.topic(MODELS), key=entry.key.encode(), value=dumps(entry), headers=[*event_headers(entry)], partition=0,
        on_delivery=lambda error, _: failed.append(error) if error is not None else None,
    )  # fmt: skip
    left = producer.flush(2 * kafka.request_timeout_s)
    if failed or left:
        raise Unavailable("kafka", str(failed[0]) if failed else f"{kafka.topic(MODELS)} took no record in time")
