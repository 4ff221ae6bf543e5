"""The outbox: entries as we write them beside a row-by-row table; orjson beside json."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from datetime import datetime, timezone
from itertools import count
from pathlib import Path

import orjson

from benchmarks.figures import Figures, median_pair, seconds
from benchmarks.sizes import Sizes
from benchmarks.workload import READING, readings
from replicator.change import Change, Commit, Op, Position, Row
from replicator.outbox.reader import OutboxReader
from replicator.outbox.writer import OutboxWriter

AT = datetime(2026, 3, 1, tzinfo=timezone.utc)


def measure(figures: Figures, sizes: Sizes, folder: Path) -> None:
    """Adds ``outbox_append``, ``outbox_read``, ``outbox_size``, ``json_encode``."""
    folder.mkdir()
    rows = sizes.outbox_rows
    data = readings(rows)
    sample = data[: sizes.plain_appended]
    numbers = count()
    ours, plain, ratio = median_pair(
        lambda: rows / seconds(lambda: _append(folder / str(next(numbers)), data)),
        lambda: len(sample) / seconds(lambda: row_by_row(folder / f"p{next(numbers)}", sample)),
        sizes.runs,
    )
    figures.add("outbox_append", rows_per_s=ours, row_by_row_per_s=plain, vs_row_by_row=ratio)
    read = rows / seconds(lambda: _read(folder / "0"))
    figures.add("outbox_read", rows_per_s=read)
    size = (folder / "0" / "outbox.db").stat().st_size
    figures.add("outbox_size", bytes_per_reading=size / rows)
    fast, slow, ratio = median_pair(
        lambda: rows / seconds(lambda: orjson.dumps(data)),
        lambda: rows / seconds(lambda: json.dumps(data)),
        sizes.runs,
    )
    figures.add("json_encode", orjson_rows_per_s=fast, json_rows_per_s=slow, vs_json=ratio)


def _append(folder: Path, data: list[Row]) -> None:
    writer = OutboxWriter(folder)
    writer.begin_at(Position("s", "b", 4), None)
    for start in range(0, len(data), 1_000):
        writer.append(Change("Reading", Op.INSERT, READING, data[start : start + 1_000]))
        writer.commit(Commit(Position("s", "b", start + 5), AT))
        writer.flush()
    writer.database.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    writer.close()


def row_by_row(path: Path, data: Iterable[Row]) -> None:
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
