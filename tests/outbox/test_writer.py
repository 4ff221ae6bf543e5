"""Capture into the outbox is atomic: rows and the position after them, whole transactions only."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.change import Change, Commit, Op, Position, Row
from replicator.errors import OutboxError
from replicator.outbox import writer as writer_module
from replicator.outbox.packing import ENTRY_ROWS, merged
from replicator.outbox.reader import OutboxReader
from replicator.outbox.writer import OutboxWriter, SnapshotPlace

AT = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)
COLUMNS = ("time", "nodeId", "type", "locationId", "value")


def place(number: int) -> Position:
    return Position("mariadb-17", "binlog.000001", number, f"0-17-{number}")


def readings(count: int, first: int = 0, op: Op = Op.INSERT) -> Change:
    numbers = range(first, first + count)
    rows = [(f"2026-03-01T00:00:{n % 60:02d}", n, 1, None, 0.5) for n in numbers]
    return Change("Reading", op, COLUMNS, rows)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[OutboxWriter]:
    opened = OutboxWriter(tmp_path)
    opened.begin_at(place(4), None)
    yield opened
    opened.close()


def captured(folder: Path) -> list[tuple[str, Row]]:
    reader = OutboxReader(folder)
    rows = [(e.position, tuple(row)) for e in reader.entries(0) for row in e.rows]
    reader.close()
    return rows


def test_nothing_is_visible_before_the_flush(writer: OutboxWriter, tmp_path: Path) -> None:
    writer.append(readings(3))
    writer.commit(Commit(place(10), AT))
    assert captured(tmp_path) == []
    writer.flush()
    assert len(captured(tmp_path)) == 3


def test_an_unfinished_transaction_is_not_flushed(writer: OutboxWriter, tmp_path: Path) -> None:
    writer.append(readings(1))
    writer.commit(Commit(place(10), AT))
    writer.append(readings(1, first=50))
    writer.flush()
    assert captured(tmp_path) == [(str(place(10)), ("2026-03-01T00:00:00", 0, 1, None, 0.5))]
    assert writer.inside_transaction


def test_a_large_transaction_is_spilled_but_stays_atomic(
    writer: OutboxWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "SPILL_ROWS", 100)
    for first in range(0, 1000, 50):
        writer.append(readings(50, first))
        writer.flush()
        assert captured(tmp_path) == []
    writer.commit(Commit(place(10), AT))
    writer.flush()
    assert {position for position, _ in captured(tmp_path)} == {str(place(10))}
    assert [row[1] for _, row in captured(tmp_path)] == list(range(1000))


def test_a_spilled_transaction_can_still_be_rolled_back(
    writer: OutboxWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "SPILL_ROWS", 100)
    writer.append(readings(10))
    writer.commit(Commit(place(10), AT))
    for first in range(0, 1000, 50):
        writer.append(readings(50, first))
    writer.rollback()
    writer.append(readings(1, first=77))
    writer.commit(Commit(place(20), AT))
    writer.flush()
    assert [row[1] for _, row in captured(tmp_path)] == [*range(10), 77]
    total = writer.database.conn.execute("SELECT max(row_total) FROM entry").fetchone()
    assert total == (11,)


def test_reference_rows_are_kept_at_their_latest(writer: OutboxWriter, tmp_path: Path) -> None:
    columns = ("id", "name")
    for number, (op, name) in enumerate(
        [(Op.INSERT, "Kitchen"), (Op.UPDATE, "Küche"), (Op.DELETE, "Küche")]
    ):
        writer.append(Change("RoomType", op, columns, [(7, name)]))
        writer.commit(Commit(place(10 + number), AT))
    writer.flush()
    reader = OutboxReader(tmp_path)
    assert reader.reference("RoomType", 7) == {"id": 7, "name": "Küche"}
    assert reader.reference("RoomType", 8) is None
    reader.close()
    assert writer.database.conn.execute("SELECT deleted FROM reference").fetchall() == [(1,)]


def test_seqs_are_not_used_again(writer: OutboxWriter) -> None:
    writer.append(readings(1))
    writer.commit(Commit(place(10), AT))
    writer.flush()
    writer.database.conn.execute("DELETE FROM entry")
    writer.append(readings(1))
    writer.commit(Commit(place(20), AT))
    writer.flush()
    assert writer.database.conn.execute("SELECT seq FROM entry").fetchall() == [(2,)]


def test_a_snapshot_chunk_and_its_place_are_one(writer: OutboxWriter, tmp_path: Path) -> None:
    chunk = readings(5, op=Op.SNAPSHOT)
    writer.append_snapshot(chunk, SnapshotPlace("Reading", ("2026-03-01T00:00:04", 4, 1)))
    again = OutboxWriter(tmp_path)
    assert again.snapshot == SnapshotPlace("Reading", ("2026-03-01T00:00:04", 4, 1))
    assert again.position == place(4)
    again.close()
    assert len(captured(tmp_path)) == 5


def test_a_snapshot_chunk_inside_a_transaction_is_a_bug(writer: OutboxWriter) -> None:
    writer.append(readings(1))
    with pytest.raises(RuntimeError):
        writer.append_snapshot(None, None)


def test_the_views_show_one_row_per_reading(writer: OutboxWriter) -> None:
    writer.append(readings(2))
    writer.append(
        Change(
            "NodeState",
            Op.INSERT,
            ("id", "time", "nodeId", "parent", "localtime", "seq_num", "rssi"),
            [(1, "2026-03-01T00:00:00", 3, None, 1 << 40, 9, -80.5)],
        )
    )
    writer.commit(Commit(place(10), AT))
    writer.flush()
    assert [row["value"] for row in writer.database.query("SELECT * FROM reading")] == [0.5, 0.5]
    state = next(iter(writer.database.query("SELECT * FROM node_state")))
    assert (state["localtime"], state["seq_num"], state["rssi"]) == (1 << 40, 9, -80.5)
    assert state["committed_at"] == "2026-03-01T12:00:00.000Z"


transactions = st.lists(
    st.tuples(
        st.lists(st.integers(1, 40), max_size=4),  # rows of each change
        st.sampled_from(["commit", "rollback", "die"]),
        st.sampled_from(["", "flush", "flush beside"]),  # afterwards
    ),
    max_size=12,
)


@settings(deadline=None)
@given(transactions)
def test_whatever_dies_when_rows_and_position_agree(
    plan: list[tuple[list[int], str, str]],
) -> None:
    """Replaying from the durable position after each death gives every committed row once."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer_module, "SPILL_ROWS", 30)
        folder = Path(name)
        log: list[tuple[int, list[Change]]] = []  # what the source committed: (end, changes)
        number = 10
        writer = OutboxWriter(folder)
        writer.begin_at(place(4), None)
        for counts, end, flush in plan:
            changes = [readings(count, first=number * 1000 + i) for i, count in enumerate(counts)]
            number += 1
            if end != "rollback":
                log.append((number, changes))
            if end == "die":
                for change in changes[:-1]:
                    writer.append(change)
                writer.abandon()
                assert writer.position is not None
                replay(writer, log, writer.position.offset)
                continue
            for change in changes:
                writer.append(change)
            writer.commit(Commit(place(number), AT)) if end == "commit" else writer.rollback()
            if flush:
                writer.flush(wait=flush == "flush")
        writer.close()
        writer = OutboxWriter(folder)
        assert writer.position is not None
        replay(writer, log, writer.position.offset)
        writer.flush()
        writer.close()
        expected = [
            (str(place(end)), row) for end, changes in log for c in changes for row in c.rows
        ]
        assert captured(folder) == expected


