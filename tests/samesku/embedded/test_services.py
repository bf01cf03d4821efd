"""What is configured is used, and only what is not is started."""

from __future__ import annotations

from pathlib import Path

import redis
from pydantic import SecretStr

from samesku.embedded import embedded_services
from samesku.topics import TopicAdmin
from schemas.sections import KafkaSettings, RedisSettings
from schemas.settings import Settings


def test_both_are_started_and_the_settings_point_at_them(tmp_path: Path) -> None:
    with embedded_services(Settings(), tmp_path) as services:
        assert services.kafka is not None
        assert services.redis is not None
        assert TopicAdmin(services.settings.kafka.client_config()).standing([]) == {}
        assert services.settings.redis.url is not None
        with redis.Redis.from_url(services.settings.redis.url.get_secret_value()) as client:
            assert client.ping()
    assert (tmp_path / "kafka" / "server.properties").is_file()


def test_what_is_configured_is_not_started() -> None:
    url = "redis://user:secret@cache.example:6379/1"
    settings = Settings(
        kafka=KafkaSettings(bootstrap_servers="broker.example:9092"), redis=RedisSettings(url=SecretStr(url))
    )
    with embedded_services(settings) as services:
        assert services.kafka is None
        assert services.redis is None
        assert services.bootstrap_servers == "broker.example:9092"
        assert services.redis_url == url
        assert services.settings == settings


def test_one_of_two_is_started(redis_url: str) -> None:
    settings = Settings(kafka=KafkaSettings(bootstrap_servers="broker.example:9092"))
    with embedded_services(settings) as services:
        assert services.kafka is None
        assert services.redis is not None
        assert services.redis_url != redis_url
