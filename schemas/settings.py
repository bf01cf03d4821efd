"""Settings: what is in force, and where each value came from.

Sources, the first that names a key wins: the command line (`overrides`), the environment, the TOML file, the defaults
of `schemas.sections`.

* Environment: `SAMESKU_<SECTION>__<KEY>`, e.g. `SAMESKU_KAFKA__BOOTSTRAP_SERVERS=broker:9092`; lists and tables
  as JSON. An empty variable counts as not set, so that a compose file can pass one on.
* File: `$SAMESKU_CONFIG`, else `samesku.toml` in the working directory if there is one; a table a section.

`Settings(...)` itself reads no source, so that tests and embedded use see exactly what they ask for; `load_settings`
reads the world. Unknown keys are refused with the valid ones named: a misspelt key would be a silent default.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from schemas.labeling_settings import LabelingSettings
from schemas.monitor_settings import MonitorSettings
from schemas.policy import Policy
from schemas.review_settings import ReviewSettings
from schemas.sections import (
    AuditSettings,
    BlockingSettings,
    KafkaSettings,
    LoadSettings,
    LogSettings,
    MetricsSettings,
    RedisSettings,
    StreamSettings,
    StudentSettings,
)
from schemas.upgrades import CompareSettings, ReplaySettings

ENV_PREFIX = "SAMESKU_"
ENV_DELIMITER = "__"
CONFIG_ENV = "SAMESKU_CONFIG"
DEFAULT_FILE = "samesku.toml"

# Variables of ours that are no settings: where the settings, public data sets and caches are.
RESERVED_ENV = frozenset({CONFIG_ENV, "SAMESKU_DATA", "SAMESKU_CACHE"})

SECRET = "**********"


class ConfigError(Exception):
    """A setting cannot be used. The text names the key, its value (unless secret), its source and what is valid."""


class Settings(BaseSettings):
    """All settings, by section. Immutable."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_DELIMITER,
    )

    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    student: StudentSettings = StudentSettings()
    policy: Policy = Policy()
    blocking: BlockingSettings = BlockingSettings()
    stream: StreamSettings = StreamSettings()
    load: LoadSettings = LoadSettings()
    audit: AuditSettings = AuditSettings()
    replay: ReplaySettings = ReplaySettings()
    compare: CompareSettings = CompareSettings()
    review: ReviewSettings = ReviewSettings()
    labeling: LabelingSettings = LabelingSettings()
    monitor: MonitorSettings = MonitorSettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    def need_kafka(self) -> None:
        """Raises ConfigError unless a Kafka is named; asked before anything is built that would only fail later."""
        if not self.kafka.bootstrap_servers:
            raise ConfigError(
                "kafka.bootstrap_servers is not set (SAMESKU_KAFKA__BOOTSTRAP_SERVERS); valid: host:port,..."
            )

    def need_redis(self) -> None:
        """Raises ConfigError unless a Redis is named."""
        if self.redis.url is None:
            raise ConfigError("redis.url is not set (SAMESKU_REDIS__URL); valid: redis://, rediss:// or unix:// URLs")


@dataclass(frozen=True)
class Value:
    """One line of `samesku config`: a key in dotted form, its value fit to be shown, and its source."""

    key: str
    value: Any
    source: str


@dataclass(frozen=True)
class LoadedSettings:
    """The settings in force with their provenance. `sources` holds the keys that are not defaults."""

    settings: Settings
    sources: dict[str, str]

    def values(self) -> list[Value]:
        """Every key in force, in the order of the sections, secrets hidden."""
        return [Value(key, _shown(value), self._source(key)) for key, value in _flatten(self.settings, path=())]

    def _source(self, key: str) -> str:
        parts = key.split(".")
        for end in range(len(parts), 0, -1):
            if (found := self.sources.get(".".join(parts[:end]))) is not None:
                return found
        return "default"