def replay(writer: OutboxWriter, log: list[tuple[int, list[Change]]], after: int) -> None:
    for end, changes in log:
        if end > after:
            for change in changes:
                writer.append(change)
            writer.commit(Commit(place(end), AT))


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(1, 700)), max_size=8))
def test_merging_keeps_every_row_in_order(plan: list[tuple[str, int]]) -> None:
    changes = [
        Change(table, Op.INSERT, ("x",), [(number,)] * count)
        for number, (table, count) in enumerate(plan)
    ]
    joined = list(merged(changes))
    assert [(c.table, row) for c in joined for row in c.rows] == [
        (c.table, row) for c in changes for row in c.rows
    ]
    assert all(len(c.rows) <= ENTRY_ROWS for c in joined)


def test_an_entry_is_readable_json(writer: OutboxWriter) -> None:
    writer.append(readings(1))
    writer.commit(Commit(place(10), AT))
    writer.flush()
    columns, rows = writer.database.conn.execute("SELECT columns, rows FROM entry").fetchone()
    assert orjson.loads(columns) == list(COLUMNS)
    assert rows == '[["2026-03-01T00:00:00",0,1,null,0.5]]'


def test_a_commit_under_way_holds_nothing_up_and_its_rows_are_there(
    writer: OutboxWriter, tmp_path: Path
) -> None:
    for number in range(40):
        writer.append(readings(1, number))
        writer.commit(Commit(place(10 + number), AT))
        writer.flush(wait=False)
    writer.append(readings(1, 99))
    writer.commit(Commit(place(99), AT))
    writer.abandon()  # what is under way is durable, what came after it is not
    assert writer.position == place(49)
    assert [row[1] for _, row in captured(tmp_path)] == list(range(40))


def test_what_a_commit_under_way_failed_with_is_raised_by_the_next_call(
    writer: OutboxWriter, tmp_path: Path
) -> None:
    """A constraint that SQLite asks only at the end stands for a disk that is full only then."""
    connection = writer.database.conn
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("CREATE TABLE kept (id INTEGER PRIMARY KEY)")
    connection.execute("CREATE TABLE lost (id REFERENCES kept DEFERRABLE INITIALLY DEFERRED)")
    writer.append(readings(3))
    writer.commit(Commit(place(10), AT))
    connection.execute("INSERT INTO lost VALUES (7)")
    writer.flush(wait=False)
    with pytest.raises(OutboxError, match="FOREIGN KEY"):
        writer.settle()
    writer.abandon()
    assert writer.position == place(4)
    assert captured(tmp_path) == []
