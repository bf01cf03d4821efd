"""The Faust app: stateless agents that count, and a timer that closes and compares windows.

No tables (they lose and double-count on restart) and no output through Faust. An event is acknowledged by hand, after
it was counted: Faust's own acknowledgement comes also when the agent is cancelled in the middle of one. Redis and
Kafka are asked in threads, so that heartbeats go on while they are waited for.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import faust
from faust.app.base import BootStrategy
from yarl import URL

from schemas.sections import KafkaSettings
from schemas.settings import Settings
from worker.monitor.counting import Counter
from worker.monitor.driver import CommittedTransport, await_isolation
from worker.monitor.store import Place

# Seconds. Faust's defaults leave a killed monitor's partitions alone for a minute.
SESSION_S, HEARTBEAT_S = 6, 2
COMMIT_S = 1.0
_PROTOCOLS = {"PLAIN": "PLAIN", "SCRAM-SHA-256": "SCRAM-SHA-256", "SCRAM-SHA-512": "SCRAM-SHA-512"}


class NoWeb(BootStrategy):
    """Faust's web server would listen on all interfaces."""

    enable_web = False
    enable_kafka_producer = False


class MonitorApp(faust.App):
    """An app that serves nothing and produces nothing."""

    BootStrategy = NoWeb


def build_app(
    settings: Settings,
    datadir: str,
    counter: Counter,
    on_tick: Callable[[], None],
    fail: Callable[[BaseException], None],
) -> Any:
    """The app. `on_tick` runs in a thread every `monitor.poll_s`; `fail` is told what the process must end for."""
    kafka, monitor = settings.kafka, settings.monitor
    servers = str(kafka.client_config()["bootstrap.servers"]).split(",")
    app = MonitorApp(
        monitor.group_id,
        broker=[URL(f"kafka://{server.strip()}") for server in servers],
        broker_credentials=credentials(kafka),
        broker_session_timeout=SESSION_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_client_id=f"{monitor.group_id}-{kafka.slot}",
        broker_commit_interval=COMMIT_S,
        consumer_auto_offset_reset="earliest",
        store="memory://",
        datadir=datadir,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        # A partition is never waited for with its buffer full: what is not acknowledged is read again.
        stream_wait_empty=False,
        autodiscover=False,
    )
    app.transport = CommittedTransport(app.conf.broker_consumer, app)
    # One record at a time, in one thread: the order of a partition is the order in which it is counted.
    counting = ThreadPoolExecutor(1, thread_name_prefix="counting")
    ticking = ThreadPoolExecutor(1, thread_name_prefix="closing")
    names = counter.topics
    app.on_partitions_revoked.connect(_forgetting(counter), weak=False)
    app.on_partitions_assigned.connect(_forgetting(counter), weak=False)

    async def count(stream: Any) -> None:
        async for event in stream.noack().events():
            message = event.message
            place = Place(message.topic, message.partition, message.offset, round(message.timestamp * 1000))
            work = asyncio.get_running_loop().run_in_executor(
                counting, counter.take, place, message.value, message.generation_id
            )
            try:
                await work
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001 - whatever it is, the record is not counted: end, and be read again
                fail(error)
                # Not acknowledged and nothing after it taken, until the process has ended.
                await asyncio.Event().wait()
            event.ack()

    for full in names:
        topic = app.topic(full, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
        app.agent(topic, name=f"count-{full}")(count)

    @app.timer(interval=monitor.poll_s, on_leader=False)  # type: ignore[untyped-decorator]
    async def close_windows() -> None:
        await _guarded(lambda: asyncio.get_running_loop().run_in_executor(ticking, on_tick), fail)

    @app.task()  # type: ignore[untyped-decorator]
    async def check_isolation() -> None:
        await _guarded(lambda: await_isolation(app), fail)

    return app


def _forgetting(counter: Counter) -> Callable[..., Awaitable[None]]:
    async def forget(*_: Any, **__: Any) -> None:
        counter.forget()

    return forget


async def _guarded(step: Callable[[], Awaitable[None]], fail: Callable[[BaseException], None]) -> None:
    try:
        await step()
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - a monitor that no longer closes windows must not look alive
        fail(error)


def credentials(kafka: KafkaSettings) -> Any:
    """Faust's credentials from our settings; None for PLAINTEXT. Raises ValueError for what aiokafka cannot do here."""
    if kafka.security_protocol == "PLAINTEXT":
        return None
    context: ssl.SSLContext | None = None
    if kafka.security_protocol.endswith("SSL"):
        context = ssl.create_default_context(cafile=kafka.ssl_ca_location)
        if kafka.ssl_certificate_location is not None:
            password = kafka.ssl_key_password.get_secret_value() if kafka.ssl_key_password is not None else None
            context.load_cert_chain(kafka.ssl_certificate_location, kafka.ssl_key_location, password)
    if not kafka.security_protocol.startswith("SASL"):
        return faust.SSLCredentials(context=cast(ssl.SSLContext, context))
    if kafka.sasl_mechanism not in _PROTOCOLS:
        raise ValueError(f"kafka.sasl_mechanism {kafka.sasl_mechanism!r}: the monitor knows {', '.join(_PROTOCOLS)}")
    secret = kafka.sasl_password.get_secret_value() if kafka.sasl_password is not None else None
    return faust.SASLCredentials(
        username=kafka.sasl_username, password=secret, ssl_context=context,
        mechanism=_PROTOCOLS[kafka.sasl_mechanism],
    )  # fmt: skip
