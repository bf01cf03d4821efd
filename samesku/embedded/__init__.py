"""Apache Kafka and Redis of our own, started by pip alone; gone when the process ends, also when it is killed.

What is configured is used; what is not is started on a free loopback port. Non-goal: a place for data that matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from samesku.embedded.supervise import EmbeddedError, EmbeddedServer

if TYPE_CHECKING:
    from samesku.embedded.kafka import EmbeddedKafka
    from samesku.embedded.redis import EmbeddedRedis
    from schemas.settings import Settings

__all__ = ["EmbeddedError", "EmbeddedServer", "Services", "embedded_services"]


@dataclass(frozen=True)
class Services:
    """A broker and a Redis that answer. `settings` names both; `kafka` and `redis` are None where configured."""

    settings: Settings
    bootstrap_servers: str
    redis_url: str
    kafka: EmbeddedKafka | None
    redis: EmbeddedRedis | None

    def detach(self) -> list[int]:
        """Let what was started outlive this process; returns the process ids whose SIGTERM ends it."""
        pids = []
        for server in (self.kafka, self.redis):
            if server is not None:
                pids.append(server.running().supervisor_pid)
                server.detach()
        return pids


@contextmanager
def embedded_services(settings: Settings, directory: Path | None = None) -> Iterator[Services]:
    """The configured broker and Redis, or ours in their stead, until the end of the block.

    `directory` holds both servers' folders and stays; without it they are temporary. Raises EmbeddedError.
    """
    with ExitStack() as stack:
        bootstrap, kafka = settings.kafka.bootstrap_servers, None
        if not bootstrap:
            from samesku.embedded.kafka import EmbeddedKafka

            kafka = stack.enter_context(EmbeddedKafka(directory / "kafka" if directory else None))
            bootstrap = kafka.address
        url, redis = settings.redis.url.get_secret_value() if settings.redis.url else None, None
        if not url:
            from samesku.embedded.redis import EmbeddedRedis

            redis = stack.enter_context(EmbeddedRedis(directory / "redis" if directory else None))
            url = redis.address
        yield Services(_pointed_at(settings, bootstrap, url), bootstrap, url, kafka, redis)


def _pointed_at(settings: Settings, bootstrap: str, url: str) -> Settings:
    from pydantic import SecretStr

    return settings.model_copy(
        update={
            "kafka": settings.kafka.model_copy(update={"bootstrap_servers": bootstrap}),
            "redis": settings.redis.model_copy(update={"url": SecretStr(url)}),
        }
    )
