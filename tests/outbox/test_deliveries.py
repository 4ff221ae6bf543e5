"""Which commits of a destination's file wait for the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from replicator.change import Op
from replicator.delivery import QueuedRow, Rejected
from replicator.outbox.deliveries import Cursor, Deliveries, ParkedRow, Settlement
from replicator.outbox.store import Synchronous

_ROW = QueuedRow(1, 0, "Reading", Op.INSERT, {"nodeId": 1}, (1,), "House:1")
_AT = "2026-01-01T00:00:00.000Z"


class _File:
    """A destination's file at a time of the test's, and how each commit found ``synchronous``."""

    def __init__(self, folder: Path, synchronous: Synchronous) -> None:
        self.now = 100.0
        self._seq = 0
        self.deliveries = Deliveries(folder, "home", synchronous, monotonic=lambda: self.now)

    def settle(self, *parked: ParkedRow) -> str:
        """Settle a step; FULL where its commit waited for the disk."""
        connection = self.deliveries.database.conn
        told: list[str] = []

        def look(statement: str) -> None:
            if statement.startswith("PRAGMA synchronous ="):
                told.append(statement.rpartition("= ")[2])
            elif statement == "COMMIT":
                told.append("commit")

        before = self.synchronous
        self._seq += 1
        cursor = Cursor(self._seq, 0, "somewhere", self._seq)
        connection.set_trace_callback(look)
        self.deliveries.settle(Settlement(cursor, [_ROW], parked), 0.0, check_parked=False)
        connection.set_trace_callback(None)
        return [before, *told][told.index("commit")]

    @property
    def synchronous(self) -> str:
        (number,) = self.deliveries.database.conn.execute("PRAGMA synchronous").fetchone()
        return {1: "NORMAL", 2: "FULL"}[number]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[_File]:
    made = _File(tmp_path, "FULL")
    yield made
    made.deliveries.close()


def test_delivered_rows_wait_for_the_disk_once_a_second(file: _File) -> None:
    assert file.settle() == "FULL"
    file.now += 0.9
    assert [file.settle(), file.settle()] == ["NORMAL", "NORMAL"]
    file.now += 0.2
    assert [file.settle(), file.settle()] == ["FULL", "NORMAL"]


def test_a_parked_row_waits_always(file: _File) -> None:
    file.settle()
    parked = ParkedRow(_ROW, Rejected("refused", "it is bad"), _AT)
    assert [file.settle(), file.settle(parked), file.settle()] == ["NORMAL", "FULL", "NORMAL"]


def test_whatever_else_is_written_waits(file: _File) -> None:
    file.settle()
    file.settle()
    assert file.synchronous == "FULL"


def test_where_nothing_is_to_wait_nothing_does(tmp_path: Path) -> None:
    file = _File(tmp_path, "NORMAL")
    assert [file.settle(), file.settle(), file.synchronous] == ["NORMAL"] * 3
    file.deliveries.close()