class _Environment(EnvSettingsSource):
    """pydantic-settings' reader of the environment, of a mapping that the caller chooses."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        super().__init__(Settings, case_sensitive=False, env_ignore_empty=True)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._environ.items() if value != ""}


def load_settings(
    config: Path | str | None = None,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """The settings in force. See `load_with_sources`."""
    return load_with_sources(config, overrides, environ).settings


def load_with_sources(
    config: Path | str | None = None,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> LoadedSettings:
    """The settings in force, and which source gave each value.

    `config` is a TOML file (else `$SAMESKU_CONFIG`, else `samesku.toml` if it exists), `overrides` dotted keys from the
    command line (`{"kafka.slot": "1"}`; None counts as not given), `environ` stands in for the process environment.
    Raises ConfigError.
    """
    environ = os.environ if environ is None else environ
    layers = [
        *_file_layer(config, environ),
        ("environment", _environment_layer(environ)),
        ("command line", _override_layer(overrides or {})),
    ]
    merged: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, data in layers:
        _merge(merged, data)
        for key in _leaves(data):
            label = f"{source} {_env_name(_field_of(key))}" if source == "environment" else source
            # A later layer that sets a whole table hides what an earlier one said of its parts, and the reverse.
            for held in [held for held in sources if held.startswith(f"{key}.") or key.startswith(f"{held}.")]:
                del sources[held]
            sources[key] = label
    _check_keys(merged, sources)
    try:
        return LoadedSettings(Settings(**merged), sources)
    except ValidationError as error:
        raise ConfigError(_explain(error, sources)) from error


def _file_layer(config: Path | str | None, environ: Mapping[str, str]) -> list[tuple[str, dict[str, Any]]]:
    named = config if config is not None else environ.get(CONFIG_ENV) or None
    path = Path(named) if named is not None else Path(DEFAULT_FILE)
    if not path.is_file():
        if named is None:
            return []
        origin = "given" if config is not None else CONFIG_ENV
        raise ConfigError(f"settings file {str(path)!r} ({origin}) does not exist")
    try:
        # The source reads the file when it is made; a missing one it would pass over.
        return [(f"file {path}", TomlConfigSettingsSource(Settings, toml_file=path)())]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"settings file {str(path)!r} is not TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"settings file {str(path)!r} cannot be read: {error.strerror}") from error


def _environment_layer(environ: Mapping[str, str]) -> dict[str, Any]:
    ours = {
        name: value
        for name, value in environ.items()
        if name.upper().startswith(ENV_PREFIX) and name.upper() not in RESERVED_ENV and value != ""
    }
    for name in sorted(ours):
        _check_variable(name)
    try:
        return _Environment(ours)()
    except SettingsError as error:
        cause = f" ({error.__cause__})" if error.__cause__ is not None else ""
        raise ConfigError(f"environment: {error}{cause}; tables and lists are written as JSON") from error


def _check_variable(name: str) -> None:
    """pydantic-settings ignores variables that it does not know; we refuse them."""
    path = name.upper().removeprefix(ENV_PREFIX).lower().split(ENV_DELIMITER)
    model: type[BaseModel] = Settings
    for place, part in enumerate(path):
        if part not in model.model_fields:
            valid = [_env_name(".".join([*path[:place], field])) for field in model.model_fields]
            hint = "__<KEY>" if model is Settings else ""
            raise ConfigError(
                f"environment variable {name} names no setting;" + _choices(name.upper(), valid, suffix=hint)
            )
        inner = _section_of(model, part)
        if inner is None:
            # A table of free keys (client_properties) may go on; a plain value may not.
            if place + 1 < len(path) and not _is_table(model, part):
                raise ConfigError(f"environment variable {name}: {'.'.join(path[: place + 1])} holds no further keys")
            return
        model = inner


def _override_layer(overrides: Mapping[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, value in overrides.items():
        if value is None:
            continue
        *tables, last = key.split(".")
        node = data
        for table in tables:
            node = node.setdefault(table, {})
        node[last] = value
    return data


def _merge(into: dict[str, Any], layer: Mapping[str, Any]) -> None:
    for key, value in layer.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = _copy(value)


def _copy(value: Any) -> Any:
    return {key: _copy(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value


def _leaves(data: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[str]:
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*path, str(key)))
        else:
            yield ".".join((*path, str(key)))


def _flatten(model: BaseModel, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _flatten(value, (*path, name))
        elif isinstance(value, dict) and value:
            for key, inner in value.items():
                shown = inner.get_secret_value() if isinstance(inner, SecretStr) and not _looks_secret(key) else inner
                yield ".".join((*path, name, key)), shown
        else:
            yield ".".join((*path, name)), value


def _shown(value: Any) -> Any:
    """Fit to be printed: secrets hidden, models as plain data."""
    if isinstance(value, SecretStr):
        return SECRET
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, tuple | list):
        return [_shown(item) for item in value]
    return value


def _looks_secret(key: str) -> bool:
    return any(word in key.lower() for word in ("password", "secret", "token", "jaas", "key.pem"))


def _section_of(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    annotation = model.model_fields[name].annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _is_table(model: type[BaseModel], name: str) -> bool:
    annotation = model.model_fields[name].annotation
    return getattr(annotation, "__origin__", annotation) is dict


def _field_of(key: str) -> str:
    """The setting that `key` belongs to: a free key inside a table has no variable of its own."""
    model: type[BaseModel] = Settings
    path: list[str] = []
    for part in key.split("."):
        path.append(part)
        inner = _section_of(model, part) if part in model.model_fields else None
        if inner is None:
            break
        model = inner
    return ".".join(path)


def _env_name(key: str) -> str:
    return ENV_PREFIX + key.replace(".", ENV_DELIMITER).upper()


def _check_keys(data: Mapping[str, Any], sources: Mapping[str, str]) -> None:
    def walk(node: Mapping[str, Any], model: type[BaseModel], path: tuple[str, ...]) -> None:
        for key, value in node.items():
            here = ".".join((*path, str(key)))
            if key not in model.model_fields:
                source = next((s for held, s in sources.items() if held == here or held.startswith(f"{here}.")), "")
                valid = [".".join((*path, name)) for name in model.model_fields]
                raise ConfigError(f"unknown setting {here!r} (from the {source});" + _choices(here, valid))
            inner = _section_of(model, str(key))
            if inner is not None and isinstance(value, Mapping):
                walk(value, inner, (*path, str(key)))

    walk(data, Settings, ())


def _choices(given: str, valid: list[str], suffix: str = "") -> str:
    close = difflib.get_close_matches(given, valid, n=1)
    guess = f" did you mean {close[0]}{suffix}?" if close else ""
    return f"{guess} valid here: {', '.join(f'{name}{suffix}' for name in valid)}"


def _explain(error: ValidationError, sources: Mapping[str, str]) -> str:
    lines = []
    for detail in error.errors(include_url=False):
        key = ".".join(str(part) for part in detail["loc"]) or "settings"
        source = next(
            (s for held, s in sources.items() if f"{key}.".startswith(f"{held}.") or held.startswith(f"{key}.")),
            "default",
        )
        # A section that fails as a whole shows no value: its input holds its secrets too.
        plain = detail["input"] if not isinstance(detail["input"], Mapping | BaseModel) else None
        value = "" if plain is None else f" = {SECRET if _is_secret(key) else repr(plain)}"
        lines.append(f"{key}{value} (from the {source}): {detail['msg']}")
    return "\n".join(lines)


def _is_secret(key: str) -> bool:
    model: type[BaseModel] = Settings
    for part in key.split("."):
        if part not in model.model_fields:
            return _looks_secret(key)
        inner = _section_of(model, part)
        if inner is None:
            annotation = model.model_fields[part].annotation
            return SecretStr in (annotation, *get_args(annotation)) or _looks_secret(key)
        model = inner
    return False
