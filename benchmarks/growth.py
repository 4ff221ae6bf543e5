"""Whether a look, ship and the central server become slower, or ship larger, as things grow.

One outbox with ten million readings serves `replicator backlog`, ship's peak of memory and, beside
an outbox that holds a thousand, the cost of a step. The centre's cost is that of storing a thousand
readings where ten thousand lie and where ten million do. Measured in turn; wall time, medians.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from benchmarks.figures import Figures, seconds
from benchmarks.looking import backlog_seconds
from benchmarks.progress import settled
from benchmarks.scene import Scene, doing_nothing, ship_step, wait
from benchmarks.shipping import AT, REFERENCE_ROWS, fill, introduced
from benchmarks.sizes import Sizes
from benchmarks.usage import peak_megabytes
from benchmarks.workload import READING, readings
from replicator.central.bulk import store, store_packed
from replicator.central.engine import open_engine
from replicator.central.packed import unpack
from replicator.central.store import Database
from replicator.change import Change, Commit, Op, Position, Row
from replicator.model import TABLES
from replicator.outbox.writer import OutboxWriter
from replicator.sink.packed import packed

_STEP_ROWS = 1_000
_COPY = 100_000
_NODES, _TYPES = 40, 6
_LEAP_YEARS = [y for y in range(1004, 2024, 4) if y % 100 or y % 400 == 0]
_MANY_READINGS = """
WITH RECURSIVE turn(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM turn WHERE n + 1 < :turns)
INSERT INTO Reading (nodeId, time, type, locationId, value)
SELECT node.id, strftime('%Y-%m-%dT%H:%M:%S', 300 * n, 'unixepoch'), type.id, 1, 20.5
  FROM Node AS node CROSS JOIN turn CROSS JOIN SensorType AS type
"""


def measure(figures: Figures, sizes: Sizes, folder: Path) -> None:
    """Adds ``backlog_cli``, ``backlog_memory`` and ``growth``."""
    folder.mkdir()
    with doing_nothing(folder / "server") as url:
        large = Scene(folder / "large", url=url)
        total = REFERENCE_ROWS + _fill_many(large.outbox, sizes.large_backlog)
        figures.add("backlog_cli", rows=total, seconds=backlog_seconds(large, total))
        small = Scene(folder / "small", url=url)
        fill(small.outbox, [])
        of_ship = _ship_ratio(large, small, sizes.steps)
        with large.program("ship") as ship:
            wait(lambda: settled(large.outbox) >= total, ship, pause=0.2)
            peak = peak_megabytes(ship.pid)
    figures.add("backlog_memory", rows=sizes.large_backlog, peak_mb=peak)
    of_centre = _centre_ratio(folder, sizes)
    worse = max(of_ship, of_centre)
    figures.add("growth", ship_ratio=of_ship, centre_ratio=of_centre, step_cost_ratio=worse)


def _fill_many(outbox: Path, rows: int) -> int:
    """The same readings again and again, each time in another year; how many."""
    data = readings(min(_COPY, rows))
    fill(outbox, data)
    writer = OutboxWriter(outbox)
    written = len(data)
    for year in _LEAP_YEARS[: rows // len(data) - 1]:
        again = [(f"{year}{row[0][4:]}", *row[1:]) for row in data if isinstance(row[0], str)]
        _append(writer, again)
        written += len(again)
    writer.close()
    return written


def _append(writer: OutboxWriter, rows: list[Row]) -> None:
    for start in range(0, len(rows), _STEP_ROWS):
        part = rows[start : start + _STEP_ROWS]
        writer.append(Change("Reading", Op.INSERT, READING, part))
        writer.commit(Commit(Position("s", "b", 1_000 + start), AT))
    writer.flush()


def _ship_ratio(large: Scene, small: Scene, steps: int) -> float:
    """A step with a large backlog ÷ a step with a thousand rows of backlog."""
    writer = OutboxWriter(small.outbox)
    fresh = readings(steps * _STEP_ROWS)
    pairs = []
    with (
        introduced(large, "steps", batch_rows=_STEP_ROWS) as many,
        introduced(small, "steps", batch_rows=_STEP_ROWS) as few,
    ):
        for number in range(steps):
            _append(writer, fresh[number * _STEP_ROWS : (number + 1) * _STEP_ROWS])
            pairs.append((seconds(lambda: ship_step(many)), seconds(lambda: ship_step(few))))
    writer.close()
    return _ratio(pairs)


def _centre_ratio(folder: Path, sizes: Sizes) -> float:
    """Storing a thousand readings at a large centre ÷ at a small one."""
    large = _centre(folder / "large.db", sizes.large_centre)
    small = _centre(folder / "small.db", sizes.small_centre)
    pairs = []
    for body in _bodies(sizes.steps):
        pairs.append((seconds(partial(_store, large, body)), seconds(partial(_store, small, body))))
    for centre in (large, small):
        centre.engine.dispose()
    return _ratio(pairs)


def _store(centre: Database, body: bytes) -> None:
    store_packed(centre, unpack(body), "")


def _centre(file: Path, rows: int) -> Database:
    """A central database on SQLite with so many readings of forty nodes."""
    database = Database(open_engine(f"sqlite:///{file}"))
    referred: list[object] = [{"__table__": "House", "id": 1, "address": "h"}]
    referred += [{"__table__": "Location", "id": 1, "houseId": 1}]
    referred += [{"__table__": "Node", "id": n + 1} for n in range(_NODES)]
    referred += [{"__table__": "SensorType", "id": n, "name": f"t{n}"} for n in range(_TYPES)]
    store(database, referred, "", plain=True)
    turns = {"turns": max(1, rows // (_NODES * _TYPES))}
    database.write(lambda c: c.execute(sa.text(_MANY_READINGS), turns), references=False)
    return database


def _bodies(number: int) -> Iterator[bytes]:
    """A thousand readings each, later than all that are there."""
    columns = TABLES["Reading"].columns
    turns = _STEP_ROWS // (_NODES * _TYPES) + 1
    for step in range(number):
        rows = [
            (f"{2100 + step}-01-01T00:{turn:02d}:00", node + 1, 1, kind, 20.25)
            for turn in range(turns)
            for node in range(_NODES)
            for kind in range(_TYPES)
        ][:_STEP_ROWS]
        cells = dict(zip(columns, zip(*rows, strict=True), strict=True))
        yield packed([("Reading", cells, {})])


def _ratio(pairs: list[tuple[float, float]]) -> float:
    large, small = zip(*pairs, strict=True)
    return float(statistics.median(large) / statistics.median(small))
