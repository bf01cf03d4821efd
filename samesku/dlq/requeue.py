"""Sending dead letters again: the record as it came, or repaired, to the topic that it came from.

What is sent carries one more header, `samesku-requeued-from`: a letter that comes back is known by it, and is not sent
a second time by accident. Kafka gives each a new offset: for a worker it is a new change.
"""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from samesku.dlq.letters import HEADER_REQUEUED, Letter
from samesku.load.send import DELIVERY_TIMEOUT_MS, QUEUE_FULL_WAIT_S, NotDelivered, producer_config
from schemas.sections import KafkaSettings


def refusal(letter: Letter, known: Sequence[str], again: bool, repaired: bool = False) -> str | None:
    """Why a letter is not sent again; None if it can be. `known` are the topics to which letters may go back."""
    if letter.said is None:
        return letter.why
    if letter.said.source.topic not in known:
        return f"it came from {letter.said.source.topic}, which is no input of these settings"
    if letter.omitted is not None and not repaired:
        return f"its value was too large to be kept ({letter.omitted}): read it at {letter.source}, give --value"
    if letter.requeued and not again:
        return "it was sent again before and refused again; repair it with --value, or insist with --again"
    return None


def requeue(kafka: KafkaSettings, letters: Sequence[Letter], value: bytes | None = None) -> int:
    """Send letters to where they came from and wait for the broker; `value` replaces that of a single one.

    Raises:
        NotDelivered: the broker did not take one; those before it were sent.
    """
    producer, failed = Producer(producer_config(kafka)), list[str]()

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failed.append(error.str())

    for letter in letters:
        if letter.said is None:
            raise ValueError(f"{letter.place} is no dead letter: {letter.why}")
        mark = f"{letter.record.topic}:{letter.place}"
        headers: list[tuple[str, str | bytes | None]] = [*letter.headers, (HEADER_REQUEUED, mark.encode())]
        while True:
            try:
                producer.produce(
                    letter.said.source.topic, key=letter.record.key, headers=headers, on_delivery=delivered,
                    value=letter.record.value if value is None else value,
                )  # fmt: skip
            except BufferError:
                producer.poll(QUEUE_FULL_WAIT_S)
                continue
            except KafkaException as error:
                raise NotDelivered(f"{letter.place}: {error}") from error
            break
        producer.poll(0)
    left = producer.flush(DELIVERY_TIMEOUT_MS / 1000)
    if failed or left:
        raise NotDelivered(failed[0] if failed else f"{left} letters were not acknowledged")
    return len(letters)
