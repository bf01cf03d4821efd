"""A stream learns, watches, alarms and comes back; and is the same after a pause."""

from __future__ import annotations

import numpy as np
import orjson

from worker.monitor.streams import Finding, Rules, Stream

RULES = Rules(unit=50, reference_units=15, trial_units=15, min_distance=0.03, threshold=4.5)
CLEAN = [0.6, 0.2, 0.1, 0.05, 0.05]
DRIFTED = [0.2, 0.2, 0.1, 0.05, 0.45]


def window(generator: np.random.Generator, shares: list[float], n: int = 50) -> dict[str, dict[str, int]]:
    """Counts of decisions that come in lumps, as those of one change do."""
    lumpy = generator.dirichlet(np.array(shares) * 40)
    counts = {f"b{place}": int(number) for place, number in enumerate(generator.multinomial(n, lumpy)) if number}
    return {"sum.n": {"": n}, "score": counts}


def steps(
    stream: Stream, generator: np.random.Generator, shares: list[float], count: int, start: int = 0
) -> list[Finding]:
    found = []
    for number in range(start, start + count):
        found += stream.step(number * 1000, (number + 1) * 1000, window(generator, shares), RULES)
    return found


def test_a_drift_is_found_soon_after_it_began_and_the_end_of_it_too() -> None:
    generator = np.random.default_rng(0)
    stream = Stream("all")
    assert steps(stream, generator, CLEAN, 150) == []
    alarm, *more = steps(stream, generator, DRIFTED, 20, start=150)
    assert (alarm.kind, alarm.signal, more) == ("alarm", "score", [])
    assert alarm.unit.start <= 160_000
    assert 147_000 <= alarm.since <= 152_000
    assert alarm.evidence >= RULES.threshold
    assert alarm.run["b4"] / sum(alarm.run.values()) > 0.25
    assert steps(stream, generator, DRIFTED, 30, start=170) == []
    (back,) = steps(stream, generator, CLEAN, 30, start=200)
    assert back.kind == "recovered"


def test_clean_streams_raise_no_more_than_the_bound() -> None:
    # 20 streams of 120 armed units at a threshold of 10^4.5: at most 0.08 alarms are to be expected.
    alarms = 0
    for seed in range(20):
        generator = np.random.default_rng(seed)
        alarms += len(steps(Stream(str(seed)), generator, CLEAN, 150))
    assert alarms == 0


def test_small_windows_are_put_together() -> None:
    stream = Stream("all")
    generator = np.random.default_rng(1)
    for number in range(9):
        stream.step(number, number + 1, window(generator, CLEAN, 11), RULES)
    assert stream.units == 1
    assert stream.pending["sum.n"] == {"": 44}
    assert stream.pending_start == 5


def test_a_stream_goes_on_from_its_state_as_if_nothing_had_happened() -> None:
    whole, parts = Stream("all"), Stream("all")
    for number in range(60):
        shares = DRIFTED if number > 52 else CLEAN
        for stream in (whole, parts):
            counts = window(np.random.default_rng(number), shares)
            stream.step(number, number + 1, counts, RULES)
        parts = Stream("all", orjson.loads(orjson.dumps(parts.state())))
    assert parts.state() == whole.state()
    assert parts.signals["score"].evidence > 1


def test_taking_a_window_does_not_change_the_state_that_was_given() -> None:
    stream = Stream("all")
    steps(stream, np.random.default_rng(2), CLEAN, 40)
    state = orjson.loads(orjson.dumps(stream.state()))
    before = orjson.dumps(state)
    steps(Stream("all", state), np.random.default_rng(3), DRIFTED, 10, start=40)
    assert orjson.dumps(state) == before


def test_a_signal_that_was_never_in_the_reference_is_not_compared() -> None:
    stream = Stream("all")
    steps(stream, np.random.default_rng(4), CLEAN, 40)
    stream.step(40_000, 41_000, {"sum.n": {"": 50}, "shadow": {"agree": 50}}, RULES)
    assert stream.signals["shadow"].trail == []


def test_accepting_learns_anew() -> None:
    stream = Stream("all")
    steps(stream, np.random.default_rng(5), CLEAN, 40)
    stream.accept()
    assert not stream.armed(RULES)
    assert steps(stream, np.random.default_rng(6), DRIFTED, 60, start=40) == []
