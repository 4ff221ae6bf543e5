"""The outbox: entries as we write them beside a row-by-row table; orjson beside json."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from datetime import datetime, timezone
from pathlib import Path

import orjson

from benchmarks.figures import Figures, median_pair, seconds
from replicator.change import Change, Commit, Op, Position, Row
from replicator.outbox.reader import OutboxReader
from replicator.outbox.writer import OutboxWriter

COLUMNS = ("time", "nodeId", "type", "locationId", "value")
AT = datetime(2026, 3, 1, tzinfo=timezone.utc)


def readings(count: int) -> list[Row]:
    """Rows as capture gives them."""
    return [
        (f"2026-03-01T{n // 3600 % 24:02d}:{n // 60 % 60:02d}:{n % 60:02d}", n % 40, n % 6, 7,
         round(18 + n % 997 / 97, 4))
        for n in range(count)
    ]  # fmt: skip


def measure(figures: Figures, rows: int = 200_000) -> None:
    """Adds ``outbox_append``, ``outbox_read``, ``json_encode``."""
    data = readings(rows)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        numbers = iter(range(1_000))
        ours, plain, ratio = median_pair(
            lambda: rows / seconds(lambda: _append(folder / str(next(numbers)), data)),
            lambda: rows / 10 / seconds(lambda: _plain(folder / f"p{next(numbers)}", data[::10])),
        )
        figures.add("outbox_append", rows_per_s=ours, row_by_row_per_s=plain, vs_row_by_row=ratio)
        read = rows / seconds(lambda: _read(folder / "0"))
        figures.add("outbox_read", rows_per_s=read)
        size = (folder / "0" / "outbox.db").stat().st_size
        figures.add("outbox_size", bytes_per_reading=size / rows)
    fast, slow, ratio = median_pair(
        lambda: rows / seconds(lambda: orjson.dumps(data)),
        lambda: rows / seconds(lambda: json.dumps(data)),
    )
    figures.add("json_encode", orjson_rows_per_s=fast, json_rows_per_s=slow, vs_json=ratio)


def _append(folder: Path, data: list[Row]) -> None:
    writer = OutboxWriter(folder)
    writer.begin_at(Position("s", "b", 4), None)
    for start in range(0, len(data), 1_000):
        writer.append(Change("Reading", Op.INSERT, COLUMNS, data[start : start + 1_000]))
        writer.commit(Commit(Position("s", "b", start + 5), AT))
        writer.flush()
    writer.database.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    writer.close()


def _plain(path: Path, data: list[Row]) -> None:
    """The plain way: a typed table, one INSERT and one COMMIT a row."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(
        "CREATE TABLE reading (time TEXT, nodeId INT, type INT, locationId INT, value REAL)"
    )
    for row in data:
        connection.execute("INSERT INTO reading VALUES (?, ?, ?, ?, ?)", row)
    connection.close()


def _read(folder: Path) -> None:
    reader = OutboxReader(folder)
    for entry in reader.entries(0):
        assert entry.rows
    reader.close()
