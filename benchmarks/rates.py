"""How fast the stream was, from its answers and the workers' own metrics. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from schemas.answer import Answer
from schemas.decision import MatchDecision
from worker.stream.metrics import BATCH_SECONDS, PAIRS_JUDGED, PAIRS_REJUDGED, PAIRS_UNCHANGED


def rates(answers: Sequence[Answer], decisions: Sequence[MatchDecision], sent_at: datetime) -> dict[str, Any]:
    """Changes and pairs per second from the first record sent to the last answer, and what a change cost.

    A pair is a decision by the student or by identifiers; one that both sides judged counts twice. Raises ValueError
    without answers.
    """
    if not answers:
        raise ValueError("no answers")
    seconds = (max(answer.answered_at for answer in answers) - sent_at).total_seconds()
    pairs = sum(decision.decided_by in ("student", "identifier") for decision in decisions)
    judged = [answer for answer in answers if answer.outcome in ("judged", "no_candidates", "unchanged")]
    return {
        "changes": len(answers),
        "pairs": pairs,
        "distinct_pairs": len({decision.pair_id for decision in decisions}),
        "seconds": round(seconds, 2),
        "changes_per_second": _per_second(len(answers), seconds),
        "pairs_per_second": _per_second(pairs, seconds),
        "candidates_per_change": round(sum(a.candidates for a in judged) / len(judged), 2) if judged else 0.0,
        "changes_with_fewer_candidates": sum(answer.k_effective < answer.k_requested for answer in judged),
        "outcomes": dict(sorted(Counter(answer.outcome for answer in answers).items())),
    }


def partitions(answers: Iterable[Answer], sent_at: datetime) -> list[dict[str, Any]]:
    """Each partition's changes, pairs considered, and seconds until its last answer; the one that took longest first.

    All changes are sent at once, so that a partition's seconds are what its last change had to wait.
    """
    grouped: dict[int, list[Answer]] = defaultdict(list)
    for answer in answers:
        grouped[answer.source.partition].append(answer)
    rows = []
    for number, own in grouped.items():
        seconds = (max(answer.answered_at for answer in own) - sent_at).total_seconds()
        rows.append(
            {
                "partition": number,
                "changes": len(own),
                "candidates": sum(answer.candidates for answer in own),
                "seconds": round(seconds, 2),
                "changes_per_second": _per_second(len(own), seconds),
            }
        )
    return sorted(rows, key=lambda row: (-float(row["seconds"]), row["partition"]))


def stages(scrapes: Iterable[str], changes: int) -> dict[str, Any]:
    """Milliseconds of each phase per change, summed over the workers, from their metrics in Prometheus' text form.

    Work of several workers goes on at the same time, so that the phases may add up to more than the wall clock.
    """
    seconds: defaultdict[str, float] = defaultdict(float)
    counted: defaultdict[str, float] = defaultdict(float)
    batches = 0.0
    for text in scrapes:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == f"{BATCH_SECONDS.name}_sum":
                    seconds[sample.labels["phase"]] += sample.value
                elif sample.name == f"{BATCH_SECONDS.name}_count" and sample.labels["phase"] == "publish":
                    batches += sample.value
                elif family.name in _COUNTED and sample.name == f"{family.name}_total":
                    counted[_COUNTED[family.name]] += sample.value
    return {
        "batches": int(batches),
        "changes_per_batch": round(changes / batches, 1) if batches else 0.0,
        "ms_per_change": {phase: round(1000 * spent / changes, 2) for phase, spent in sorted(seconds.items())},
        "judge_ms_per_pair": round(1000 * seconds["judge"] / counted["judged"], 2) if counted["judged"] else None,
        **{name: int(counted[name]) for name in ("judged", "rejudged", "unchanged")},
    }


_COUNTED = {PAIRS_JUDGED.name: "judged", PAIRS_REJUDGED.name: "rejudged", PAIRS_UNCHANGED.name: "unchanged"}


def gauge(text: str, name: str) -> float:
    """The sum of one gauge over its labels in a text of metrics; 0 where it is absent."""
    return sum(
        sample.value for family in text_string_to_metric_families(text) for sample in family.samples
        if sample.name == name
    )  # fmt: skip


def _per_second(amount: int, seconds: float) -> float:
    return round(amount / seconds, 2) if seconds > 0 else 0.0
