from __future__ import annotations

from pathlib import Path

import pytest

from train.cost.inputs import UNITS, InputsError, read_inputs


def test_every_default_names_its_source() -> None:
    inputs = read_inputs()
    assert list(inputs.numbers) == list(UNITS)
    assert all(len(one.source) > 10 for one in inputs.numbers.values())


def test_a_file_replaces_single_inputs(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('[cpu_hour]\nvalue = 0.2\nbasis = "quoted"\nsource = "our contract"\ndate = "2026-01-02"\n')
    inputs = read_inputs(mine)
    assert inputs["cpu_hour"] == 0.2
    assert inputs["gpu_hour"] == read_inputs()["gpu_hour"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[cpu_hours]\nvalue = 1\n", "no input 'cpu_hours'; there are changes_per_day"),
        ('[cpu_hour]\nvalue = -1\nbasis = "quoted"\nsource = "s"\ndate = "2026-01-02"\n', "cpu_hour: value = -1"),
        (
            '[cpu_hour]\nvalue = 1\nbasis = "guessed"\nsource = "s"\ndate = "2026-01-02"\n',
            "cpu_hour: basis = 'guessed'",
        ),
        ("[cpu_hour]\nvalue = 1\n", "cpu_hour: basis"),
        (
            '[utilisation]\nvalue = 2\nbasis = "assumed"\nsource = "s"\ndate = "2026-01-02"\n',
            "utilisation = 2: at most 1",
        ),
        ('[utilisation]\nvalue = 0\nbasis = "assumed"\nsource = "s"\ndate = "2026-01-02"\n', "must be above 0"),
        ('currency = "dollars"\n', "currency = 'dollars'"),
        ("cpu_hour =", "Invalid value"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str, said: str) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(text)
    with pytest.raises(InputsError, match=said):
        read_inputs(mine)
