"""The watch on the topics: from offset to offset through decisions and labels; tasks and opinions out in transactions.

State is one file: the offsets read, the tallies, and the labelled or awaited decisions of the share. The ids of tasks,
opinions and alarms follow from what they are about, and they are published before the state moves on: a watcher that
dies repeats and loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas import topics
from schemas.decision import MatchDecision
from schemas.drift import DriftEvent, DriftKind
from schemas.events import BadEvent, Event
from schemas.label import Label, parse_label
from schemas.offer import Offer
from schemas.settings import Settings
from train.judges.interface import Judge
from train.judges.opinions import agreement_event
from train.judges.watch import Tally, Watched, WatchPolicy, judge_decisions, look, watched
from worker.replay.log import read, resolve
from worker.replay.offers import TopicOffers
from worker.replay.planning import as_decision
from worker.replay.span import Point, Span
from worker.stream.backoff import Log
from worker.stream.metrics import JUDGE_AGREEMENT, JUDGE_ALARM, JUDGE_CLAIMS, Metrics
from worker.stream.publisher import Publisher
from worker.stream.records import Outgoing

# Decisions judged, and tasks published, at once.
PORTION = 200
# Decisions of the share that wait for a label; the oldest are forgotten first.
MOST_WAITING = 20_000


class WatchStateError(ValueError):
    """The state file cannot be read; the message names it."""


class _Counts(BaseModel):
    """A `Tally`, and of which judge it is: what another one said under the same name counts for nothing."""

    digest: str = ""
    claims: int = 0
    agreed: int = 0
    looks: int = 0
    alarm: bool = False
    since: datetime | None = None
    until: datetime | None = None


class WatchState(BaseModel):
    """Where a watcher stands. ``waiting`` holds decisions of the share, by pair, that may still be labelled."""

    model_config = ConfigDict(extra="forbid")

    format: str = "1"
    decisions: dict[int, int] = Field(default_factory=dict)
    labels: dict[int, int] = Field(default_factory=dict)
    waiting: dict[str, MatchDecision] = Field(default_factory=dict)
    tallies: dict[str, _Counts] = Field(default_factory=dict)
    judged: int = 0
    tasks: int = 0


def read_state(path: Path) -> WatchState:
    """The state of a file, or a fresh one where there is none. Raises WatchStateError."""
    if not path.exists():
        return WatchState()
    try:
        return WatchState.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise WatchStateError(f"{path} is no state of `samesku judge watch`: {error}") from error


def write_state(path: Path, state: WatchState) -> None:
    """Write it beside the path and move it there. Raises OSError."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(state.model_dump_json() + "\n", encoding="utf-8")
    partial.replace(path)


def binds(label: Label, decision: MatchDecision) -> bool:
    """Whether a label was given on the contents that a decision judged."""
    return (label.first_digest, label.second_digest) == (decision.first.digest, decision.second.digest)


