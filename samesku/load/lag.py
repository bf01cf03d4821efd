"""How far the workers' group is behind, and how many changes may be sent before it is looked at again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from schemas.sections import KafkaSettings

_PASSING = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        # A partition that was just made, or whose leader moves.
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
    }
)
RETRY_S = 0.2


class LagUnknown(Exception):
    """The broker did not say how far the group is; the text names the cause."""


class GroupLag:
    """The lag of one group on one topic, over all partitions, in records (the input has no transaction markers)."""

    def __init__(self, kafka: KafkaSettings, topic: str) -> None:
        self._topic, self._group, self._timeout = topic, kafka.group_id, kafka.request_timeout_s
        # Asks in the group's name and never joins it; read_uncommitted, so that it does not wait for open transactions.
        self._consumer = Consumer(
            {
                **kafka.client_config(),
                "group.id": kafka.group_id,
                "enable.auto.commit": False,
                "isolation.level": "read_uncommitted",
            }
        )

    def __call__(self) -> int:
        """Records that the group has not committed yet; what it never committed counts from the log's start.

        Blocks up to one time-out per request. Raises LagUnknown.
        """
        patient = Retrying(
            retry=retry_if_exception(_is_passing),
            stop=stop_after_delay(self._timeout),
            wait=wait_fixed(RETRY_S),
            reraise=True,
        )
        try:
            return int(patient(lambda: sum(self._partition_lags())))
        except KafkaException as error:
            raise LagUnknown(f"the lag of group {self._group!r} on {self._topic!r} is unknown: {error}") from error

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()

    def _partition_lags(self) -> Iterator[int]:
        metadata = self._consumer.list_topics(self._topic, timeout=self._timeout).topics[self._topic]
        partitions = [TopicPartition(self._topic, number) for number in metadata.partitions]
        for each in self._consumer.committed(partitions, timeout=self._timeout):
            if each.error is not None:
                raise KafkaException(each.error)
            start, end = self._consumer.get_watermark_offsets(each, timeout=self._timeout)
            yield max(0, end - max(each.offset, start))


def _is_passing(error: BaseException) -> bool:
    """Whether a coordinator or a leader is just moving or starting, as they do when a broker has restarted."""
    return isinstance(error, KafkaException) and error.args[0].code() in _PASSING


class Waiter(Protocol):
    """Waits that many seconds, and does something useful meanwhile."""

    def __call__(self, seconds: float) -> object: ...


class Gate:
    """Lets at most `max_lag` changes wait for the workers at any time. `max_lag` 0: no limit.

    The lag is asked for only when the last answer's room is used up, so that a fast group costs few requests.
    """

    def __init__(
        self, lag: Callable[[], int], max_lag: int, poll_s: float, wait: Waiter, waiting: Callable[[int], None]
    ) -> None:
        self._lag, self._max_lag, self._poll_s, self._wait, self._waiting = lag, max_lag, poll_s, wait, waiting
        self._room = 0

    def pass_one(self) -> None:
        """Return when one more change may be sent; `waiting(lag)` is told when it must wait. Raises LagUnknown."""
        if not self._max_lag:
            return
        while self._room <= 0:
            lag = self._lag()
            self._room = self._max_lag - lag
            if self._room <= 0:
                self._waiting(lag)
                self._wait(self._poll_s)
        self._room -= 1
