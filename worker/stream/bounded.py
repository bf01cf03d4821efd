"""A call of the client that is given up when it does not come back.

librdkafka does not check the time-out of a request that waits for the group's coordinator (its issue 5456): when a
broker is lost and comes back, `send_offsets_to_transaction` may never return, whatever time-out it was given.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from worker.stream.errors import StreamError


class CallLost(StreamError):
    """A call of the client has not come back. Its object must not be used again; the thread stays with it."""


def bounded(call: Callable[[], object], seconds: float, name: str) -> None:
    """Do a call in a thread of its own. Raises what it raises, and CallLost after `seconds`.

    The thread is a daemon, so that a call that never comes back does not hold up the end of the process.
    """
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - raised again where the call was made
            raised.append(error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise CallLost(f"{name} has not come back within {seconds:.0f} s")
    if raised:
        raise raised[0]
