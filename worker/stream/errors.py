"""Why the loop stops, waits, or sets an event aside. Non-goal: what is wrong with an event (`schemas.events`)."""

from __future__ import annotations


class StreamError(Exception):
    """Base of the loop's own errors."""


class StartupRefused(StreamError):
    """The worker must not start like this: the message names what is wrong and what to do. Exit code 2."""


class Unavailable(StreamError):
    """Kafka or Redis cannot be reached: nothing is wrong with the events, so wait and do the same again."""

    def __init__(self, system: str, detail: str) -> None:
        self.system = system
        self.detail = detail
        super().__init__(f"{system} is unavailable: {detail}")


class IndexNotWhole(StreamError):
    """The index lost something (another generation, or an applied offset that went backwards): restore, then go on."""


class BatchAborted(StreamError):
    """The transaction was aborted and nothing of it is visible; the batch must be done again."""


class BatchRejected(StreamError):
    """The broker will never take this batch's records (too large, invalid): halve it."""


class ProducerReplaced(StreamError):
    """The producer had to be replaced; whether the last transaction was committed is known to the broker alone."""


class FencedByTwin(StreamError):
    """Another process uses this worker's slot, again and again. Exit code 3."""


class RevokedMidBatch(StreamError):
    """Partitions went to another worker while their batch was at work; that worker does it."""


class Stopping(StreamError):
    """A wait ended because the worker was asked to stop."""
