"""Faust's Kafka driver as a `read_committed` reader: Faust has no setting for it, and would count aborted decisions.

The isolation level is an argument of aiokafka's consumer, which Faust makes itself; so it is set on the consumer that
Faust has made, before it starts. Should a later version keep it elsewhere, the monitor refuses to start.
"""

from __future__ import annotations

import asyncio
from typing import Any

from faust.transport.drivers import aiokafka as driver

READ_COMMITTED = "read_committed"


class IsolationLost(RuntimeError):
    """This version of aiokafka keeps the isolation level elsewhere: aborted decisions would be counted."""


class CommittedThread(driver.AIOKafkaConsumerThread):
    """The thread in which the consumer lives."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        if not hasattr(consumer, "_isolation_level"):
            raise IsolationLost("AIOKafkaConsumer has no _isolation_level; use the pinned version of aiokafka")
        consumer._isolation_level = READ_COMMITTED
        return consumer


class CommittedConsumer(driver.Consumer):
    """A consumer whose thread reads committed records only."""

    def _new_consumer_thread(self) -> Any:
        return CommittedThread(self, loop=self.loop, beacon=self.beacon)


class CommittedTransport(driver.Transport):
    """The transport that makes such consumers."""

    Consumer = CommittedConsumer


def isolation_of(app: Any) -> int | None:
    """What the running consumer's fetcher asks the broker for: 1 is read_committed; None while there is none."""
    thread = getattr(app.consumer, "_thread", None)
    consumer = getattr(thread, "_consumer", None)
    fetcher = getattr(consumer, "_fetcher", None)
    return getattr(fetcher, "_isolation_level", None)


async def await_isolation(app: Any, seconds: float = 60.0) -> None:
    """Return once the consumer runs with read_committed. Raises IsolationLost when it runs otherwise or never."""
    for _ in range(int(seconds / 0.1)):
        level = isolation_of(app)
        if level is not None:
            if level != 1:
                raise IsolationLost(f"the consumer reads with isolation level {level}, not 1 (read_committed)")
            return
        await asyncio.sleep(0.1)
    raise IsolationLost(f"no consumer whose isolation level could be looked at within {seconds:g} s")
