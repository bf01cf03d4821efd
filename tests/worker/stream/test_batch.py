from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.change import CatalogChange
from schemas.events import BadEvent, Reason
from worker.stream.batch import BatchSize, Buffer, next_offsets
from worker.stream.records import Record
from worker.stream.validate import Incoming


def incoming(offset: int, name: str | None = "a", partition: int = 0) -> Incoming:
    """A change of offer `name`, or a record that cannot be used."""
    record = Record("t", partition, offset, None if name is None else f"s:{name}".encode(), None)
    if name is None:
        return Incoming(record, refusal=BadEvent(Reason.BAD_KEY))
    return Incoming(record, change=CatalogChange(op="delete", source="s", offer_id=name))


def filled(*records: Incoming) -> Buffer[Incoming]:
    buffer: Buffer[Incoming] = Buffer()
    for record in records:
        buffer.append(record)
    return buffer


def test_a_batch_ends_before_the_second_change_of_one_offer() -> None:
    buffer = filled(incoming(0, "a"), incoming(1, "b"), incoming(2, "a"), incoming(3, "c"))
    assert [record.offset for record in buffer.cut(10)] == [0, 1]
    assert [record.offset for record in buffer.cut(10)] == [2, 3]
    assert buffer.cut(10) == []


def test_records_without_an_offer_never_end_a_batch() -> None:
    buffer = filled(incoming(0, None), incoming(1, None), incoming(2, "a"))
    assert len(buffer.cut(10)) == 3


def test_the_limit_holds() -> None:
    buffer = filled(*(incoming(number, str(number)) for number in range(5)))
    assert [record.offset for record in buffer.cut(2)] == [0, 1]
    assert len(buffer) == 3


def test_what_is_put_back_comes_first() -> None:
    buffer = filled(*(incoming(number, str(number)) for number in range(4)))
    batch = buffer.cut(2)
    buffer.put_back(batch)
    assert [record.offset for record in buffer.cut(10)] == [0, 1, 2, 3]


def test_dropped_partitions_leave_the_others() -> None:
    buffer = filled(incoming(0, "a", 0), incoming(0, "b", 1), incoming(1, "c", 0))
    assert buffer.drop_partitions({0}) == 2
    assert [record.partition for record in buffer.cut(10)] == [1]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from("abcd")), max_size=20),
    st.integers(1, 6),
    st.lists(st.booleans(), max_size=10),
)
def test_cutting_and_putting_back_loses_and_reorders_nothing(
    names: list[tuple[int, str]], limit: int, aborts: list[bool]
) -> None:
    records = [incoming(offset, name, partition) for offset, (partition, name) in enumerate(names)]
    buffer = filled(*records)
    done: list[Incoming] = []
    while len(buffer):
        batch = buffer.cut(limit)
        assert 1 <= len(batch) <= limit
        assert len({record.identity for record in batch}) == len(batch)
        if aborts and aborts.pop():
            buffer.put_back(batch)
        else:
            done += batch
    assert done == records


def test_a_bad_change_is_isolated_and_the_rest_goes_on() -> None:
    """Eight changes, the sixth bad: each batch with it fails, and it ends up alone."""
    size, bad, at, alone = BatchSize(8, poison_attempts=2), 5, 0, 0
    while at < 8:
        batch = range(at, min(8, at + size.limit))
        if bad in batch and not (size.poison and len(batch) == 1):
            size.failed(len(batch))
            alone += len(batch) == 1
        else:
            size.succeeded()
            at = batch.stop
    assert alone == 2
    assert size.limit == 4
    assert not size.alone


def test_giving_up_follows_poison() -> None:
    size = BatchSize(4, poison_attempts=1)
    size.failed(1)
    assert (size.alone, size.poison, size.given_up) == (True, True, False)
    size.failed(1)
    assert size.given_up
    size.succeeded()
    assert (size.alone, size.poison, size.given_up) == (False, False, False)


@pytest.mark.parametrize(("maximum", "attempts"), [(0, 1), (1, 0)])
def test_sizes_below_one_are_refused(maximum: int, attempts: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        BatchSize(maximum, attempts)


def test_what_is_committed_is_the_last_offset_plus_one() -> None:
    assert next_offsets([incoming(4, "a", 0), incoming(7, "b", 1), incoming(6, "c", 0)]) == {0: 7, 1: 8}
