"""The closed loop's stages: quiet, drift and alarm, retraining, replay, promotion, after, control.

Each leaves what it found in the folder and is not done again; what flowed stays in the folder's own broker.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from benchmarks.closed_loop_parts import Answerer, LoopFailed, Parts, Say
from benchmarks.closed_loop_stream import Product, queries_of, restyled, truth_of
from benchmarks.closed_loop_styles import costliest, measure
from schemas import topics
from schemas.events import format_time
from schemas.label import Label
from schemas.offer import Offer

BY = "closed-loop"
# Offers sent before it is looked whether there is an alarm, and whether tasks want answers.
PORTION = 20
# The sampler follows the workers within a second; this is for a machine that does other things.
SETTLE_SECONDS = 20.0
ARMED_SECONDS = 120.0


@dataclass(frozen=True)
class Plan:
    """What a folder's loop is made of; another plan needs another folder.

    ``quiet_rate`` and ``alarm_rate`` are the sampler's uniform chances before and after the first alarm, ``labels`` how
    many labels given since the alarm are enough, ``rounds`` how often the learnt listings may come for that (with other
    prices).
    """

    bundle: str = "default"
    adapter: str = "models/samesku-135m/adapter"
    config: str = "train/recipes/retrain.toml"
    style: str = ""
    style_queries: int = 60
    learnt: int = 100
    measured: int = 100
    known: int = 100
    quiet_rate: float = 0.1
    alarm_rate: float = 0.5
    labels: int = 360
    rounds: int = 3
    max_steps: int | None = None
    sample: int = 150
    report: str = "--limit 40 --cases 0"
    version: str = "99.0.0-loop"
    seed: int = 1


@dataclass
class Loop:
    """A plan under way. ``products`` by part; ``styles`` are the candidates."""

    plan: Plan
    folder: Path
    products: dict[str, list[Product]]
    styles: tuple[str, ...]
    parts: Parts
    say: Say

    def stage(self, name: str, made: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What the stage found: kept, or found now and kept."""
        path = self.folder / "stages" / f"{name}.json"
        if path.is_file():
            return dict(orjson.loads(path.read_bytes()))
        self.say(f"== {name}")
        began = time.monotonic()
        found = made() | {"seconds": round(time.monotonic() - began, 1)}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        return found

    # Parts

    def serve(self, rate: float) -> None:
        """Start the worker, the monitor and the sampler."""
        self.parts.start("worker", "worker")
        self.parts.start("monitor", "monitor", "run")
        self.parts.start("sampler", "labeling", "run", **sampler_rate(rate))

    def faster(self, rate: float) -> None:
        """The sampler draws more from now on."""
        self.parts.stop("sampler")
        self.parts.start("sampler", "labeling", "run", **sampler_rate(rate))

    def changes(self) -> int:
        """How many changes there are in the topic."""
        return sum(1 for _ in self.parts.records(topics.CHANGES))

    def flow(self, offers: list[Offer], index_only: bool = False) -> None:
        """Send and wait until all is answered."""
        self.parts.send(offers, index_only)
        self.parts.await_answers(self.changes(), lambda text: None)

    def settle(self, answerer: Answerer) -> None:
        """Answer tasks until no more come."""
        last = time.monotonic()
        while time.monotonic() - last < SETTLE_SECONDS:
            if answerer.step():
                last = time.monotonic()
            time.sleep(1.0)

    # Stages

    def choose(self) -> dict[str, Any]:
        """The style of the drift: the costliest one on the learnt products, or the plan's."""
        if self.plan.style:
            return {"style": self.plan.style, "rows": []}
        rows = measure(
            self.plan.bundle, self.products["learnt"], self.styles, self.plan.style_queries, self.plan.seed,
            self.folder / "styles", self.say,
        )  # fmt: skip
        return {"style": costliest(rows), "rows": rows}

    def quiet(self, begin: str) -> dict[str, Any]:
        """Undrifted: the monitor learns what is usual."""
        parts, answerer = self.parts, self._answerer("learnt", "known")
        parts.samesku("models", "promote", self.plan.bundle, "--reason", "what we have", "--by", BY)
        self.serve(self.plan.quiet_rate)
        both = [*self.products["learnt"], *self.products["known"]]
        self.flow([offer for product in both for offer in product.catalogue], index_only=True)
        self.say("the catalogue is indexed")
        offers = queries_of(both, self.plan.seed)
        for portion in portions(offers):
            self.flow(portion)
            answerer.step()
            self.say(f"quiet: {self._decided()} decisions")
        self.settle(answerer)
        armed = parts.await_that(lambda: bool(self._armed()), "the monitor's reference", ARMED_SECONDS)
        if not armed:
            raise LoopFailed(
                f"the monitor still learns after {self._decided()} decisions: more known products are needed"
            )
        return {"begin": begin, "end": now(), "armed": sorted(self._armed()), "alarms": len(parts.alarms())}

    def drift(self, style: str, begin: str) -> dict[str, Any]:
        """Drifted listings of the learnt products until the alarm, and until there are labels enough."""
        parts, answerer = self.parts, self._answerer("learnt", "known")
        alarm: dict[str, Any] | None = None
        labels = 0
        for number in range(self.plan.rounds):
            offers = restyled(queries_of(self.products["learnt"], self.plan.seed + 1 + number), style)
            for portion in portions([repriced(offer, number) for offer in offers]):
                self.flow(portion)
                if alarm is None and (
                    found := [each for each in parts.alarms() if format_time(each.window_end) > begin]
                ):
                    first = found[0]
                    alarm = {
                        "seen": now(), "stream": first.stream, "since": format_time(first.since),
                        "window_end": format_time(first.window_end), "evidence": first.evidence,
                        "estimate": None if first.estimate is None else first.estimate.model_dump(),
                    }  # fmt: skip
                    self.say(f"alarm: {first.stream} after {self._decided(begin)} decisions")
                    self.faster(self.plan.alarm_rate)
                answerer.step()
                labels = self._labels(alarm["since"]) if alarm else 0
                self.say(
                    f"drifted, round {number + 1}: {self._decided(begin)} decisions, {labels} labels since the alarm"
                )
                if labels >= self.plan.labels:
                    break
            if labels >= self.plan.labels:
                break
        self.settle(answerer)
        return {
            "begin": begin, "end": now(), "style": style, "alarm": alarm, "rounds": number + 1,
            "labels": self._labels(alarm["since"]) if alarm else 0,
        }  # fmt: skip

    def retrain(self, since: str) -> dict[str, Any]:
        """`samesku retrain run` on what was labelled since the alarm; a refusal is a result, too."""
        plan, out = self.plan, self.folder / "retrain"
        steps = ("--max-steps", plan.max_steps) if plan.max_steps else ()
        code, _ = self.parts.samesku(
            "retrain", "run", "--out", out, "--name", "samesku-loop", "--version", plan.version,
            "--adapter", plan.adapter, "--live", plan.bundle, "--config", plan.config,
            "--since", since[:19], "--sample", plan.sample, "--report", plan.report, *steps,
            codes=(0, 1), log="retrain",
        )  # fmt: skip
        if not (out / "verdict.json").is_file():
            raise LoopFailed(f"the retraining failed before its verdict; see {self.folder / 'logs' / 'retrain.log'}")
        found = orjson.loads((out / "verdict.json").read_bytes())
        counts = orjson.loads((out / "labels.json").read_bytes())
        training = orjson.loads((out / "training.json").read_bytes())
        return {
            "better": found["better"] and code == 0, "verdict": found, "labels": counts, "steps": training["steps"],
            "train_seconds": training["seconds"], "seen": training["seen"],
        }  # fmt: skip

    def compare(self, begin: str, end: str) -> dict[str, Any]:
        """Both students on the decisions since the drift was noticed, and how often each agrees with held-out labels.

        Two replays rather than `--range`: what stands of a labelled pair is the label, and no student's word.
        """
        replays = []
        for name, bundle in (("live", self.plan.bundle), ("candidate", self.folder / "retrain" / "bundle")):
            replays.append(self.folder / "replays" / name)
            self.parts.samesku(
                "replay", "--bundle", bundle, "--from", begin, "--to", end, "--all", "--out", replays[-1]
            )
        code, _ = self.parts.samesku(
            "compare", *replays, "--labels", self.folder / "retrain" / "held.jsonl", "--out", self.folder / "compared",
            codes=(0, 1),
        )  # fmt: skip
        found = orjson.loads((self.folder / "compared" / "compare.json").read_bytes())
        return {"within": code == 0, "compare": found}

    def promote(self, better: bool) -> dict[str, Any]:
        """The candidate becomes live if the verdict was for it; what the monitor sees from then on is normal."""
        if not better:
            return {"promoted": False, "at": now()}
        self.parts.samesku(
            "models", "promote", self.folder / "retrain" / "bundle", "--reason", "retrained after the alarm",
            "--by", BY, "--wait",
        )  # fmt: skip
        return {"promoted": True, "at": now()}

    def after(self, style: str, begin: str) -> dict[str, Any]:
        """Products that nobody has learnt from, in the drifted style."""
        answerer, products = self._answerer(*self.products), self.products["measured"]
        self.flow([offer for product in products for offer in product.catalogue], index_only=True)
        for portion in portions(restyled(queries_of(products, self.plan.seed), style)):
            self.flow(portion)
            answerer.step()
            self.say(f"after: {self._decided(begin)} decisions")
        self.settle(answerer)
        return {"begin": begin, "end": now()}

    def control(self, begin: str, end: str, promoted: bool) -> dict[str, Any]:
        """What the old student says of what came after the promotion."""
        out = self.folder / "replays" / "old"
        if promoted:
            self.parts.samesku(
                "replay", "--bundle", self.plan.bundle, "--from", begin, "--to", end, "--all", "--out", out
            )
        return {"folder": str(out) if promoted else None}

    # What the topics say

    def _answerer(self, *names: str) -> Answerer:
        return Answerer(self.parts, truth_of([product for name in names for product in self.products[name]]))

    def _armed(self) -> set[str]:
        return {each for each in self.parts.references() if each.startswith("decisions/all/")}

    def _decided(self, since: str | None = None) -> int:
        start = 0 if since is None else to_ms(since)
        return sum(at >= start for at, _ in self.parts.records(topics.DECISIONS))

    def _labels(self, since: str) -> int:
        start = datetime.fromisoformat(since)
        return sum(each.labeled_at >= start for each in self.parts.read(topics.LABELS, Label))


