from __future__ import annotations

from pathlib import Path

import pytest

from schemas.settings import SECRET, ConfigError, Settings, load_settings, load_with_sources


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_defaults_are_complete() -> None:
    assert load_settings(environ={}) == Settings()
    assert {value.source for value in load_with_sources(environ={}).values()} == {"default"}


def test_settings_by_themselves_read_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMESKU_KAFKA__SLOT", "9")
    assert Settings().kafka.slot == "0"
    assert load_settings().kafka.slot == "9"


def test_command_line_before_environment_before_file_before_default(tmp_path: Path) -> None:
    file = tmp_path / "samesku.toml"
    file.write_text('[kafka]\nslot = "file"\ngroup_id = "file"\ntopic_prefix = "file."\n')
    loaded = load_with_sources(
        overrides={"kafka.slot": "cli", "kafka.group_id": None},
        environ={"SAMESKU_KAFKA__SLOT": "env", "samesku_kafka__group_id": "env", "SAMESKU_LOG__LEVEL": ""},
    )
    kafka = loaded.settings.kafka
    assert (kafka.slot, kafka.group_id, kafka.topic_prefix) == ("cli", "env", "file.")
    sources = {value.key: value.source for value in loaded.values()}
    assert sources["kafka.slot"] == "command line"
    assert sources["kafka.group_id"] == "environment SAMESKU_KAFKA__GROUP_ID"
    assert sources["kafka.topic_prefix"] == "file samesku.toml"
    assert sources["kafka.partitions"] == sources["log.level"] == "default"


def test_a_file_may_be_named(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text("[stream]\nbatch_size = 7\n[[stream.lag_policy]]\nlag = 10\nk = 2\n")
    by_name = load_settings(environ={"SAMESKU_CONFIG": str(file)})
    assert by_name == load_settings(file, environ={})
    assert by_name.stream.batch_size == 7
    assert [by_name.stream.k_under_lag(5, lag) for lag in (0, 9, 10, 99)] == [5, 5, 2, 2]


def test_values_that_are_no_text_come_from_the_environment_too() -> None:
    environ = {
        "SAMESKU_STREAM__LAG_POLICY": '[{"lag": 5, "k": 3}, {"lag": 9, "k": 0}]',
        "SAMESKU_POLICY__COSTS__FALSE_MATCH": "3.5",
        "SAMESKU_POLICY__IDENTIFIER_FAST_PATH": "true",
        "SAMESKU_KAFKA__CLIENT_PROPERTIES": '{"client.rack": "eu-1"}',
    }
    loaded = load_with_sources(environ=environ)
    assert loaded.settings.stream.k_under_lag(10, 9) == 0
    assert loaded.settings.policy.costs.false_match == 3.5
    assert loaded.settings.policy.identifier_fast_path
    assert {value.key: value.source for value in loaded.values()}["kafka.client_properties.client.rack"] == (
        "environment SAMESKU_KAFKA__CLIENT_PROPERTIES"
    )
    defaults = [value for value in loaded.values() if value.source == "default"]
    assert len(loaded.values()) - len(defaults) == len(environ)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"SAMESKU_KAFKA_BOOTSTRAP_SERVERS": "x"}, "SAMESKU_KAFKA__<KEY>"),
        ({"SAMESKU_KAFKA__BOOTSTRAP": "x"}, "did you mean SAMESKU_KAFKA__BOOTSTRAP_SERVERS"),
        ({"SAMESKU_STREAM__BATCH_SIZE__MAX": "1"}, "holds no further keys"),
        ({"SAMESKU_KAFKA": '{"bootstrap": "x"}'}, "kafka.bootstrap_servers"),
        ({"SAMESKU_STREAM__LAG_POLICY": "many"}, "JSON"),
    ],
)
def test_unknown_variables_are_refused_with_the_valid_ones(environ: dict[str, str], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        load_settings(environ=environ)


def test_variables_that_are_no_settings_are_left_alone() -> None:
    assert load_settings(environ={"SAMESKU_DATA": "/data", "HOME": "/root", "SAMESKUX": "1"}) == Settings()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[kafka]\nbootstrap = 'x'\n",
            "unknown setting 'kafka.bootstrap' .from the file samesku.toml.*bootstrap_servers",
        ),
        ("[kafak]\nslot = 'x'\n", "did you mean kafka"),
        ("[policy.costs]\nreveiw = 1\n", "did you mean policy.costs.review"),
        ("[kafka\n", "is not TOML"),
        (
            "[stream]\nbatch_size = 0\n",
            "stream.batch_size = 0 .from the file samesku.toml.: .*greater than or equal to 1",
        ),
        ("[student]\nthreads = 'all'\n", "student.threads = 'all'"),
        ("[log]\nlevel = 'loud'\n", "'debug', 'info'"),
        ("[stream]\nlag_policy = [{lag = 5, k = 1}, {lag = 9, k = 2}]\n", "growing lag and shrinking k"),
        ("[stream]\nlag_policy = [{lag = 5, candidates = 1}]\n", "stream.lag_policy.0"),
        ("[kafka]\nsecurity_protocol = 'SASL_SSL'\n", "needs sasl_mechanism"),
        ("[kafka]\ntopic_prefix = 'a b'\n", "topic prefix"),
        ("[kafka.client_properties]\n'enable.auto.commit' = 'true'\n", "enable.auto.commit: set by SameSKU"),
        ("kafka = 7\n", "kafka = 7"),
    ],
)
def test_bad_files_are_refused_by_key_and_value(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "samesku.toml").write_text(text)
    with pytest.raises(ConfigError, match=expected):
        load_settings(environ={})


