"""From the log into the outbox: tail's pipeline beside mariadb-binlog and beside the plain way."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

from pymysqlreplication.row_event import WriteRowsEvent

from benchmarks.capture import filled, library_reader
from benchmarks.figures import Figures, median_pair, seconds
from benchmarks.outbox import row_by_row
from benchmarks.sizes import Sizes
from benchmarks.station import StationDatabase, Stretch
from benchmarks.workload import READING
from demo.mariadbd import PrivateMariaDB
from replicator.change import Position, Row
from replicator.outbox.writer import OutboxWriter
from replicator.source.binlog import BinlogStream
from replicator.source.loss import Loss, assess
from replicator.source.snapshot import SnapshotReader
from replicator.tail import Tail, TailSettings

CLIENT = "mariadb-binlog"
FIRST_ID = 7100


def measure(figures: Figures, sizes: Sizes, server: PrivateMariaDB, folder: Path) -> None:
    """Adds ``outbox_bulk``; ``vs_mariadb_binlog`` only where that program is installed."""
    folder.mkdir()
    database = StationDatabase(server, "bench_tail")
    stretch, last = filled(database, sizes.bulk_rows, sizes.plain_appended)
    numbers = count()

    def ours() -> float:
        number = next(numbers)
        return stretch.count / _tail(database, stretch, folder / str(number), FIRST_ID + number)

    def plain() -> float:
        path = folder / f"plain{next(numbers)}.db"
        return last.count / seconds(lambda: row_by_row(path, _library(database, last)))

    rate, plain_rate, ratio = median_pair(ours, plain, sizes.runs)
    figures.add("outbox_bulk", rows_per_s=rate, row_by_row_per_s=plain_rate, vs_row_by_row=ratio)
    if shutil.which(CLIENT):
        _, theirs, ratio = median_pair(
            ours, lambda: stretch.count / seconds(lambda: _dump(database, stretch)), sizes.runs
        )
        figures.add("outbox_bulk", mariadb_binlog_rows_per_s=theirs, vs_mariadb_binlog=ratio)
    database.drop()


class _Source:
    """The station's database from one place in its log on.

    ``server_id``  of no reader before: the server makes the next one with the same wait 100 ms
    """

    def __init__(self, database: StationDatabase, server_id: int) -> None:
        self._database = database
        self._server_id = server_id

    def now(self) -> Position:
        return self._database.now()

    def stream(self, start: Position) -> BinlogStream:
        return BinlogStream(self._database.endpoint, server_id=self._server_id, start=start)

    def tables(self) -> SnapshotReader:
        return SnapshotReader(self._database.endpoint)

    def assess(self, start: Position) -> Loss:
        return assess(self._database.endpoint, start)


def _tail(database: StationDatabase, stretch: Stretch, outbox: Path, server_id: int) -> float:
    """Seconds until the stretch is committed; what closing the files takes is left out."""
    writer = OutboxWriter(outbox, "FULL")
    writer.begin_at(stretch.start, None)
    tail = Tail(_Source(database, server_id), writer, TailSettings(outbox, ()))
    rows = 0

    def run() -> None:
        nonlocal rows
        while rows < stretch.count:
            rows += tail.step().rows
        writer.settle()

    took = seconds(run)
    tail.close()
    writer.close()
    assert rows == stretch.count
    return took


def _library(database: StationDatabase, stretch: Stretch) -> Iterator[Row]:
    reader = library_reader(database, stretch, WriteRowsEvent)
    for event in reader:
        for row in event.rows:
            values = row["values"]
            yield (values["time"].isoformat(), *(values[name] for name in READING[1:]))
    reader.close()


def _dump(database: StationDatabase, stretch: Stretch) -> None:
    """mariadb-binlog's text of the same stretch, to /dev/null."""
    assert replace(stretch.end, offset=0) == replace(stretch.start, offset=0), "one log file"
    command = [CLIENT, "--no-defaults", "-R", "-v", f"--user={database.server.user}"]
    command += [f"--socket={database.server.socket}", f"--start-position={stretch.start.offset}"]
    command += [f"--stop-position={stretch.end.offset}", stretch.start.file]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
