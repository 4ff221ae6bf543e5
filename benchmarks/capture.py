"""Capture: our decoding of the log beside the library's own, on the same stretch of one log."""

from __future__ import annotations

from itertools import islice
from typing import Any

from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.event import XidEvent
from pymysqlreplication.row_event import WriteRowsEvent

from benchmarks.figures import Figures, median_pair, seconds
from benchmarks.sizes import Sizes
from benchmarks.station import StationDatabase, Stretch
from benchmarks.workload import ROWS_EACH, bulk_inserts, packet_transaction, packets
from demo.mariadbd import PrivateMariaDB
from replicator.change import Change, Commit
from replicator.source.binlog import BinlogStream

OURS, LIBRARY = 7001, 7002  # server_id of each reader


def measure(figures: Figures, sizes: Sizes, server: PrivateMariaDB) -> None:
    """Adds ``capture_bulk`` and ``capture_packets``."""
    bulk = StationDatabase(server, "bench_bulk")
    stretch, last = filled(bulk, sizes.bulk_rows, sizes.library_rows)
    ours, library, ratio = median_pair(
        lambda: stretch.count / seconds(lambda: _rows(bulk, stretch)),
        lambda: last.count / seconds(lambda: _library_rows(bulk, last)),
        sizes.runs,
    )
    figures.add("capture_bulk", rows_per_s=ours, library_rows_per_s=library, vs_library=ratio)
    bulk.drop()

    live = StationDatabase(server, "bench_packets")
    stretch, last = _logged(live, sizes.packets, sizes.library_packets)
    ours, library, ratio = median_pair(
        lambda: stretch.count / seconds(lambda: _transactions(live, stretch)),
        lambda: last.count / seconds(lambda: _library_transactions(live, last)),
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


def _rows(database: StationDatabase, stretch: Stretch) -> None:
    seen = 0
    with BinlogStream(database.endpoint, server_id=OURS, start=stretch.start) as stream:
        while seen < stretch.count:
            events = stream.poll(1.0)
            seen += sum(len(event.rows) for event in events if isinstance(event, Change))
    assert seen == stretch.count


def _transactions(database: StationDatabase, stretch: Stretch) -> None:
    seen = rows = 0
    with BinlogStream(database.endpoint, server_id=OURS, start=stretch.start) as stream:
        while seen < stretch.count:
            for event in stream.poll(1.0):
                seen += isinstance(event, Commit)
                rows += len(event.rows) if isinstance(event, Change) else 0
    assert rows >= 7 * stretch.count


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


def _library_rows(database: StationDatabase, stretch: Stretch) -> None:
    reader = library_reader(database, stretch, WriteRowsEvent)
    seen = sum(len(event.rows) for event in reader)
    reader.close()
    assert seen == stretch.count


def _library_transactions(database: StationDatabase, stretch: Stretch) -> None:
    reader = library_reader(database, stretch, WriteRowsEvent, XidEvent)
    seen = rows = 0
    for event in reader:
        if isinstance(event, XidEvent):
            seen += 1
        else:
            rows += len(event.rows)
    reader.close()
    assert seen == stretch.count
    assert rows == 7 * stretch.count
