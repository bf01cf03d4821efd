"""What every trainer of RL does at a panel: keep it, keep the best adapter, ask the monitor, and end as it says.

A mixin before a trainer of transformers: it takes the place of validation.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, TrainerCallback

from train.rewards import Ints
from train.rl.config import RlConfig
from train.rl.hacking import Alarm, Reading, Rule, check
from train.rl.panels import PanelLog
from train.sft.loop import Clock

BEST = "best"


class StepsTold(TrainerCallback):  # type: ignore[misc]
    """Tells how far a run is, after each step."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.say(f"step {state.global_step} of {state.max_steps}")


class WatchedTrainer:
    """Panels in place of validation; :meth:`watch_with` is called once, when the trainer has been made."""

    model: Any
    state: Any
    control: Any
    args: Any
    accelerator: Any
    callback_handler: Any
    clock: Clock
    config: RlConfig
    folder: Path

    def watch_with(self, config: RlConfig, folder: Path, products: Ints, rule: Rule) -> None:
        """Say what the run is, where it is kept, and by which rule it is watched."""
        self.config = config
        self.folder = folder
        self.products = products
        self.rule = rule
        self.panels = PanelLog(folder)
        self.alarm: Alarm | None = None

    def tell(self, say: Callable[[str], None]) -> None:
        """Say each step in place of printing every log entry, which the run's files hold."""
        self.remove_callback(PrinterCallback)  # type: ignore[attr-defined]
        self.add_callback(StepsTold(say))  # type: ignore[attr-defined]

    def look(self) -> tuple[Reading, dict[str, Any]]:
        """The panel of this step; every process has the whole of it."""
        raise NotImplementedError

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """The panel of this step; keeps the adapter in ``folder/best`` if it is the best yet, and asks the monitor."""
        reading, metrics = self.look()
        self.panels.add(reading, metrics, write=self.accelerator.is_main_process)
        if self.panels.best() == self.state.global_step:
            self.write(self.folder / BEST)
        found = {f"eval_{name}": value for name, value in metrics.items() if value is not None and name != "step"}
        self.model.eval()  # so that the log puts these apart from the losses of training
        self.log(dict(found))  # type: ignore[attr-defined]
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
        alarm = check(self.panels.readings, self.products, self.rule)
        self.alarm = self.alarm or alarm
        if alarm is not None and self.config.panel.stop:
            self.control.should_training_stop = self.control.should_save = True
        return found

    def begin(self, step: int) -> None:
        """Take up the panels of a run that goes on from a checkpoint, or look at the student it begins with."""
        self.panels.read(step)
        if not self.panels.metrics:
            self.evaluate()

    def finish(self, adapter: Path) -> int:
        """Write the run's adapter; returns the step that it is of."""
        last = self.state.global_step
        if self.panels.metrics[-1]["step"] != last:
            self.evaluate()
        stopped = self.alarm is not None and self.config.panel.stop
        best = self.panels.best() if self.config.keep == "best" or stopped else last
        if best == last:
            self.write(adapter)
        elif self.accelerator.is_main_process:
            shutil.copytree(self.folder / BEST, adapter, dirs_exist_ok=True)
        self.accelerator.wait_for_everyone()
        return int(best)

    def stopped_by(self) -> str:
        """What ended the run: its ``steps``, its ``minutes`` or the ``monitor``."""
        if self.alarm is not None and self.config.panel.stop:
            return "monitor"
        return "minutes" if self.clock.expired else "steps"

    def write(self, folder: Path) -> None:
        """Save the adapter that is trained; a copy kept for KL is none of it."""
        if self.accelerator.is_main_process:
            model = self.accelerator.unwrap_model(self.model)
            model.save_pretrained(str(folder), selected_adapters=["default"])
