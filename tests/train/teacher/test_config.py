from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from schemas.settings import ConfigError
from train.teacher.config import load_config


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "teacher.toml"
    path.write_text(text)
    return path


def test_a_file_with_what_the_command_line_says_over_it(tmp_path: Path) -> None:
    path = written(tmp_path, 'model = "m"\nconcurrency = 2\n[prices.m]\ninput = 0.5\noutput = 1.5\n')
    found = load_config(path, {"concurrency": 4, "budget": "0.1", "base_url": None})
    assert (found.model, found.concurrency, found.budget) == ("m", 4, Decimal("0.1"))
    assert found.price is not None
    assert found.price.output == Decimal("1.5")
    assert found.sampling() == {"temperature": 0.0, "max_completion_tokens": 800}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("modle = 'm'", "modle: no such setting; did you mean model? valid: base_url, model"),
        ("concurrency = 0", "concurrency = 0: Input should be greater than or equal to 1"),
        ("base_url = 'ftp://x'", "base_url = 'ftp://x': String should match pattern"),
        ("structured = 'xml'", "structured = 'xml': Input should be 'auto', 'json_schema', 'json_object' or 'plain'"),
        ("budget = 5", "budget = 5 needs the price of 'default': [prices.\"default\"]"),
        ("[prices.m]\ninput = 1\noutpt = 2", "prices.m.outpt: no such setting; did you mean output?"),
        ("model =", "is not TOML"),
    ],
)
def test_an_error_names_the_file_the_key_the_value_and_what_is_valid(tmp_path: Path, text: str, told: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert told in str(caught.value)


def test_a_file_is_not_blamed_for_the_command_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, "concurrency = 3"), {"concurrency": 0})
    assert str(caught.value).startswith("concurrency = 0")


def test_the_key_comes_from_the_variable_that_the_settings_name() -> None:
    config = load_config(None, {"api_key_env": "TEACHER_KEY"})
    assert config.api_key({"TEACHER_KEY": "super secret"}) == "super secret"
    with pytest.raises(ConfigError, match="TEACHER_KEY"):
        config.api_key({})
    assert "super secret" not in repr(config)
    assert load_config().api_key({}) == "none"