def test_a_named_file_must_exist() -> None:
    with pytest.raises(ConfigError, match=r"'nowhere.toml' \(SAMESKU_CONFIG\)"):
        load_settings(environ={"SAMESKU_CONFIG": "nowhere.toml"})


def test_unknown_overrides_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"kafka\.slott.*command line.*did you mean kafka\.slot\?"):
        load_settings(overrides={"kafka.slott": "1"}, environ={})


def test_secrets_are_never_shown() -> None:
    environ = {
        "SAMESKU_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
        "SAMESKU_KAFKA__SASL_MECHANISM": "PLAIN",
        "SAMESKU_KAFKA__SASL_PASSWORD": "hunter2",
        "SAMESKU_REDIS__URL": "redis://:hunter2@host:6379/0",
        "SAMESKU_KAFKA__CLIENT_PROPERTIES": '{"sasl.oauthbearer.client.secret": "hunter2", "client.rack": "r"}',
        "SAMESKU_KAFKA__BOOTSTRAP_SERVERS": "broker:9092",
    }
    loaded = load_with_sources(environ=environ)
    shown = {value.key: value.value for value in loaded.values()}
    assert shown["redis.url"] == shown["kafka.sasl_password"] == SECRET
    assert shown["kafka.client_properties.client.rack"] == "r"
    assert "hunter2" not in f"{shown}{loaded.settings!r}{loaded.settings}{loaded.settings.model_dump_json()}"
    assert loaded.settings.kafka.client_config()["sasl.oauthbearer.client.secret"] == "hunter2"
    assert loaded.settings.kafka.client_config()["sasl.password"] == "hunter2"


@pytest.mark.parametrize(
    "environ",
    [
        {"SAMESKU_REDIS__URL": "http://:hunter2@host"},
        {"SAMESKU_REDIS": '{"url": ["hunter2"]}'},
        {"SAMESKU_KAFKA__SASL_PASSWORD": "hunter2", "SAMESKU_KAFKA__SECURITY_PROTOCOL": "SASL_SSL"},
    ],
)
def test_errors_do_not_tell_secrets(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(environ=environ)
    assert "hunter2" not in f"{caught.value}{caught.value.__cause__}"


def test_kafka_clients_get_what_they_need() -> None:
    kafka = load_settings(overrides={"kafka.bootstrap_servers": "b:9092", "kafka.topic_prefix": "t."}, environ={}).kafka
    assert kafka.client_config() == {"bootstrap.servers": "b:9092", "security.protocol": "PLAINTEXT"}
    assert kafka.topic("match.answers") == "t.match.answers"
    assert kafka.transactional_id == "samesku-worker-0"
    with pytest.raises(ValueError, match="SAMESKU_KAFKA__BOOTSTRAP_SERVERS"):
        Settings().kafka.client_config()


def test_lag_asks_for_fewer_candidates_and_never_for_more() -> None:
    stream = Settings().stream
    asked = [stream.k_under_lag(10, lag) for lag in (0, 4_999, 5_000, 20_000, 10**9)]
    assert asked == [10, 10, 5, 3, 1]
    assert stream.k_under_lag(2, 5_000) == 2
