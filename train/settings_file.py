"""Settings as a TOML file names them: read, told over, checked against their model; one wording of what is wrong."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)


def read_table(path: Path | None, refused: type[Exception]) -> dict[str, Any]:
    """The top table of a TOML file; empty without one. Raises ``refused``, which names the file."""
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise refused(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise refused(f"{path}: this is not TOML: {error}") from error


def told_over(values: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The same with what is ``given`` (None: not given) in the place of the file's values."""
    return values | {name: value for name, value in given.items() if value is not None}


def checked(model: type[M], values: Mapping[str, Any], path: Path | None, refused: type[Exception]) -> M:
    """The settings with these values. Raises ``refused``, which names file, key and the valid keys."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        where = f"{path}: " if path is not None else ""
        valid = ", ".join(sorted(model.model_fields))
        raise refused(f"{where}{f'{key}: ' if key else ''}{first['msg']} (valid keys: {valid})") from error
