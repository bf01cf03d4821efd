"""What an audit draws from: the standing decisions and the texts they were made on, from Kafka or from files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from samesku.matches.log import LogUnreadable, bounds, read_decisions, read_messages
from samesku.matches.snapshot import NotASnapshot, read_snapshot
from schemas.decision import MatchDecision, standing
from schemas.events import UnknownMajorVersion
from schemas.offer import Offer
from schemas.offer_record import OfferRecord
from schemas.sections import KafkaSettings
from schemas.topics import OFFERS
from train.pairs.pairs import PairFileError, read_rows

Progress = Callable[[str, int, int], None]
"""(what is read, records passed, records in all)"""

Offers = dict[str, tuple[str, Offer]]
"""By key: digest and offer."""


class PopulationError(Exception):
    """Decisions or offers cannot be read; the text says which and why."""


def decisions_of_log(kafka: KafkaSettings, progress: Progress) -> dict[str, MatchDecision]:
    """The standing decision of each pair in `match.decisions`, committed ones only. Raises PopulationError."""
    try:
        span = bounds(kafka)
        return standing(read_decisions(kafka, span, progress=lambda done: progress(span.topic, done, span.size)))
    except LogUnreadable as error:
        raise PopulationError(str(error)) from error


def decisions_of_file(path: Path) -> dict[str, MatchDecision]:
    """Those of a snapshot (`samesku matches export`), or of decisions one a line, as `samesku matches --json` prints.

    Raises PopulationError.
    """
    try:
        return read_snapshot(path).decisions
    except OSError as error:
        raise PopulationError(f"{path}: {error.strerror or error}") from error
    except NotASnapshot as not_one:
        try:
            return standing(_parsed(path, row) for row in read_rows(path))
        except PairFileError as error:
            raise PopulationError(str(error)) from error
        except PopulationError as error:
            raise PopulationError(f"{not_one}; as plain decisions: {error}") from error


def _parsed(path: Path, row: dict[str, Any]) -> MatchDecision:
    try:
        return MatchDecision.model_validate_json(orjson.dumps(row))
    except (ValidationError, UnknownMajorVersion) as error:
        raise PopulationError(f"{path}: a line is no decision ({str(error).splitlines()[0]})") from error


def offers_of_log(kafka: KafkaSettings, keys: Iterable[str], progress: Progress) -> Offers:
    """The latest content of the offers with these keys in `catalog.offers`. Raises PopulationError."""
    wanted = set(keys)
    found: Offers = {}
    versions: dict[str, int] = {}
    try:
        span = bounds(kafka, OFFERS)
        for each in read_messages(
            kafka, span, lambda key: key.decode(errors="replace") in wanted,
            lambda done: progress(span.topic, done, span.size),
        ):  # fmt: skip
            key, value = (each.key or b"").decode(), each.value
            if not value:  # deleted
                found.pop(key, None)
                continue
            record = OfferRecord.model_validate_json(value)
            if record.effective_version >= versions.get(key, -1):
                versions[key] = record.effective_version
                found[key] = (record.digest, record.offer)
    except (LogUnreadable, ValidationError, UnknownMajorVersion) as error:
        raise PopulationError(f"{OFFERS}: {error}") from error
    return found


def offers_of_file(path: Path) -> Offers:
    """Offers, one a line: as in `catalog.offers`, or as in `catalog.changes`, or bare. Raises PopulationError."""
    found: Offers = {}
    try:
        for number, row in enumerate(read_rows(path), 1):
            inner = row.get("offer")
            try:
                offer = Offer.model_validate_json(orjson.dumps(inner if isinstance(inner, dict) else row))
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                where = ".".join(str(part) for part in first["loc"])
                raise PopulationError(f"{path}: line {number}: {where}: {first['msg']}") from error
            found[offer.key] = (str(row.get("digest") or offer.digest()), offer)
    except PairFileError as error:
        raise PopulationError(str(error)) from error
    return found
