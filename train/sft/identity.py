"""Whether a folder's checkpoints are of this very run: one of other pairs or settings must not go on from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel

RUN_FILE, TRAINING_FILE = "run.json", "training.json"
# What may differ between two sessions of one run: how long it is, what is looked at on the way, and the machine.
FREE = frozenset(
    {
        *("max_steps", "epochs", "minutes", "evaluate_every", "evaluate_pairs", "patience"),
        *("save_steps", "threads", "compiled"),
    }
)


def identity(config: BaseModel, data_digest: str) -> dict[str, Any]:
    """What all sessions of a run have in common."""
    settings = config.model_dump(mode="json")
    return {"data": data_digest, **{name: value for name, value in settings.items() if name not in FREE}}


def claim(out: Path, config: BaseModel, data_digest: str) -> None:
    """Make the folder the run's own.

    Raises:
        ValueError: it holds checkpoints of another run; the message names what differs.
    """
    mine, path = identity(config, data_digest), out / RUN_FILE
    if path.is_file() and any((out / "checkpoints").glob("checkpoint-*")):
        theirs = orjson.loads(path.read_bytes())
        differ = sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))
        if differ:
            raise ValueError(
                f"{out} holds checkpoints of a run with another {', '.join(differ)}: name another folder, or delete"
                f" {out / 'checkpoints'} to begin anew"
            )
    path.write_bytes(orjson.dumps(mine, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))


def is_finished(out: Path, config: BaseModel, data_digest: str | None = None) -> bool:
    """Whether the folder holds the finished run of this very configuration (and of these pairs)."""
    try:
        facts = orjson.loads((out / TRAINING_FILE).read_bytes())
        same = facts["config"] == config.model_dump(mode="json")
        known = data_digest in (None, facts["data"]["digest"])
        return bool(same and known and (out / "adapter" / "adapter_config.json").is_file())
    except (OSError, orjson.JSONDecodeError, KeyError):
        return False
