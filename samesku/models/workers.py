"""Which workers there are, and what each of them serves.

The members of the worker group are asked of Kafka; what they serve they say themselves, in Redis
(`worker.registry.heartbeat`). So a worker that is gone is not waited for, and one that has not spoken yet is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import redis
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from samesku.errors import CommandError
from schemas.settings import Settings
from worker.registry.heartbeat import Serving, read
from worker.stream.clients import CLIENT_PREFIX, reader_config
from worker.stream.startup import redis_client
from worker.stream.transaction import kafka_error

# Seconds between two looks of a wait.
LOOK_EVERY = 0.5


@dataclass(frozen=True, slots=True)
class Fleet:
    """The slots that are members of the group, and what they said last; None: nothing yet."""

    slots: dict[str, Serving | None]

    def behind(self, number: int) -> list[str]:
        """Slots that do not serve this deployment or a later one."""
        return [slot for slot, said in self.slots.items() if said is None or said.deployment < number]

    def refused(self, number: int) -> list[Serving]:
        """Workers that could not take on this deployment or a later one."""
        return [said for said in self.slots.values() if said is not None and said.refused >= number]


def fleet(settings: Settings) -> Fleet:
    """The workers of now. Raises CommandError when Kafka or Redis does not answer."""
    kafka = settings.kafka
    try:
        admin = AdminClient(reader_config(kafka))
        asked = admin.describe_consumer_groups([kafka.group_id], request_timeout=kafka.request_timeout_s)
        members = asked[kafka.group_id].result(2 * kafka.request_timeout_s).members
    except KafkaException as error:
        # Since Kafka 4 a group that never had a member is an error; it has none all the same.
        if kafka_error(error).code() == KafkaError.GROUP_ID_NOT_FOUND:
            return Fleet({})
        raise CommandError(f"the group {kafka.group_id} cannot be asked for: {error}") from error
    slots = sorted(
        member.client_id.removeprefix(CLIENT_PREFIX)
        for member in members
        if member.client_id.startswith(CLIENT_PREFIX)
    )  # fmt: skip
    try:
        said = read(redis_client(settings), settings.redis.namespace, slots) if slots else {}
    except redis.RedisError as error:
        raise CommandError(f"redis does not say what the workers serve: {error}") from error
    return Fleet({slot: said.get(slot) for slot in slots})


def wait_for(
    number: int, look: Callable[[], Fleet], seconds: float, tell: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep,
) -> Fleet:  # fmt: skip
    """Wait until every worker serves this deployment (or a later one); `tell` gets a line when something changes.

    Raises CommandError when a worker refused it, or when the time is over.
    """
    deadline, told = clock() + seconds, ""
    while True:
        now = look()
        refused, behind = now.refused(number), now.behind(number)
        if refused:
            lines = "; ".join(f"slot {each.slot} (serves {each.deployment}): {each.refusal}" for each in refused)
            raise CommandError(
                f"deployment {number} was refused: {lines}. Those workers go on with what they serve; mend the bundle "
                "and promote it again, or roll back"
            )
        if not behind:
            return now
        text = f"{len(now.slots) - len(behind)} of {len(now.slots)} workers serve deployment {number}"
        if text != told:
            told = text
            tell(text)
        if clock() >= deadline:
            raise CommandError(f"after {seconds:.0f} s: {text}; missing: slot {', '.join(behind)}")
        sleep(LOOK_EVERY)
