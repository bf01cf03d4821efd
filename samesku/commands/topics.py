"""`samesku topics apply|check`: the topics on the configured broker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from samesku.partitioning import KEYED, SAMPLE, sample_topic
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
def check(
    records: Annotated[
        int, typer.Option(min=0, help="Newest records of a partition whose keys are checked; 0: none.")
    ] = SAMPLE,
) -> None:
    """Say what differs from what SameSKU needs; exit code 1 if anything does."""
    settings = load_settings().kafka
    admin, specs = connect(settings), settings.topic_specs()
    findings = admin.check(specs)
    missing = {finding.topic for finding in findings if finding.kind == "missing"}
    misplaced = []
    for spec in specs:
        if records and spec.topic.name in KEYED and spec.name not in missing:
            sampled = sample_topic(settings.client_config(), spec.name, settings.request_timeout_s, records)
            misplaced += sampled.problems()
    finish(findings, specs, misplaced)


def finish(findings: Sequence[Finding], specs: Sequence[TopicSpec], misplaced: Sequence[str] = ()) -> None:
    """Print what is wrong, or that nothing is."""
    for text in [*map(str, findings), *misplaced]:
        typer.echo(text, err=True)
    if any(finding.fixable for finding in findings):
        typer.echo("`samesku topics apply` puts right what is missing or configured otherwise.", err=True)
    if findings or misplaced:
        raise typer.Exit(FOUND_EXIT)
    typer.echo(f"all {len(specs)} topics are as they must be")
