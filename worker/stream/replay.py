"""`samesku replay`: judge again what was decided, with another bundle, beside the live workers.

Three kinds of run, one folder each (`worker.replay.folder`):

* **pairs**: the pairs decided in a range of `match.decisions`, with the contents of that time; nothing is published;
* **events**: a range of `catalog.changes` through the whole pipeline, in an index of its own that is purged at the end;
* **publish**: the pairs of a range at their *current* versions, over what stands (`worker.replay.publishing`).

The first step of each freezes its input in the folder; from then on a killed run goes on where it was. Reading is by
assignment, without a group; between pieces of work it sleeps (`worker.replay.pace`). The live topics and the live
index are touched by the third kind alone.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from schemas import topics
from schemas.decision import MatchDecision
from schemas.grammar import GRAMMAR_VERSION
from schemas.prompt import PROMPT_VERSION
from schemas.settings import Settings
from worker.blocking import BlockingSettings, Index
from worker.replay import log as kafka_log
from worker.replay.again import Again, pairs_of
from worker.replay.cache import RememberingJudge
from worker.replay.errors import WrongRequest
from worker.replay.events import Came, Pipeline
from worker.replay.folder import Asked, Folder, Mode, Run
from worker.replay.live import LivePublisher
from worker.replay.offers import OfferSource
from worker.replay.pace import Pace
from worker.replay.planning import COMPLETE, DECISIONS, ITEMS, MISSING, SPAN, Progress, plan_events, plan_pairs
from worker.replay.span import parse_point
from worker.replay.store import FILE, Inputs
from worker.replay.summary import summary_of
from worker.stream.backoff import Log
from worker.stream.bench import Bench, seated
from worker.stream.judging import Judging
from worker.stream.metrics import Metrics
from worker.stream.outputs import Outputs
from worker.stream.pairs import Basis
from worker.stream.startup import open_index, utc_now
from worker.student.judge import Judge

# As long as the settings let a namespace be.
LONGEST_NAMESPACE = 100


@dataclass(frozen=True)
class Request:
    """What is asked for. `begin` and `end` as `worker.replay.span` reads them; `bundle` as the caller named it."""

    out: Path
    bundle: str
    begin: str = "start"
    end: str = "end"
    mode: Mode = "pairs"
    every: bool = False
    name: str | None = None
    share: float | None = None
    rate: float | None = None
    keep_index: bool = False
    sources: Sequence[OfferSource] = ()


@dataclass
class Ended:
    """What a run came to."""

    run: Run
    manifest: dict[str, Any]
    summary: dict[str, Any]
    before: bool = False
    """Whether it had ended already, so that nothing was done."""


class Replay:
    """One run. `judge` is the new bundle's student; `clock` is monotonic in seconds, `now` gives UTC."""

    def __init__(
        self, settings: Settings, request: Request, judge: Judge, progress: Progress, log: Log,
        *, deployment: int = 0, canary: bool = False, owns: Callable[[str], bool] = lambda pair: True,
        clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = utc_now,
    ) -> None:  # fmt: skip
        self.settings = settings
        self.request = request
        self.folder = Folder(request.out)
        self._judge = judge
        self._progress = progress
        self._log = log
        self._owns = owns
        self._clock = clock
        self._now = now
        replay = settings.replay
        self._pace = Pace(request.share or replay.share, request.rate or replay.rate, clock, sleep)
        manifest = judge.manifest
        policy = settings.policy.resolved(manifest.thresholds)
        self.basis = Basis(manifest.ref(), policy, settings.stream.pair_order, deployment, canary)

    def run(self) -> Ended:
        """Begin, or go on, or find that it has ended. Raises ReplayError, and what Kafka and Redis raise."""
        begun = self._clock()
        run = self.folder.open(self._run())
        if self.request.name not in (None, run.name):
            raise WrongRequest(f"{self.folder.path} is the folder of {run.name!r}; give another --out, or no --name")
        if self.folder.finished:
            return Ended(run, self.folder.manifest(), self.folder.summary(), before=True)
        with Inputs(self.folder.path / FILE) as inputs:
            if inputs.fact(COMPLETE) is None:
                self._plan(inputs)
            items = int(inputs.fact(ITEMS))
            self._work(run, inputs, items)
            made = summary_of(self.folder.read(), inputs.outcomes())
            made |= {
                "name": run.name,
                "mode": run.asked.mode,
                "bundle": run.asked.bundle.model_dump(mode="json"),
                "range": inputs.fact(SPAN),
                "items": items,
                "decisions_in_range": inputs.fact(DECISIONS),
                "contents_missing": inputs.fact(MISSING),
                "seconds_of_last_session": round(self._clock() - begun, 1),
                "seconds_working": round(self._pace.worked, 1),
                "seconds_slept": round(self._pace.slept, 1),
            }
            manifest = self.folder.finish(run, inputs.sha256(), items, made)
        return Ended(run, manifest, made)

    def judged_again(self, inputs: Inputs, run: Run) -> Iterator[tuple[int, int, list[MatchDecision]]]:
        """Every chunk judged anew whatever the folder holds, for `--verify`; nothing is written or published."""
        items, counts = int(inputs.fact(ITEMS)), Counter[str]()
        if run.asked.mode == "events":
            for begin, end, came in self._events(run, inputs, items, remember=False):
                yield begin, end, came.decisions
            return
        again = self.again(run)
        for begin, end in _ranges(items, run.asked.chunk):
            yield begin, end, list(self._pieces(again, inputs.pairs(begin, end), inputs, counts))

    def _run(self) -> Run:
        request, settings = self.request, self.settings
        now = self._now()
        events = request.mode == "events"
        blocking = {**settings.blocking.model_dump(mode="json"), "batch": settings.stream.batch_size}
        asked = Asked(
            mode=request.mode, begin=request.begin, end=request.end, every=request.every,
            cluster=settings.kafka.topic(topics.DECISIONS), bundle=self.basis.bundle, deployment=self.basis.deployment,
            policy=self.basis.policy, pair_order=self.basis.pair_order, chunk=settings.replay.chunk_pairs,
            blocking=blocking if events else None,
        )  # fmt: skip
        return Run(
            name=request.name or f"{self.basis.bundle.name}-{self.basis.bundle.version}-{now:%Y%m%dT%H%M%S%f}",
            asked=asked, bundle_path=request.bundle, prompt_version=PROMPT_VERSION, grammar_version=GRAMMAR_VERSION,
            created_at=now,
        )  # fmt: skip

    def _plan(self, inputs: Inputs) -> None:
        kafka, request = self.settings.kafka, self.request
        events = request.mode == "events"
        now = self._now()
        begin, end = parse_point(request.begin, now), parse_point(request.end, now)
        span = kafka_log.resolve(kafka, kafka.topic(topics.CHANGES if events else topics.DECISIONS), begin, end)
        reading = _Rested(self._progress, self._pace)
        self._pace.begin()
        if events:
            plan_events(kafka, inputs, span, reading)
        else:
            with_contents = request.mode == "pairs"
            plan_pairs(kafka, inputs, span, request.every, request.sources, with_contents, reading)

    def _work(self, run: Run, inputs: Inputs, items: int) -> None:
        """Do what the folder lacks, chunk by chunk."""
        have, size = self.folder.chunks().keys(), run.asked.chunk
        if run.asked.mode == "events":
            for begin, end, came in self._events(run, inputs, items, remember=True):
                inputs.note_outcomes(begin, Counter(answer.outcome for answer in came.answers))
                if (begin, end) not in have:
                    self.folder.write_chunk(begin, end, came.decisions, came.answers)
            return
        open_ = [each for each in _ranges(items, size) if each not in have]
        self._progress.stage("judging", sum(end - begin for begin, end in open_))
        again = self.again(run)
        if run.asked.mode == "pairs":
            for begin, end in open_:
                counts: Counter[str] = Counter()
                made = list(self._pieces(again, inputs.pairs(begin, end), inputs, counts))
                inputs.note_outcomes(begin, counts)
                self.folder.write_chunk(begin, end, made)
            return
        with LivePublisher(
            self.settings, run, again, inputs, self._owns, self._progress, self._log, self._now
        ) as live:  # fmt: skip
            for begin, end in open_:
                counts = Counter()
                pairs = self._portions(inputs.pairs(begin, end))
                made = [each for part in pairs for each in live.publish(part, counts)]
                inputs.note_outcomes(begin, counts)
                self.folder.write_chunk(begin, end, made)

    # Pairs

    def _pieces(
        self, again: Again, decisions: Sequence[MatchDecision], inputs: Inputs, counts: Counter[str]
    ) -> Iterator[MatchDecision]:
        for part in self._portions(decisions):
            offers = inputs.offers([side.digest for made in part for side in (made.first, made.second)])
            found = again.judge(list(pairs_of(part, offers, counts)), counts)
            yield from (made for made in found if made is not None)

    def _portions(self, decisions: Sequence[MatchDecision]) -> Iterator[Sequence[MatchDecision]]:
        """Portion by portion; the time that the caller takes with one is what the pace is kept of."""
        size = self.settings.replay.piece_pairs
        for start in range(0, len(decisions), size):
            part = decisions[start : start + size]
            self._pace.begin()
            yield part
            self._pace.end(len(part))
            self._progress.advance(len(part))

    def again(self, run: Run) -> Again:
        return Again(Bench(seated(self._judge, self.basis), Metrics(), self._log), run.name, self._now, self._log)

    # Events

    def _events(self, run: Run, inputs: Inputs, items: int, remember: bool) -> Iterator[tuple[int, int, Came]]:
        """Every chunk of changes through the pipeline; with `remember` from what the student has said before."""
        index = self.own_index(run.name if remember else f"{run.name}-verify")
        judge = RememberingJudge(self._judge, inputs) if remember else self._judge
        stream, blocking = self.settings.stream, self.settings.blocking
        judging = Judging(index, judge, self.basis, 1 + stream.recheck_rounds, self._now, Metrics(), self._log)
        pipeline = Pipeline(
            index, judging, Outputs(self.settings.kafka.topic_prefix), run.name, blocking.k, stream.batch_size,
            stream.poison_attempts, self._now, self._log, self._rest,
        )  # fmt: skip
        self._progress.stage("indexing the catalogue before the range", None)
        try:
            pipeline.begin(inputs)
            self._progress.stage("judging", items)
            for begin, end in _ranges(items, run.asked.chunk):
                self._pace.begin()
                came = pipeline.chunk(inputs.changes(begin, end))
                inputs.commit()
                self._progress.advance(end - begin)
                yield begin, end, came
        finally:
            if not (self.request.keep_index and remember):
                index.purge()

    def _rest(self, pairs: int) -> None:
        self._pace.end(pairs)
        self._pace.begin()

    def own_index(self, name: str) -> Index:
        """The index of a run over events: the live Redis, another namespace."""
        live = open_index(self.settings)
        namespace = f"{self.settings.redis.namespace}-replay-{name}"
        if len(namespace) > LONGEST_NAMESPACE:
            # Never shortened: another index's name could come of it, and this one is purged.
            raise WrongRequest(f"{namespace!r} is longer than {LONGEST_NAMESPACE} characters: give a shorter --name")
        redis = self.settings.redis.model_copy(update={"namespace": namespace})
        return Index(live.client, BlockingSettings.from_sections(self.settings.blocking, redis))


class _Rested:
    """Progress of a long reading that keeps the pace as well."""

    def __init__(self, progress: Progress, pace: Pace) -> None:
        self._progress = progress
        self._pace = pace

    def stage(self, text: str, total: int | None) -> None:
        self._progress.stage(text, total)

    def advance(self, count: int) -> None:
        self._progress.advance(count)
        self._pace.end()
        self._pace.begin()


def _ranges(items: int, size: int) -> Iterator[tuple[int, int]]:
    for begin in range(0, items, size):
        yield begin, min(begin + size, items)
