"""What the closed loop's decisions were worth: true, estimated and labelled F1, window by window and phase by phase.

A pair is *said to match* when its probability is at or above the threshold in force, reviews included: that is what the
monitor's estimate is about, so that all three are of one quantity. F1 is among judged pairs. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np

from schemas.decision import MatchDecision
from schemas.label import Label
from schemas.labeling import LabelingTask
from worker.labeling.estimate import share
from worker.labeling.reading import contents_of
from worker.monitor.estimation import estimate
from worker.monitor.facts import estimate_counts

RESAMPLES = 2_000
SEED = 20261123
SHARE_OF_A_WINDOW = 0.5
"""A last window smaller than this goes to the one before."""


@dataclass(frozen=True)
class Phase:
    """A stretch of the stream, by the log's clock (ms, end exclusive), and the products that count in it."""

    name: str
    start: int
    end: int
    products: frozenset[str]


@dataclass(frozen=True)
class Seen:
    """One decision of the student in production, with the truth.

    ``contents`` names pair and both contents; ``inclusion``, ``least`` and ``uniform`` are the sampler's, if it drew.
    """

    at: int
    phase: str
    decision: str
    pair: str
    contents: str
    query: str
    probability: float
    said: bool
    truth: bool
    review: bool
    bundle: str
    inclusion: float | None = None
    least: float | None = None
    uniform: bool = False
    labelled: bool = False


def seen_of(
    decisions: Iterable[tuple[int, MatchDecision]],
    phases: Sequence[Phase],
    products: Mapping[str, str],
    tasks: Mapping[str, LabelingTask],
    answers: Mapping[tuple[str, str, str], Label],
) -> list[Seen]:
    """Decisions (timestamp in ms, decision) that count, in the order of the log, each once.

    Args:
        decisions: everything that was published.
        phases: which of them count.
        products: product of every listing, by key.
        tasks: the sampler's, by decision, as they were drawn.
        answers: labels by pair and both digests.
    """
    found: dict[str, Seen] = {}
    for at, made in sorted(decisions, key=lambda each: (each[0], each[1].decision_id)):
        if made.decided_by != "student" or made.replay is not None or made.probability is None:
            continue
        product = products.get(made.query_key)
        phase = next((each for each in phases if each.start <= at < each.end and product in each.products), None)
        if phase is None or made.thresholds is None or made.decision_id in found:
            continue
        task = tasks.get(made.decision_id)
        found[made.decision_id] = Seen(
            at=at, phase=phase.name, decision=made.decision_id, pair=made.pair_id,
            contents=contents(made), query=made.query_key,
            probability=made.probability, said=made.probability >= made.thresholds.match,
            truth=product == products.get(made.candidate_key), review=made.verdict == "review",
            bundle=made.bundle.digest[:12],
            inclusion=None if task is None else task.inclusion_probability,
            least=None if task is None else task.rates.get("uniform", task.inclusion_probability),
            uniform=task is not None and "uniform" in task.reasons,
            labelled=task is not None and contents_of(task) in answers,
        )  # fmt: skip
    return list(found.values())


def contents(made: MatchDecision) -> str:
    """Names pair and both contents: of another student's judgement of the same it is the same."""
    return f"{made.pair_id} {made.first.digest} {made.second.digest}"


def windows(rows: Sequence[Seen], size: int) -> list[list[Seen]]:
    """Consecutive decisions of one phase, so many each."""
    made: list[list[Seen]] = []
    for phase in dict.fromkeys(row.phase for row in rows):
        own = [row for row in rows if row.phase == phase]
        cut = [own[at : at + size] for at in range(0, len(own), size)]
        if len(cut) > 1 and len(cut[-1]) < SHARE_OF_A_WINDOW * size:
            cut[-2:] = [[*cut[-2], *cut[-1]]]
        made += cut
    return made


def true_quality(rows: Sequence[Seen], said: Sequence[bool] | None = None) -> dict[str, Any]:
    """F1 with its 95% interval (percentile bootstrap over queries, whose pairs hang together), precision and recall.

    ``said`` stands for other verdicts on the same pairs.
    """
    claims = [row.said for row in rows] if said is None else list(said)
    places = {query: number for number, query in enumerate(dict.fromkeys(row.query for row in rows))}
    counts = np.zeros((max(1, len(places)), 3))
    for row, claim in zip(rows, claims, strict=True):
        counts[places[row.query]] += (claim and row.truth, claim, row.truth)
    hits, claimed, true = counts.sum(axis=0)
    draws = np.random.default_rng(SEED).integers(0, len(counts), (RESAMPLES, len(counts)))
    sums = counts[draws].sum(axis=1)
    spread = 2 * sums[:, 0] / np.maximum(sums[:, 1] + sums[:, 2], 1)
    low, high = np.quantile(spread, (0.025, 0.975))
    return {
        "pairs": len(rows), "matches": int(true), "f1": _share(2 * hits, claimed + true), "f1_low": float(low),
        "f1_high": float(high), "precision": _share(hits, claimed), "recall": _share(hits, true),
    }  # fmt: skip


def estimated_quality(rows: Sequence[Seen]) -> dict[str, Any]:
    """The monitor's estimate without labels, of these very decisions."""
    counts: dict[str, int] = {}
    for row in rows:
        for _, name, amount in estimate_counts(row.probability, row.said):
            counts[name] = counts.get(name, 0) + amount
    return estimate(counts).model_dump()


