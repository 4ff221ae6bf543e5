"""Ranges summed up by the source, and a gap healed by them: the whole way on a real server."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.mariadbd import PrivateMariaDB
from replicator.change import Op, Position, Row
from replicator.outbox.reader import OutboxReader
from replicator.outbox.writer import OutboxWriter
from replicator.remedy import Beginning, begin
from replicator.source.binlog import BinlogStream
from replicator.source.loss import Loss, assess
from replicator.source.snapshot import SnapshotReader
from replicator.tail import Tail, TailSettings
from tests.source.capture import at, endpoint, stream

FILL = (
    "SET foreign_key_checks = 0, sql_mode = ''",
    "INSERT INTO Reading SELECT '2026-01-01' + INTERVAL seq DIV 4 MINUTE, seq MOD 4, 0, NULL,"
    " seq / 7 FROM seq_0_to_199",
    "INSERT INTO NodeState (time, nodeId, seq_num) SELECT '2026-01-01', seq, 1 FROM seq_1_to_60",
)
A, B = ("2026-01-01T00:10:00", 1, 0), ("2026-01-01T00:20:00", 2, 0)


@pytest.fixture
def filled(mariadb: PrivateMariaDB, station: str) -> Iterator[SnapshotReader]:
    mariadb.execute(*FILL, database=station)
    with SnapshotReader(endpoint(mariadb, station)) as reader:
        yield reader


def test_a_range_has_both_its_ends_as_the_rows_read_have(filled: SnapshotReader) -> None:
    for after, upto in ((None, A), (A, B), (A, ("2026-01-01T00:10:00", 3, 0))):
        chunk = filled.read("Reading", after, 1000, upto)
        assert chunk.change is not None
        keys = [row[:3] for row in chunk.change.rows]
        assert keys[-1] == upto
        assert all(after is None or key > after for key in keys)
        assert filled.digest("Reading", after, upto)[0] == len(keys)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE Reading SET value = 2.0000002 WHERE time = '2026-01-01 00:12:00' AND nodeId = 1",
        "UPDATE Reading SET locationId = 0 WHERE time = '2026-01-01 00:12:00' AND nodeId = 1",
        "DELETE FROM Reading WHERE time = '2026-01-01 00:12:00' AND nodeId = 1",
        "UPDATE Reading SET nodeId = 9 WHERE time = '2026-01-01 00:12:00' AND nodeId = 1",
    ],
)
def test_whatever_changes_in_a_range_changes_its_digest(
    filled: SnapshotReader, mariadb: PrivateMariaDB, station: str, statement: str
) -> None:
    mariadb.execute(
        "UPDATE Reading SET value = 2 WHERE time = '2026-01-01 00:12:00'", database=station
    )
    before = filled.digest("Reading", A, B)
    beside = filled.digest("Reading", B, ("2026-02-01T00:00:00", 0, 0))
    assert filled.digest("Reading", A, B) == before
    mariadb.execute("SET foreign_key_checks = 0", statement, database=station)
    assert filled.digest("Reading", A, B) != before
    assert filled.digest("Reading", B, ("2026-02-01T00:00:00", 0, 0)) == beside


def test_columns_that_are_not_sent_do_not_count(
    filled: SnapshotReader, mariadb: PrivateMariaDB, station: str
) -> None:
    before = filled.digest("Reading", A, B)
    mariadb.execute("ALTER TABLE Reading ADD note INT DEFAULT 5", database=station)
    with SnapshotReader(endpoint(mariadb, station)) as now:
        assert now.digest("Reading", A, B) == before


def test_a_boundary_leaves_enough_rows_beyond(filled: SnapshotReader) -> None:
    assert filled.boundary("NodeState", None, 40, 20) == (40,)
    assert filled.boundary("NodeState", None, 40, 21) is None
    assert filled.boundary("NodeState", (10,), 40, 10) == (50,)


def test_keys_are_ordered_here_as_the_server_orders_them(
    filled: SnapshotReader, mariadb: PrivateMariaDB, station: str
) -> None:
    assert all(filled.ordered_here(table) for table in ("Reading", "NodeState", "House"))
    mariadb.execute(
        "ALTER TABLE NodeState MODIFY id VARCHAR(9) NOT NULL",
        "ALTER TABLE Reading DROP PRIMARY KEY, ADD PRIMARY KEY (nodeId, time, type)",
        database=station,
    )
    with SnapshotReader(endpoint(mariadb, station)) as now:
        assert not now.ordered_here("NodeState")
        assert not now.ordered_here("Reading")


class Station:
    """A station on a real server as the pipeline wants it."""

    def __init__(self, server: PrivateMariaDB, name: str) -> None:
        self._server, self._name = server, name

    def now(self) -> Position:
        return at(self._server, self._name, "gtid")

    def stream(self, start: Position) -> BinlogStream:
        return stream(self._server, self._name, start)

    def tables(self) -> SnapshotReader:
        return SnapshotReader(endpoint(self._server, self._name))

    def assess(self, start: Position) -> Loss:
        return assess(endpoint(self._server, self._name), start)


def settle(tail: Tail, extra: int) -> None:
    while tail.step(0.0).busy:
        pass
    for _ in range(extra):
        tail.step(0.0)
    tail.save()


def captured(folder: Path, after: int) -> list[tuple[str, Op, list[Row]]]:
    reader = OutboxReader(folder)
    found = [
        (entry.table, entry.op, [tuple(row) for row in entry.rows])
        for entry in reader.entries(after)
    ]
    reader.close()
    return found


def test_only_ranges_that_differ_are_read_though_every_entry_has_expired(
    filled: SnapshotReader, mariadb: PrivateMariaDB, station: str, tmp_path: Path
) -> None:
    ticks = itertools.count()
    options: dict[str, Any] = {"mark_rows": 20, "snapshot_chunk": 10}
    writer = OutboxWriter(tmp_path)
    tail = Tail(
        Station(mariadb, station),
        writer,
        TailSettings(tmp_path, (), **options),
        monotonic=lambda: float(next(ticks)),
    )
    settle(tail, extra=40)
    marks = {table: len(tail._catch_up.marks.of(table)) for table in ("Reading", "NodeState")}
    assert marks == {"Reading": 9, "NodeState": 2}
    tail.fall_back()
    (last,) = writer.database.conn.execute("SELECT max(seq) FROM entry").fetchone()
    writer.database.conn.execute("DELETE FROM entry WHERE seq < ?", (last,))

    mariadb.execute(
        "SET foreign_key_checks = 0",
        "UPDATE Reading SET value = -1 WHERE time = '2026-01-01 00:12:00' AND nodeId = 1",
        "INSERT INTO NodeState (time, nodeId, seq_num) VALUES ('2026-01-02', 1, 2)",
        database=station,
    )
    plan = Beginning(tail._source.now(), "a test", "skipped", "by hand", deletes=True)
    begin(writer, tail._catch_up.marks, plan)
    settle(tail, extra=0)
    new = captured(tmp_path, last)
    readings = [row for table, _, rows in new if table == "Reading" for row in rows]
    states = [row for table, _, rows in new if table == "NodeState" for row in rows]
    assert len(readings) == 40, "the range of the corrected one, and the last rows, unmarked"
    assert ("2026-01-01T00:12:00", 1, 0, None, -1.0) in readings
    assert 1 <= len(states) <= 21
    (compared, read) = writer.database.conn.execute(
        "SELECT rows_compared, rows_read FROM gap WHERE healed_at IS NOT NULL"
    ).fetchone()
    assert (compared, read) == (261 - len(readings) - len(states), len(readings) + len(states))
    tail.close()
    writer.close()
