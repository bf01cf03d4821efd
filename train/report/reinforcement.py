"""What reinforcement learning adds to the student: the ablation's table, as `samesku train ablate` left it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from schemas.bundle import BundleManifest
from train.pairs.pairs import PairFileError

MEASURES = ("f1", "f1_less_control", "brier", "brier_less_control", "preferred")
SHOWN = ("arm", "split", "seeds", *(f"{name}{part}" for name in MEASURES for part in ("", "_low", "_high")))


def read_ablation(path: Path) -> dict[str, Any] | None:
    """The rows of an ablation, its verdict, seeds, minutes, and the adapter it began with; None without the file.

    Raises:
        PairFileError: the file is no ablation's.
    """
    if not path.is_file():
        return None
    try:
        found = orjson.loads(path.read_bytes())
        return {
            "rows": [
                {name: row.get(name) for name in SHOWN} | {"about": found["about"][row["arm"]]} for row in found["rows"]
            ],
            "verdict": found["verdict"],
            "adapter_sha256": found["adapter_sha256"],
            "minutes": found["config"]["minutes"],
            "alarms": sum(run["alarm"] is not None for run in found["runs"].values()),
            "runs": len(found["runs"]),
        }
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise PairFileError(f"{path}: no ablation.json of `samesku train ablate` ({error!r})") from error


def ablation_section(found: Mapping[str, Any] | None, manifest: BundleManifest) -> dict[str, Any] | None:
    """The ablation, and whether it began with the adapter of this very bundle."""
    return None if found is None else {**found, "same_adapter": found["adapter_sha256"] == manifest.adapter_sha256}
