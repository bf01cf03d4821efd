from __future__ import annotations

import pytest

from schemas.sections import BlockingSettings as Section
from schemas.sections import RedisSettings
from worker.blocking import BlockingSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [("namespace", "a{b}"), ("shards", 0), ("max_read", 0), ("b", 2.0), ("average_length", 0.0), ("idf", "none")],
)
def test_nonsense_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        BlockingSettings(**{name: value})  # type: ignore[arg-type]


def test_the_format_changes_with_what_is_stored_and_with_nothing_else() -> None:
    base = BlockingSettings()
    assert BlockingSettings(shards=2).format != base.format
    assert BlockingSettings(average_length=50).format != base.format
    assert BlockingSettings(max_read=5, idf="fixed", namespace="other").format == base.format


def test_the_projects_defaults_are_these() -> None:
    assert BlockingSettings.from_sections(Section(), RedisSettings()) == BlockingSettings()