def labelled_quality(rows: Sequence[Seen]) -> dict[str, Any]:
    """F1 from the sampled and labelled decisions among these, with its 95% interval; None without labels.

    F1 is 2 s / (1 + s) of the share s of right matches among right, wrong and missed ones, and grows with it; each is
    weighted by its chance to be drawn (`worker.labeling.estimate`).
    """
    drawn = [row for row in rows if row.inclusion is not None and row.least is not None]
    answered = [row for row in drawn if row.labelled]
    found: dict[str, Any] = {"drawn": len(drawn), "labels": len(answered), "f1": None, "f1_low": None, "f1_high": None}
    if not answered:
        return found
    right = [1 / (row.inclusion or 1) for row in answered if row.said and row.truth]
    wrong = [1 / (row.inclusion or 1) for row in answered if row.said != row.truth]
    made = share(right, wrong, max(1 / (row.least or 1) for row in drawn))
    value = None if made.value != made.value else _f1(made.value)
    return found | {"f1": value, "f1_low": _f1(made.low), "f1_high": _f1(made.high)}


def judged_matches(rows: Sequence[Seen], catalogue: Mapping[str, int], products: Mapping[str, str]) -> float | None:
    """Share of the matches in the catalogue that blocking named: of each query the listings of its product.

    ``catalogue``: listings in the catalogue by product.
    """
    named: dict[str, set[str]] = {}
    for row in rows:
        named.setdefault(row.query, set()).update({row.pair} if row.truth else ())
    there = sum(catalogue[products[query]] for query in named)
    return sum(map(len, named.values())) / there if there else None


def summary(rows: Sequence[Seen], control: Mapping[str, bool]) -> dict[str, Any]:
    """All that is said of some decisions. ``control``: what another student said of them, by contents."""
    known = [row for row in rows if row.contents in control]
    return {
        "decisions": len(rows),
        "bundles": sorted({row.bundle for row in rows}),
        "reviews": sum(row.review for row in rows),
        "true": true_quality(rows),
        "estimated": estimated_quality(rows),
        "labelled": labelled_quality(rows),
        "control": true_quality(known, [control[row.contents] for row in known]) if known else None,
    }


def events_of(stages: Mapping[str, Mapping[str, Any]], alarms: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What happened, by the clock: alarms (the first of the drift by name, the others counted), labels, the verdict.

    Args:
        stages: what `benchmarks.closed_loop_stages` kept, by stage.
        alarms: stream and time (ISO) of every alarm.
    """
    drift, verdict, promoted = stages["drift"], stages["retrain"], stages["promote"]
    early = [each for each in alarms if each["at"] < drift["begin"]]
    found = [{"kind": "alarm", "time": each["at"], "text": f"false alarm: {each['stream']}"} for each in early]
    found.append({"kind": "drift", "time": drift["begin"], "text": f"drift begins: {drift['style']}"})
    late = [each for each in alarms if each["at"] >= drift["begin"]]
    if drift["alarm"]:
        seen = drift["alarm"]["seen"]
        others = sum(each["at"] <= drift["end"] for each in late) - 1
        more = f" (and {others} more)" if others > 0 else ""
        found.append({"kind": "alarm", "time": seen, "text": f"alarm: {drift['alarm']['stream']}{more}"})
    trained = sum(count for what, count in verdict["labels"]["counts"].items() if what.startswith("trained on"))
    held = verdict["labels"]["counts"].get("held out", 0)
    what = "promoted" if promoted["promoted"] else "refused"
    text = f"retrained on {trained} labels, judged on {held}: {what}"
    return [*found, {"kind": what, "time": promoted["at"], "text": text}]


def build(records: Mapping[str, Any], size: int, per_segment: int = 3) -> dict[str, Any]:
    """The report from what was collected: windows of `size` decisions, segments of some windows, phases, events."""
    rows = [Seen(**row) for row in records["seen"]]
    place = {row.decision: number for number, row in enumerate(rows)}
    control: dict[str, bool] = records["control"]

    def described(part: Sequence[Seen]) -> dict[str, Any]:
        span = {"phase": part[0].phase, "from": place[part[0].decision], "to": place[part[-1].decision] + 1}
        return span | summary(part, control)

    cut = windows(rows, size)
    phases = []
    for name in dict.fromkeys(row.phase for row in rows):
        own = [row for row in rows if row.phase == name]
        named = judged_matches(own, records["catalogue"], records["products"])
        phases.append({"name": name, "blocking": named, **described(own)})
    begin = records["stages"]["quiet"]["begin"]
    events = [
        event
        | {
            "at": sum(row.at < _ms(event["time"]) for row in rows),
            "seconds": (_ms(event["time"]) - _ms(begin)) / 1000,
        }
        for event in events_of(records["stages"], records["alarms"])
    ]
    return {
        "phases": phases, "windows": [described(part) for part in cut],
        "segments": [described(part) for part in windows(rows, size * per_segment)], "events": events,
        "style": records["stages"]["choose"]["style"], "styles": records["stages"]["choose"]["rows"],
        "verdict": records["stages"]["retrain"]["verdict"], "promoted": records["stages"]["promote"]["promoted"],
        "alarms": records["alarms"],
        "stages": {name: stage.get("seconds") for name, stage in records["stages"].items()},
    }  # fmt: skip


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def as_rows(rows: Sequence[Seen]) -> list[dict[str, Any]]:
    """As JSON takes them."""
    return [asdict(row) for row in rows]


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _f1(share: float) -> float:
    return 2 * share / (1 + share)
