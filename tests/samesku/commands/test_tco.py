from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from samesku.commands.tco import app


def test_the_table_and_what_is_assumed(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["--out", str(tmp_path)])
    assert done.exit_code == 0
    assert "agentic pipeline" in done.output
    assert "gpu_pairs_per_second" in done.output
    assert (tmp_path / "tco.md").is_file()


def test_wrong_inputs_are_wrong_usage(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[cpu_hour]\nvalue = 1\n")
    done = CliRunner().invoke(app, ["--inputs", str(wrong)])
    assert done.exit_code != 0
    assert "cpu_hour" in str(done.exception)
