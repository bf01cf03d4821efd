"""Which files count, whatever was written beside them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.audit.chain import Segment, chain, covered, end_of, merges, segment_of

segments = st.builds(
    lambda start, width, form: Segment(start, start + width, form),
    st.integers(0, 30), st.integers(1, 12), st.sampled_from(["parquet", "json"]),
)  # fmt: skip


def reachable(found: list[Segment]) -> set[int]:
    """By exhaustion: every offset that some path from 0 reaches."""
    seen = {0}
    while more := {each.end for each in found if each.start in seen} - seen:
        seen |= more
    return seen


@given(st.lists(segments, max_size=20))
def test_a_path_without_gap_or_overlap_that_reaches_furthest(found: list[Segment]) -> None:
    path = chain(found)
    assert [0, *(each.end for each in path)][: len(path)] == [each.start for each in path]
    assert end_of(path) == max(reachable(found))
    assert set(path) <= set(found)
    assert chain(found[::-1]) == path


@given(st.lists(segments, max_size=12), segments)
def test_another_file_never_takes_back_what_was_reached(found: list[Segment], late: Segment) -> None:
    assert end_of(chain([*found, late])) >= end_of(chain(found))


@given(st.lists(segments, max_size=20))
def test_removing_what_is_covered_changes_nothing(found: list[Segment]) -> None:
    path = chain(found)
    gone = covered(found, path)
    left = [each for each in found if each not in gone]
    assert chain(left) == path
    assert not set(gone) & set(path)


def test_the_merged_file_counts_before_its_parts_and_a_list_before_a_file() -> None:
    parts = [Segment(0, 10), Segment(10, 20)]
    assert chain([*parts, Segment(0, 20, "json")]) == [Segment(0, 20, "json")]
    assert chain([Segment(0, 20), Segment(0, 20, "json")]) == [Segment(0, 20, "json")]


def test_a_late_write_of_a_killed_sink_is_ignored() -> None:
    written = [Segment(0, 10), Segment(10, 20), Segment(20, 30)]
    assert chain([*written, Segment(10, 25)]) == written


def test_names() -> None:
    segment = Segment(7, 12, "json")
    assert segment.name == "00000000000000000007-00000000000000000012.json"
    assert segment_of(segment.name) == segment
    assert [segment_of(each) for each in ("parts", "x.parquet", Segment(5, 5).name, f"{segment.name}.partial")] == [
        None
    ] * 4


@given(st.lists(st.integers(1, 5_000), max_size=60))
def test_merging_until_nothing_is_worth_it_keeps_few_files(widths: list[int]) -> None:
    path: list[Segment] = []
    for width in widths:
        path.append(Segment(end_of(path), end_of(path) + width))
        while runs := merges(path, fan=4, smallest=1_000):
            for run in runs:
                at = path.index(run[0])
                assert path[at : at + len(run)] == run
                path[at : at + len(run)] = [Segment(run[0].start, run[-1].end, "json")]
    assert end_of(path) == sum(widths)
    assert chain(path) == path
    # Four of each tier at most, and a tier holds four times the one below: 60 * 5000 offsets are six tiers.
    assert len(path) <= 6 * 8
