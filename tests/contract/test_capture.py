"""What every outbox promises capture: whole transactions, their position, order, one writer."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replicator.change import Change, Commit, Op
from replicator.contract import Outbox
from replicator.errors import OutboxBusy
from replicator.outbox.place import SnapshotPlace
from tests.contract.backends import AT, COLUMNS, Backend, nodes, place, readings, write
from tests.contract.child import ROWS


def test_it_begins_empty_and_remembers_where(backend: Backend) -> None:
    with backend.open() as outbox:
        assert outbox.position is None
        outbox.begin_at(place(4), SnapshotPlace("Deployment"))
    with backend.open() as outbox:
        assert outbox.position == place(4)
        assert outbox.snapshot == SnapshotPlace("Deployment")


def test_nothing_is_seen_before_the_flush(backend: Backend) -> None:
    with backend.open() as outbox:
        outbox.begin_at(place(4), None)
        write(outbox, 10, readings(3))
        assert backend.read() == []
        outbox.flush()
        assert nodes(backend.read()) == [0, 1, 2]


def test_an_open_transaction_is_not_flushed(backend: Backend) -> None:
    with backend.open() as outbox:
        outbox.begin_at(place(4), None)
        write(outbox, 10, readings(1))
        outbox.append(readings(1, first=50))
        outbox.flush()
        assert [entry.position for entry in backend.read()] == [str(place(10))]
        assert outbox.inside_transaction
    with backend.open() as outbox:
        assert outbox.position == place(10)
        assert nodes(backend.read()) == [0]


def test_a_transaction_keeps_its_rows_times_and_place(backend: Backend) -> None:
    odd = Change("House", Op.UPDATE, ("id", "address"), [(1, "Grüße, 漢字\n\\"), (2, None)])
    with backend.open() as outbox:
        outbox.begin_at(place(4), None)
        for number, change in ((10, odd), (20, readings(2)), (30, readings(1, 9, Op.DELETE))):
            outbox.append(change)
            outbox.commit(Commit(place(number), AT + timedelta(seconds=number)))
        outbox.flush()
    seen = backend.read()
    assert [(entry.table, entry.op) for entry in seen] == [
        ("House", Op.UPDATE),
        ("Reading", Op.INSERT),
        ("Reading", Op.DELETE),
    ]
    assert [entry.position for entry in seen] == [str(place(n)) for n in (10, 20, 30)]
    assert [entry.committed_at[:19] for entry in seen] == [
        f"2026-03-01T12:00:{n}" for n in (10, 20, 30)
    ]
    assert [list(row) for row in seen[0].rows] == [list(row) for row in odd.rows]
    assert seen[1].columns == COLUMNS
    assert [entry.seq for entry in seen] == sorted({entry.seq for entry in seen})


def test_a_transaction_too_large_to_hold_is_seen_at_its_end(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.spill_beyond(100, monkeypatch)
    with backend.open() as outbox:
        outbox.begin_at(place(4), None)
        for first in range(0, 1000, 50):
            outbox.append(readings(50, first))
            outbox.flush()
            assert backend.read() == []
        outbox.commit(Commit(place(10), AT))
        outbox.flush()
    assert {entry.position for entry in backend.read()} == {str(place(10))}
    assert nodes(backend.read()) == list(range(1000))


def test_a_torn_one_is_never_seen_and_comes_once(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.spill_beyond(100, monkeypatch)
    with backend.open() as outbox:
        outbox.begin_at(place(4), None)
        for first in range(0, 500, 50):
            outbox.append(readings(50, first))
    assert backend.read() == []
    with backend.open() as outbox:
        assert outbox.position == place(4)
        for first in range(0, 1000, 50):
            outbox.append(readings(50, first))
        outbox.commit(Commit(place(10), AT))
        outbox.flush()
    assert nodes(backend.read()) == list(range(1000))


@pytest.mark.parametrize("rows", [10, 500])
def test_what_is_rolled_back_never_happened(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    backend.spill_beyond(100, monkeypatch)
    with backend.open() as outbox:
        outbox.begin_at(place(4), None)
        write(outbox, 10, readings(5))
        for first in range(1000, 1000 + rows, 10):
            outbox.append(readings(10, first))
        outbox.rollback()
        write(outbox, 20, readings(1, first=77))
        outbox.flush()
    assert nodes(backend.read()) == [0, 1, 2, 3, 4, 77]


def test_what_is_abandoned_is_read_again(backend: Backend) -> None:
    with backend.open() as outbox:
        outbox.begin_at(place(4), None)
        write(outbox, 10, readings(1))
        outbox.flush()
        write(outbox, 20, readings(1, first=20))
        outbox.append(readings(1, first=30))
        outbox.abandon()
        assert outbox.position == place(10)
        assert not outbox.inside_transaction
        write(outbox, 20, readings(1, first=20))
        outbox.flush()
    assert nodes(backend.read()) == [0, 20]


def test_the_log_is_read_on_without_rows(backend: Backend) -> None:
    with backend.open() as outbox:
        outbox.begin_at(place(4), None)
        for number in (10, 20):
            write(outbox, number)
            outbox.flush()
    with backend.open() as outbox:
        assert outbox.position == place(20)
    assert backend.read() == []


def test_a_chunk_of_a_table_is_durable_with_its_place(backend: Backend) -> None:
    with backend.open() as outbox:
        outbox.begin_at(place(4), SnapshotPlace("House"))
        houses = Change("House", Op.SNAPSHOT, ("id", "address"), [(1, "a"), (2, "b")])
        outbox.append_snapshot(houses, SnapshotPlace("House", (2,)))
        outbox.append(readings(1))
        with pytest.raises(RuntimeError):
            outbox.append_snapshot(houses, None)
    with backend.open() as outbox:
        assert outbox.snapshot == SnapshotPlace("House", (2,))
        outbox.append_snapshot(None, None)
    with backend.open() as outbox:
        assert outbox.snapshot is None
    (entry,) = backend.read()
    assert (entry.op, entry.position) == (Op.SNAPSHOT, str(place(4)))


def test_a_second_writer_is_refused(backend: Backend) -> None:
    with backend.open() as first:
        first.begin_at(place(4), None)
        with pytest.raises(OutboxBusy):
            _write_beside(backend, first)
        if first.position == place(4):
            write(first, 10, readings(1))
            first.flush()
    assert nodes(backend.read()) == [0]


def _write_beside(backend: Backend, first: Outbox) -> None:
    """A second writer captures what the first has captured meanwhile."""
    with backend.open() as second:
        assert second.position == place(4)
        write(first, 10, readings(1))
        first.flush()
        write(second, 10, readings(1))
        second.flush()


def test_killed_again_and_again(backend: Backend) -> None:
    """Every row once, in order, up to the position; nothing that was promised is missing."""
    promised = 0
    for lines in (1, 4, 9):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.contract.child", *backend.spec],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        with child.stdout as said:
            for _ in range(lines):
                promised = int(said.readline())
            child.kill()
            promised = max([promised, *(int(n) for n in said.read().split("\n")[:-1])])
        child.wait()
        with backend.open() as outbox:
            assert outbox.position is not None
            done = outbox.position.offset
        assert done >= promised
        assert nodes(backend.read()) == list(range(ROWS * done))


Step = st.tuples(
    st.sampled_from(["write", "append", "rollback", "flush", "later", "abandon", "dies"]),
    st.integers(1, 5),
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(Step, max_size=12))
def test_whatever_dies_when_rows_and_position_agree(
    backend: Backend, steps: list[tuple[str, int]]
) -> None:
    """The source: transaction n has the rows 10n to 10n + its count."""
    counts = {n: 1 + n % 4 for n in range(1, 100)}
    fresh = backend.another()
    stack = ExitStack()
    with stack:
        outbox = stack.enter_context(fresh.open())
        if outbox.position is None:
            outbox.begin_at(place(0), None)
        for what, many in steps:
            assert outbox.position is not None
            following = outbox.position.offset + 1
            if what == "write":
                outbox.rollback()
                for number in range(following, following + many):
                    write(outbox, number, readings(counts[number], 10 * number))
            elif what == "append":
                outbox.append(readings(many, 5000))
            elif what == "rollback":
                outbox.rollback()
            elif what == "abandon":
                outbox.abandon()
            elif what == "dies":
                stack.close()
                outbox = stack.enter_context(fresh.open())
            else:
                outbox.flush(wait=what == "flush")
        outbox.flush()
        assert outbox.position is not None
        done = outbox.position.offset
    expected = [10 * n + k for n in range(1, done + 1) for k in range(counts[n])]
    assert nodes(fresh.read()) == expected
