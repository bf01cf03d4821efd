"""The sections of the settings: every key, its default and the reason for it.

Where a value comes from (environment, file, command line) is `schemas.settings`. Unknown keys are refused here.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from schemas.policy import Policy
from schemas.topics import DEFAULT_PARTITIONS, TopicSpec, topic_name, topic_specs

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Millis = Annotated[int, Field(gt=0, le=86_400_000)]
Positive = Annotated[int, Field(ge=1)]

# What Kafka allows in a topic's name; the prefix is the start of one.
_PREFIX = re.compile(r"[A-Za-z0-9._-]{0,100}")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")

# Set by us because the promises depend on them; a client property may not undo that.
RESERVED_CLIENT_PROPERTIES = frozenset(
    {
        "bootstrap.servers",
        "group.id",
        "transactional.id",
        "enable.auto.commit",
        "enable.idempotence",
        "isolation.level",
        "partitioner",
        "acks",
    }
)


class Section(BaseModel):
    """Base of all sections: immutable, and unknown keys are errors (an ignored typing error is a silent default)."""

    # Inputs stay out of error texts: they may be secrets.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class KafkaSettings(Section):
    """Which broker, who we are, and how patient we are."""

    bootstrap_servers: str | None = Field(
        default=None, description="host:port, comma-separated; unset: `samesku demo` starts its own, a worker refuses"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_ca_location: str | None = Field(default=None, description="file of CA certificates")
    ssl_certificate_location: str | None = None
    ssl_key_location: str | None = None
    ssl_key_password: SecretStr | None = None
    client_properties: dict[str, SecretStr] = Field(
        # Any of them may be a password or a token.
        default_factory=dict,
        description="more librdkafka properties, for producers and consumers alike",
    )
    group_id: str = Field(default="samesku-worker", min_length=1)
    transactional_id_prefix: str = Field(default="samesku-worker", description="one per group and cluster")
    slot: str = Field(
        default="0",
        description="name of this worker among its group, stable over restarts (a StatefulSet's ordinal): makes the "
        "transactional.id, so that a restarted worker fences its dead predecessor",
    )
    topic_prefix: str = Field(default="", description="before every topic's name, e.g. 'shop.'")
    partitions: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=DEFAULT_PARTITIONS, description="of every topic that `samesku topics apply` creates"
    )
    replication_factor: Annotated[int, Field(ge=1, le=32)] = Field(
        default=1, description="3 in production; 1 is all that a single broker can do"
    )
    group_protocol: Literal["classic", "consumer"] = Field(
        default="classic", description="'consumer' is KIP-848: calmer rebalances, but a join takes 5 s"
    )
    # Longer than the slowest batch: otherwise the broker aborts a live transaction. It begins only after judging,
    # so a minute is ample, and it is how long a dead worker that never returns can hold back readers.
    transaction_timeout_ms: Millis = 60_000
    # A killed worker's partitions stand still this long; below 6 s a busy host loses its membership for nothing.
    session_timeout_ms: Millis = 10_000
    # Longest time between two polls. Judging happens between them: 32 changes of 10 candidates at 12 pairs/s are 27 s.
    max_poll_interval_ms: Millis = 300_000
    request_timeout_s: Seconds = Field(default=30.0, description="for one blocking call to the broker")

    @field_validator("topic_prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        if _PREFIX.fullmatch(value) is None:
            raise ValueError("a topic prefix has up to 100 of A-Z a-z 0-9 . _ -")
        return value

    @field_validator("slot", "transactional_id_prefix")
    @classmethod
    def _name(cls, value: str) -> str:
        if _NAME.fullmatch(value) is None:
            raise ValueError("needs 1 to 100 of A-Z a-z 0-9 . _ -")
        return value

    @field_validator("client_properties")
    @classmethod
    def _not_reserved(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        if taken := sorted(RESERVED_CLIENT_PROPERTIES & value.keys()):
            raise ValueError(f"{', '.join(taken)}: set by SameSKU, because its promises depend on it")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.security_protocol.startswith("SASL") and self.sasl_mechanism is None:
            raise ValueError(f"security_protocol {self.security_protocol} needs sasl_mechanism")
        if self.session_timeout_ms > self.max_poll_interval_ms:
            raise ValueError("session_timeout_ms must not exceed max_poll_interval_ms")
        return self

    @property
    def transactional_id(self) -> str:
        """Stable over restarts of one slot, and different for each slot of the group."""
        return f"{self.transactional_id_prefix}-{self.slot}"

    def topic(self, name: str) -> str:
        """Full name of one of `schemas.topics`, with the prefix."""
        return topic_name(name, self.topic_prefix)

    def topic_specs(self) -> list[TopicSpec]:
        """All topics as this cluster should have them."""
        return topic_specs(self.topic_prefix, self.partitions, self.replication_factor)

    def client_config(self) -> dict[str, str]:
        """librdkafka properties that every client of ours needs, secrets in clear: never log it.

        Raises ValueError without bootstrap servers.
        """
        if not self.bootstrap_servers:
            raise ValueError("kafka.bootstrap_servers is not set (SAMESKU_KAFKA__BOOTSTRAP_SERVERS)")
        named: dict[str, str | SecretStr | None] = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security_protocol,
            "sasl.mechanism": self.sasl_mechanism,
            "sasl.username": self.sasl_username,
            "sasl.password": self.sasl_password,
            "ssl.ca.location": self.ssl_ca_location,
            "ssl.certificate.location": self.ssl_certificate_location,
            "ssl.key.location": self.ssl_key_location,
            "ssl.key.password": self.ssl_key_password,
        }
        ours = {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in named.items()
            if value is not None
        }
        return {**{name: value.get_secret_value() for name, value in self.client_properties.items()}, **ours}


class RedisSettings(Section):
    """Which Redis, and how patient we are."""

    url: SecretStr | None = Field(
        default=None,
        description="redis://[user:password@]host:port/db, rediss:// or unix://; unset: `samesku demo` starts its own",
    )
    namespace: str = Field(default="samesku", description="before every key, so that several indexes share a Redis")
    # Longer than the slowest script (tens of ms at a million offers), shorter than the session time-out, so that a
    # hung Redis is noticed while the worker is still a member of its group.
    socket_timeout_s: Seconds = 5.0
    connect_timeout_s: Seconds = 2.0
    health_check_interval_s: Seconds = Field(default=30.0, description="ping a connection that was idle so long")

    @field_validator("namespace")
    @classmethod
    def _namespace(cls, value: str) -> str:
        # Braces would be read as a Redis Cluster hash tag.
        if _NAME.fullmatch(value) is None:
            raise ValueError("needs 1 to 100 of A-Z a-z 0-9 . _ -")
        return value

    @field_validator("url")
    @classmethod
    def _scheme(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.match(r"(rediss?|unix)://", value.get_secret_value()):
            raise ValueError("needs to start with redis://, rediss:// or unix://")
        return value


class StudentSettings(Section):
    """Which student judges, on what."""

    bundle: str = Field(default="default", description="folder of a bundle, or 'default' for the committed student")
    threads: Annotated[int, Field(ge=0, le=1024)] = Field(default=0, description="0: as many as there are cores")
    cache_dir: str | None = Field(default=None, description="where built bundles are kept; unset: the user's cache")


class BlockingSettings(Section):
    """Which offers are put to the student. The keys but `k` are those of `worker.blocking`, where the formula stands.

    `shards`, `k1`, `b` and `average_length` are baked into what Redis stores: another value is another index
    generation, and the worker rebuilds the index.
    """

    k: Annotated[int, Field(ge=1, le=1000)] = Field(
        # Recall@10 on Abt-Buy is above 98%; every further candidate costs a judgement.
        default=10,
        description="candidates per change, beside its live links",
    )
    shards: Annotated[int, Field(ge=1, le=4096)] = Field(
        default=1, description="hash tags of the postings: 1 for one server, several per node of a cluster"
    )
    k1: Annotated[float, Field(ge=0, le=10)] = Field(default=1.2, description="BM25 term saturation")
    b: Annotated[float, Field(ge=0, le=1)] = Field(default=0.75, description="BM25 length normalisation")
    average_length: Annotated[float, Field(gt=0, le=10_000)] = Field(
        default=46.0, description="trigrams in an average offer; 46 is the mean of Abt-Buy's titles"
    )
    idf: Literal["live", "fixed"] = Field(
        default="live", description="'fixed' weighs all trigrams alike, so that scores do not depend on arrival order"
    )
    fixed_idf: Annotated[float, Field(gt=0, le=100)] = 4.0
    identifier_boost: Annotated[float, Field(ge=0, le=1000)] = Field(
        default=3.0, description="factor on the idf of an equal GTIN or model number"
    )
    max_posting: Positive = Field(
        default=2_000, description="a trigram in more offers is not looked up: it says little and costs 1 us an offer"
    )
    max_read: Positive = Field(default=10_000, description="postings read per look-up at most, rarest trigrams first")
    min_score: Annotated[float, Field(ge=0)] = Field(default=0.0, description="candidates below it are dropped")
    exclude_same_source: bool = Field(default=False, description="never name an offer of the query's own seller")
    marker_days: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="how long a deleted offer's marker is kept; unset: for ever"
    )


class LagStep(Section):
    """From `lag` changes behind, ask for `k` candidates."""

    lag: Positive
    k: Annotated[int, Field(ge=0, le=1000)] = Field(description="0: only live links are judged again")


class StreamSettings(Section):
    """The loop: how much at a time, and what to do when it is too much."""

    # A batch is one transaction: large enough to share its 5-90 ms, small enough to end in half a minute on two cores.
    batch_size: Annotated[int, Field(ge=1, le=10_000)] = 32
    max_wait_ms: Millis = Field(default=200, description="a batch is closed after this long, however small")
    lag_policy: tuple[LagStep, ...] = Field(
        # Each step doubles the speed at least; the first comes when a two-core worker is an hour behind.
        default=(LagStep(lag=5_000, k=5), LagStep(lag=20_000, k=3), LagStep(lag=100_000, k=1)),
        description="candidates under lag (changes that wait in this worker's partitions); the answer says so",
    )
    dead_letter_max_count: Positive = Field(
        default=1_000, description="more dead letters in the window stop the worker: something else is wrong"
    )
    dead_letter_max_share: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.5, description="or more than this share of the changes of the window, once it holds 100 of them"
    )
    dead_letter_window_s: Seconds = 300.0
    recheck_rounds: Annotated[int, Field(ge=1, le=100)] = Field(
        default=3,
        description="judge a pair again this often when an offer moved meanwhile; after that it is published as "
        "judged, and whoever moved the offer judges it again, because the link was there before",
    )
    pair_order: Literal["query_first", "first_id"] = Field(
        default="query_first",
        description="which offer stands first in the prompt: the changed one (its tokens are computed once for all its "
        "candidates), or the pair's first id (a verdict then depends on no arrival order; about half of the candidates "
        "cost a prompt prefix more)",
    )
    poison_attempts: Annotated[int, Field(ge=1, le=100)] = Field(
        default=3, description="a single change that fails this often by itself is dead-lettered"
    )
    # The rest of the group waits for us meanwhile, and a classic group gives us up after max_poll_interval_ms.
    revoke_deadline_s: Seconds = Field(
        default=20.0, description="one deadline for all that happens when partitions are taken away"
    )
    shutdown_deadline_s: Seconds = Field(default=25.0, description="after SIGTERM; Kubernetes kills after 30")
    # Soon, because most outages are a dropped connection; never long, so that a system that is back is used at once.
    backoff_initial_s: Seconds = 0.2
    backoff_max_s: Seconds = 5.0

    @field_validator("lag_policy")
    @classmethod
    def _monotone(cls, value: tuple[LagStep, ...]) -> tuple[LagStep, ...]:
        for before, after in pairwise(value):
            if not (before.lag < after.lag and before.k >= after.k):
                raise ValueError("steps need growing lag and shrinking k")
        return value

    @model_validator(mode="after")
    def _backoff(self) -> Self:
        if self.backoff_initial_s > self.backoff_max_s:
            raise ValueError("backoff_initial_s must not exceed backoff_max_s")
        return self

    def k_under_lag(self, k: int, lag: int) -> int:
        """How many candidates to ask for when the settings say `k` and `lag` changes wait."""
        for step in reversed(self.lag_policy):
            if lag >= step.lag:
                return min(k, step.k)
        return k


class LoadSettings(Section):
    """`samesku load`: a bulk load that gives way to live changes."""

    max_lag: Positive = Field(
        default=2_000, description="wait while the workers are more changes than this behind, over all partitions"
    )
    poll_interval_s: Seconds = Field(default=1.0, description="how often the lag is looked at")


class AuditSettings(Section):
    """The audit store: where it is, how often the sink writes, how long decisions are kept."""

    root: str = Field(
        default="audit", description="a folder, or a URL for fsspec (s3://bucket/audit; install its package, e.g. s3fs)"
    )
    group_id: str = Field(
        default="samesku-audit",
        min_length=1,
        description="consumer group of the sinks: it shares out partitions; where a sink goes on, the files say",
    )
    # Each flush is a file per partition: half a minute is soon enough for an audit, and compaction has little to do.
    flush_s: Seconds = Field(default=30.0, description="records are written at the latest after this long")
    flush_rows: Positive = Field(default=20_000, description="or when a partition has so many of them")
    # 64 MB of columns, uncompressed: what a look-up opens beside its row group stays small.
    part_rows: Positive = Field(default=250_000, description="rows of a file that compaction writes, at most")
    fan: Annotated[int, Field(ge=2, le=1000)] = Field(
        default=8, description="neighbouring files of a size that are merged into one"
    )
    auto_compact: bool = Field(default=True, description="the sink merges files itself, beside its reading")
    retention_days: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="`samesku audit expire` drops older decisions that do not stand; unset: keep all"
    )
    memory_mb: Annotated[int, Field(ge=64, le=1_048_576)] = Field(
        default=1_024, description="what DuckDB may use; beyond it spills to disk"
    )
    threads: Annotated[int, Field(ge=0, le=1024)] = Field(default=0, description="of DuckDB; 0: all cores")


class LogSettings(Section):
    """What is said, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    json_lines: bool | None = Field(default=None, description="unset: JSON, but for a terminal")


class MetricsSettings(Section):
    """Where Prometheus reads."""

    port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        default=0, description="of /metrics, /livez and /readyz; 0: no endpoint"
    )
    # A worker is not a web server: it is reachable from elsewhere only if somebody says so.
    host: str = "127.0.0.1"
    # Far above the slowest step, and below kafka.max_poll_interval_ms, after which the group gives the work to others.
    stuck_after_s: Annotated[float, Field(gt=0)] = Field(
        default=120.0, description="without progress for so long a process is stuck: it says where, and fails /livez"
    )


__all__ = [
    "AuditSettings",
    "BlockingSettings",
    "KafkaSettings",
    "LagStep",
    "LoadSettings",
    "LogSettings",
    "MetricsSettings",
    "Policy",
    "RedisSettings",
    "Section",
    "StreamSettings",
    "StudentSettings",
]
