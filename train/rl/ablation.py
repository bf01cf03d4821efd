"""The ablation: run the arms, examine them, and write one table with intervals and one plot of proxy against gold.

``ablation.json`` holds every number, ``ablation.md`` the table, ``ablation.svg`` the plot. Arms that are not finished
are run, finished ones are left as they are: the same command goes on, and another one adds arms or seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from train.drawing import drawing
from train.judges.interface import Judge
from train.rl.arms import ABOUT, CONTROL, ON_CPU, START, arm_config, folder_of, run_arms
from train.rl.assessment import Answers, Exam, exam_of, examine, held_out_credit
from train.rl.config import RlConfig
from train.rl.curves import lines
from train.rl.pool import Pool
from train.rl.recipe import judges_of, pool_of
from train.rl.tables import ArmRuns, judged, markdown, preferences, table, verdict
from train.sft.holdout import sha256
from train.sft.loop import ADAPTER

TABLE, PAGE, PLOT = "ablation.json", "ablation.md", "ablation.svg"
SHOWN = (("proxy", "proxy: the arm's own reward"), ("gold_f1", "gold F1"), ("held_out_judge", "held-out judge"))
TITLES = {**ABOUT, START: "the SFT student as it was"}
Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What is run and how it is measured.

    Attributes:
        arms, seeds: see :mod:`train.rl.arms`.
        pairs: of each validation and test set, at most; None for all.
        judged: of each set, how many pairs the held-out judge is asked about.
    """

    arms: Sequence[str] = ON_CPU
    seeds: Sequence[int] = (1, 2, 3)
    pairs: int | None = 400
    judged: int = 150


def run_ablation(
    config: RlConfig,
    out: Path,
    plan: Plan,
    *,
    judges: tuple[Sequence[Judge], Sequence[Judge]] | None = None,
    pool: Pool | None = None,
    exam: Exam | None = None,
    cache: Path | None = None,
    say: Say = lambda text: None,
) -> Path:
    """Run and measure; returns the page with the table.

    Args:
        config: the recipe that all arms share.
        out: folder of everything that is made.
        judges, pool: as of :func:`train.rl.recipe.run_rl`; made once for all arms.
        exam: what arms are measured on; default: of the validation and test sets.
        cache: default ``out/cache``.

    Raises: as :func:`train.rl.recipe.run_rl`, and UnknownArmError.
    """
    for arm in plan.arms:
        arm_config(config, arm, 0)  # an unknown arm is refused before anything is run
    given = judges if judges is not None else judges_of(config)
    pool = pool or pool_of(config)
    kept = cache or out / "cache"
    adapters = run_arms(config, out, plan.arms, plan.seeds, judges=given, pool=pool, cache=kept, say=say)
    exam = exam or exam_of(pool, plan.pairs, plan.judged)
    say(f"examined: {len(exam.pairs())} pairs")
    answers = {key: examine(config, adapter, exam, kept, say) for key, adapter in adapters.items()}
    start = examine(config, config.adapter, exam, kept, say)
    say("held-out judge")
    credit = held_out_credit(exam, given[1], kept) if given[1] else {}
    rows = assess(answers, start, exam, credit)
    runs = {f"{arm} {seed}": _facts(folder_of(out, arm, seed)) for arm, seed in adapters}
    report = {
        "config": config.model_dump(mode="json"),
        "adapter_sha256": sha256(config.adapter / ADAPTER),
        "arms": list(plan.arms),
        "about": TITLES,
        "seeds": list(plan.seeds),
        "pool": pool.facts,
        "exam": {" ".join(name): len(pairs) for name, pairs in exam.sets.items()},
        "judged_of_each_set": exam.judged,
        "rows": rows,
        "verdict": verdict(rows),
        "runs": {
            name: {key: facts[key] for key in ("steps", "seconds", "stopped_by", "best_step", "alarm", "seen")}
            for name, facts in runs.items()
        },
    }
    (out / TABLE).write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    page = markdown(rows, TITLES)
    stops = [f"- {name}: {facts['alarm']['text']}" for name, facts in runs.items() if facts["alarm"]]
    page += f"\n{verdict(rows)}\n" + ("\nAlarms of the monitor:\n\n" + "\n".join(stops) + "\n" if stops else "")
    (out / PAGE).write_text(page, encoding="utf-8")
    plot({key: _facts(folder_of(out, *key))["panels"] for key in adapters}, out / PLOT)
    return out / PAGE


def assess(
    answers: Mapping[tuple[str, int], Answers], start: Answers, exam: Exam, credit: Mapping[Any, Any]
) -> list[dict[str, Any]]:
    """The rows of the table, from the answers of every run; the student that all began with is an arm of one seed."""
    arms = {
        arm: ArmRuns(
            [judged(found, exam) for (name, _), found in answers.items() if name == arm],
            [_preferred(found, start, exam, credit) for (name, _), found in answers.items() if name == arm],
        )
        for arm in dict.fromkeys(name for name, _ in answers)
    }
    arms[START] = ArmRuns([judged(start, exam)], [_preferred(start, start, exam, credit)])
    return table(arms, exam, CONTROL)


def _preferred(found: Answers, start: Answers, exam: Exam, credit: Mapping[Any, Any]) -> Mapping[Any, Any]:
    return preferences(found, start, credit) if credit else {name: np.zeros(0, np.int64) for name in exam.sets}


def _facts(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((run / "training.json").read_bytes())
    return found


def plot(panels: Mapping[tuple[str, int], Sequence[Mapping[str, Any]]], path: Path) -> None:
    """Proxy, gold F1 and the held-out judge through training: a column an arm, a line a seed."""
    arms = list(dict.fromkeys(arm for arm, _ in panels))
    with drawing((3.2 * len(arms) + 1, 8)) as figure:
        axes = figure.subplots(len(SHOWN), len(arms), sharex=True, squeeze=False)
        for column, arm in enumerate(arms):
            for row, (name, label) in enumerate(SHOWN):
                for (of, seed), found in panels.items():
                    if of == arm:
                        lines(axes[row, column], found, "step", [name], f", seed {seed}")
                axes[row, 0].set_ylabel(label)
            axes[0, column].set_title(ABOUT[arm])
            axes[-1, column].set_xlabel("step")
        for row in (1, 2):  # gold and judge are one measure for all arms; the proxy is each arm's own
            for column in range(1, len(arms)):
                axes[row, column].sharey(axes[row, 0])
        figure.savefig(path, metadata={"Date": None})
