from __future__ import annotations

import pytest
from prometheus_client import generate_latest

from worker.stream import metrics
from worker.stream.metrics import BATCH_SECONDS, CATALOGUE, CHANGES, LAG, Metric, Metrics


def test_every_metric_of_the_module_is_in_the_catalogue() -> None:
    assert {each for each in vars(metrics).values() if isinstance(each, Metric)} == set(CATALOGUE)


def test_every_metric_says_what_it_means_and_what_to_do() -> None:
    text = generate_latest(Metrics().registry).decode()
    for metric in CATALOGUE:
        assert metric.meaning in text
        assert f"Remedy: {metric.remedy}" in text


def test_values() -> None:
    made = Metrics()
    made.add(CHANGES, 2, outcome="judged")
    made.set(LAG, 7)
    made.observe(BATCH_SECONDS, 0.3, phase="judge")
    assert made.value(CHANGES, outcome="judged") == 2
    assert made.value(CHANGES, outcome="deleted") == 0
    assert made.value(LAG) == 7


def test_a_metric_of_another_kind_is_refused() -> None:
    made = Metrics()
    with pytest.raises(TypeError, match="samesku_lag is a gauge"):
        made.add(LAG)
    with pytest.raises(TypeError, match="counter, not a gauge"):
        made.set(CHANGES, 1, outcome="judged")
    with pytest.raises(TypeError, match="not a histogram"):
        made.observe(LAG, 1)
