"""Rates from answers and metrics."""

from __future__ import annotations

import pytest
from prometheus_client import generate_latest

from benchmarks.rates import gauge, partitions, rates, stages
from tests.benchmarks.making import BEGIN, answered, made
from worker.stream.metrics import ASSIGNED, BATCH_SECONDS, PAIRS_JUDGED, PAIRS_REJUDGED, PAIRS_UNCHANGED, Metrics

ANSWERS = [
    answered(0, 0, 2.0),
    answered(0, 1, 4.0, candidates=3, k=3),
    answered(1, 0, 10.0, candidates=0, outcome="no_candidates"),
    answered(1, 1, 3.0, candidates=0, outcome="indexed_only"),
]


def test_rates_count_from_the_first_record_to_the_last_answer() -> None:
    decisions = [made("a:1#b:1", "match"), made("a:1#b:1", "match", query=1), made("a:1#b:2", "no_match")]
    found = rates(ANSWERS, decisions, BEGIN)
    assert found["seconds"] == 10.0
    assert found["changes_per_second"] == 0.4
    assert (found["pairs"], found["distinct_pairs"], found["pairs_per_second"]) == (3, 2, 0.3)
    assert found["candidates_per_change"] == round(8 / 3, 2)
    assert found["changes_with_fewer_candidates"] == 1
    assert found["outcomes"] == {"indexed_only": 1, "judged": 2, "no_candidates": 1}


def test_retractions_are_no_judged_pairs() -> None:
    retracted = made("a:1#b:1", "retracted").model_copy(update={"decided_by": "change"})
    assert rates(ANSWERS, [retracted], BEGIN)["pairs"] == 0


def test_rates_need_answers() -> None:
    with pytest.raises(ValueError, match="no answers"):
        rates([], [], BEGIN)


def test_the_partition_that_took_longest_comes_first() -> None:
    first, second = partitions(ANSWERS, BEGIN)
    assert (first["partition"], first["changes"], first["seconds"]) == (1, 2, 10.0)
    assert (second["partition"], second["candidates"], second["changes_per_second"]) == (0, 8, 0.5)


def scrape(judge_seconds: float) -> str:
    metrics = Metrics()
    metrics.observe(BATCH_SECONDS, 0.1, phase="index")
    metrics.observe(BATCH_SECONDS, judge_seconds, phase="judge")
    metrics.observe(BATCH_SECONDS, 0.05, phase="publish")
    metrics.add(PAIRS_JUDGED, 10)
    metrics.add(PAIRS_REJUDGED, 2)
    metrics.add(PAIRS_UNCHANGED)
    metrics.set(ASSIGNED, 3)
    return generate_latest(metrics.registry).decode()


def test_stages_are_summed_over_the_workers() -> None:
    found = stages([scrape(1.0), scrape(3.0)], 40)
    assert found["ms_per_change"] == {"index": 5.0, "judge": 100.0, "publish": 2.5}
    assert (found["batches"], found["changes_per_batch"]) == (2, 20.0)
    assert found["judge_ms_per_pair"] == 200.0
    assert (found["judged"], found["rejudged"], found["unchanged"]) == (20, 4, 2)


def test_stages_without_work() -> None:
    found = stages([generate_latest(Metrics().registry).decode()], 1)
    assert (found["batches"], found["judge_ms_per_pair"]) == (0, None)


def test_gauge() -> None:
    assert gauge(scrape(1.0), ASSIGNED.name) == 3.0
    assert gauge(scrape(1.0), "absent") == 0.0