class Watcher:
    """One watcher. ``now`` gives UTC; ``publish`` False judges and counts and publishes nothing."""

    def __init__(
        self,
        settings: Settings,
        judges: Sequence[Judge],
        policy: WatchPolicy,
        path: Path,
        log: Log,
        *,
        metrics: Metrics | None = None,
        publish: bool = True,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings, self._judges, self._policy, self._path, self._log = settings, judges, policy, path, log
        self.metrics = metrics or Metrics()
        self._publish, self._now = publish, now
        self.state = read_state(path)
        self.alarms: list[str] = []

    def once(self) -> Watched:
        """Read both topics from where the state stands to their ends; returns what came of it.

        Raises ReplayError: the log cannot be read. Raises StreamError: not all was published; the same call goes on.
        """
        # Labels are bounded after decisions: one given meanwhile is about a decision that was read.
        decided, new = self._span(topics.DECISIONS, self.state.decisions)
        labelled, later = self._span(topics.LABELS, self.state.labels)
        fresh = [
            made
            for record in read(self._settings.kafka, decided)
            if watched(made := as_decision(record), self._policy.share)
        ]
        for made in fresh:
            self.state.waiting[made.pair_id] = made
        told = {label.pair_id: label for label in self._labels(labelled)}
        bound = {
            pair: label for pair, label in told.items() if (held := self.state.waiting.get(pair)) and binds(label, held)
        }
        last = {made.pair_id: made.decision_id for made in fresh}
        spared = {made.decision_id for made in fresh if made.pair_id in bound or made.decision_id != last[made.pair_id]}
        done = self._judge([(made, None) for made in fresh], spared)
        people = self._judge([(self.state.waiting.pop(pair), label) for pair, label in bound.items()])
        while len(self.state.waiting) > MOST_WAITING:
            self.state.waiting.pop(next(iter(self.state.waiting)))
        self.state.decisions, self.state.labels = new, later
        write_state(self._path, self.state)
        self._told()
        return Watched(done.tasks, done.opinions + people.opinions, done.judged + people.judged)

    def _labels(self, span: Span) -> Iterator[Label]:
        """What people said; the teacher's word is an opinion itself."""
        for record in read(self._settings.kafka, span):
            try:
                label = parse_label(record.key, record.value)
            except BadEvent:
                continue  # dead-lettered by the workers
            if label.by == "person":
                yield label

    def _span(self, name: str, at: dict[int, int]) -> tuple[Span, dict[int, int]]:
        kafka = self._settings.kafka
        span = resolve(kafka, kafka.topic(name), Point(edge="start"), Point(edge="end"))
        starts = {number: max(start, at.get(number, 0)) for number, start in span.starts.items()}
        return Span(span.topic, starts, span.ends), dict(span.ends)

    def _judge(self, items: Sequence[tuple[MatchDecision, Label | None]], spared: Collection[str] = ()) -> Watched:
        found = Watched()
        tallies: dict[str, Tally] = {judge.name: self._tally(judge) for judge in self._judges}
        for start in range(0, len(items), PORTION):
            portion = items[start : start + PORTION]
            offers = self._offers(made for made, _ in portion)
            shown = [
                (made, offers[made.first.digest], offers[made.second.digest], label)
                for made, label in portion
                if {made.first.digest, made.second.digest} <= offers.keys()
            ]
            part = judge_decisions(shown, self._judges, self._policy, tallies, self._now(), spared)
            self._send([
                *((topics.REVIEW, task.pair_id, task) for task in part.tasks),
                *((topics.OPINIONS, opinion.pair_id, opinion) for opinion in part.opinions),
            ])  # fmt: skip
            found.tasks += part.tasks
            found.opinions += part.opinions
            found.judged += part.judged
        for judge in self._judges:
            self._keep(judge, tallies[judge.name])
        self.state.judged += found.judged
        self.state.tasks += len(found.tasks)
        return found

    def _tally(self, judge: Judge) -> Tally:
        held = self.state.tallies.get(judge.name)
        return (
            Tally(**held.model_dump(exclude={"digest"}))
            if held is not None and held.digest == judge.digest
            else Tally()
        )

    def _keep(self, judge: Judge, tally: Tally) -> None:
        self.state.tallies[judge.name] = _Counts(digest=judge.digest, **vars(tally))

    def _offers(self, decisions: Iterable[MatchDecision]) -> dict[str, Offer]:
        sides = [side for made in decisions for side in (made.first, made.second)]
        return dict(TopicOffers(self._settings.kafka, sides).get({side.digest for side in sides}))

    def _send(self, events: Collection[tuple[str, str, Event]]) -> None:
        """Topic, key and event of each, in one transaction."""
        if not events or not self._publish:
            return
        named = self._settings.kafka.topic
        publisher = Publisher(self._settings, "judges", "watch", self._log)
        try:
            publisher.open()
            publisher.commit([Outgoing.event(named(topic), key.encode(), event) for topic, key, event in events])
        finally:
            publisher.close()

    def _told(self) -> None:
        """Metrics, alarms and what match.drift is told of what stands now."""
        events: list[DriftEvent] = []
        self.alarms = []
        for judge in self._judges:
            tally = self._tally(judge)
            self.metrics.set(JUDGE_CLAIMS, tally.claims, judge=judge.name)
            if tally.agreement is not None:
                self.metrics.set(JUDGE_AGREEMENT, tally.agreement, judge=judge.name)
            found = look(tally, self._policy.agreement)
            if found is not None:
                if found or tally.alarm:
                    events.append(self._event(judge, tally, "alarm" if found else "recovered"))
                tally.alarm = found
            if tally.alarm:
                self.alarms.append(
                    f"{judge.name}: agrees with people in {tally.agreed} of {tally.claims} claims, certainly below"
                    f" {self._policy.agreement:.0%}"
                )
            self.metrics.set(JUDGE_ALARM, float(tally.alarm), judge=judge.name)
            self._keep(judge, tally)
        self._send([(topics.DRIFT, event.stream, event) for event in events])
        write_state(self._path, self.state)

    def _event(self, judge: Judge, tally: Tally, kind: DriftKind) -> DriftEvent:
        now = self._now()
        return agreement_event(
            judge.name, judge.digest, kind, tally.looks, tally.claims, tally.agreed, self._policy.agreement,
            tally.since or now, tally.until or now,
        )  # fmt: skip
