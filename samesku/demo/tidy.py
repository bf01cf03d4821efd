"""Leave nothing behind on a broker or a Redis that is not the demo's own."""

from __future__ import annotations

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from samesku.embedded import Services
from worker.blocking import server

SCAN_COUNT = 1_000


def remove_traces(services: Services) -> None:
    """Delete the demo's topics from a configured broker and its keys from a configured Redis; ours end anyway.

    What cannot be deleted stays, without a word: the names say whose it is.
    """
    kafka, redis = services.settings.kafka, services.settings.redis
    if services.kafka is None:
        admin = AdminClient({**kafka.client_config()})
        topics = admin.delete_topics([spec.name for spec in kafka.topic_specs()])
        groups = admin.delete_consumer_groups([kafka.group_id])
        for future in (*topics.values(), *groups.values()):
            try:
                future.result(kafka.request_timeout_s)
            except KafkaException:
                continue  # no right to delete, or the broker is gone
    if services.redis is None and redis.url is not None:
        client = server.connect(redis.url.get_secret_value(), timeout=redis.socket_timeout_s)
        for key in client.scan_iter(match=f"{{{redis.namespace}:*", count=SCAN_COUNT):
            client.unlink(key)  # one by one, because a cluster takes only keys of one slot together
        client.close()
