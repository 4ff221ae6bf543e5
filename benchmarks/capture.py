"""Capture: our decoding of the log beside the library's own, on the same stretch of one log.

The clock starts when the first event is there: connecting is not in the figures.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import islice
from typing import Any

from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.event import XidEvent
from pymysqlreplication.row_event import WriteRowsEvent

from benchmarks.figures import Figures, median_pair
from benchmarks.sizes import Sizes
from benchmarks.station import StationDatabase, Stretch
from benchmarks.workload import ROWS_EACH, bulk_inserts, packet_transaction, packets
from demo.mariadbd import PrivateMariaDB
from replicator.change import Change, Event, Position
from replicator.source.binlog import BinlogStream

OURS, LIBRARY = 7001, 7002  # server_id of each reader
PACKET_ROWS = 7
PATIENCE = 60.0


def measure(figures: Figures, sizes: Sizes, server: PrivateMariaDB) -> None:
    """Adds ``capture_bulk`` and ``capture_packets``."""
    bulk = StationDatabase(server, "bench_bulk")
    stretch, last = filled(bulk, sizes.bulk_rows, sizes.library_rows)
    ours, library, ratio = median_pair(
        lambda: _rows(bulk, stretch.start, stretch.count),
        lambda: _library_rows(bulk, last),
        sizes.runs,
    )
    figures.add("capture_bulk", rows_per_s=ours, library_rows_per_s=library, vs_library=ratio)
    bulk.drop()

    live = StationDatabase(server, "bench_packets")
    stretch, last = _logged(live, sizes.packets, sizes.library_packets)
    ours, library, ratio = median_pair(
        lambda: _rows(live, stretch.start, PACKET_ROWS * stretch.count) / PACKET_ROWS,
        lambda: _library_transactions(live, last),
        sizes.runs,
    )
    figures.add(
        "capture_packets",
        transactions_per_s=ours,
        library_transactions_per_s=library,
        vs_library=ratio,
    )
    live.drop()


def filled(database: StationDatabase, rows: int, last: int) -> tuple[Stretch, Stretch]:
    """Inserts so many readings, 1,000 a statement; what that logged, and the ``last`` of it."""
    statements = bulk_inserts(rows)
    first = (rows - last) // ROWS_EACH
    start = database.now()
    database.run(islice(statements, first))
    middle = database.now()
    database.run(statements)
    end = database.now()
    return Stretch(start, end, rows), Stretch(middle, end, rows - first * ROWS_EACH)


def _logged(database: StationDatabase, count: int, last: int) -> tuple[Stretch, Stretch]:
    transactions = map(packet_transaction, packets(count))
    start = database.now()
    database.run_transactions(islice(transactions, count - last))
    middle = database.now()
    database.run_transactions(transactions)
    end = database.now()
    return Stretch(start, end, count), Stretch(middle, end, last)


def _rows(database: StationDatabase, start: Position, total: int) -> float:
    """Rows a second."""
    with BinlogStream(database.endpoint, server_id=OURS, start=start) as stream:
        before = seen = _count(stream.poll(PATIENCE, max_rows=1))
        started = time.perf_counter()
        while seen < total:
            seen += _count(stream.poll(1.0))
        elapsed = time.perf_counter() - started
    assert seen == total
    return (seen - before) / elapsed


def _count(events: Iterable[Event]) -> int:
    return sum(len(event.rows) for event in events if isinstance(event, Change))


def library_reader(
    database: StationDatabase, stretch: Stretch, *events: type[Any]
) -> BinLogStreamReader:
    """mysql-replication as its manual shows it."""
    return BinLogStreamReader(
        connection_settings={
            "unix_socket": database.server.socket,
            "user": database.server.user,
            "charset": "utf8mb4",
        },
        server_id=LIBRARY,
        log_file=stretch.start.file,
        log_pos=stretch.start.offset,
        resume_stream=True,
        blocking=False,
        only_events=list(events),
        only_schemas=[database.name],
        enable_logging=False,
    )


def _library_rows(database: StationDatabase, stretch: Stretch) -> float:
    reader = library_reader(database, stretch, WriteRowsEvent)
    before = seen = len(reader.fetchone().rows)
    started = time.perf_counter()
    seen += sum(len(event.rows) for event in reader)
    elapsed = time.perf_counter() - started
    reader.close()
    assert seen == stretch.count
    return (seen - before) / elapsed


def _library_transactions(database: StationDatabase, stretch: Stretch) -> float:
    reader = library_reader(database, stretch, WriteRowsEvent, XidEvent)
    seen, rows = 0, len(reader.fetchone().rows)
    started = time.perf_counter()
    for event in reader:
        if isinstance(event, XidEvent):
            seen += 1
        else:
            rows += len(event.rows)
    elapsed = time.perf_counter() - started
    reader.close()
    assert seen == stretch.count
    assert rows == PACKET_ROWS * stretch.count
    return seen / elapsed
