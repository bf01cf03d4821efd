"""`samesku topics apply|check`: the topics on the configured broker."""

from __future__ import annotations

import typer

from samesku.topics import Finding, TopicAdmin
from schemas.sections import KafkaSettings
from schemas.settings import ConfigError, load_settings
from schemas.topics import TopicSpec

app = typer.Typer(no_args_is_help=True, help="Make the topics, or check that they are as they must be.")

FOUND_EXIT = 1


def connect(settings: KafkaSettings) -> TopicAdmin:
    """The configured broker's topics. Raises ConfigError when none is configured."""
    try:
        return TopicAdmin(settings.client_config(), settings.request_timeout_s)
    except ValueError as error:
        raise ConfigError(f"{error}; valid: host:port, comma-separated") from error


@app.command()
def apply() -> None:
    """Create what is missing and set what differs. Never changes a number of partitions, never deletes."""
    settings = load_settings().kafka
    admin, specs = connect(settings), settings.topic_specs()
    for finding in admin.apply(specs):
        done = "created" if finding.kind == "missing" else f"{finding.key}: {finding.found} -> {finding.wanted}"
        typer.echo(f"{finding.topic}: {done}")
    finish(admin.check(specs), specs)


@app.command()
def check() -> None:
    """Say what differs from what SameSKU needs; exit code 1 if anything does."""
    settings = load_settings().kafka
    specs = settings.topic_specs()
    finish(connect(settings).check(specs), specs)


def finish(findings: list[Finding], specs: list[TopicSpec]) -> None:
    """Print what is wrong, or that nothing is."""
    for finding in findings:
        typer.echo(str(finding), err=True)
    if any(finding.fixable for finding in findings):
        typer.echo("`samesku topics apply` puts right what is missing or configured otherwise.", err=True)
    if findings:
        raise typer.Exit(FOUND_EXIT)
    typer.echo(f"all {len(specs)} topics are as they must be")