def sampler_rate(rate: float) -> dict[str, str]:
    """The variables that set the uniform chance."""
    return {"SAMESKU_LABELING__UNIFORM_RATE": str(rate), "SAMESKU_LABELING__MIN_UNIFORM_RATE": str(rate)}


def portions(offers: list[Offer]) -> list[list[Offer]]:
    """In the order given."""
    return [offers[at : at + PORTION] for at in range(0, len(offers), PORTION)]


def repriced(offer: Offer, times: int) -> Offer:
    """The offer three percent cheaper so many times: another content, which is judged again."""
    if not times:
        return offer
    price = Decimal(str(offer.price or 100)) * Decimal("0.97") ** times
    return Offer.model_validate({**offer.model_dump(exclude_none=True), "price": f"{price:.2f}"})


def now() -> str:
    """The moment, as the commands take it."""
    return format_time(datetime.now(UTC))


def to_ms(text: str) -> int:
    """Milliseconds since 1970 of such a moment."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def claim(folder: Path, plan: Plan) -> None:
    """Make the folder the plan's. Raises LoopFailed when it is another one's."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "plan.json"
    if path.is_file() and (held := orjson.loads(path.read_bytes())) != asdict(plan):
        differ = sorted(name for name, value in asdict(plan).items() if held.get(name) != value)
        raise LoopFailed(f"{folder} is of another plan ({', '.join(differ)} differ): name another folder")
    path.write_bytes(orjson.dumps(asdict(plan), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
