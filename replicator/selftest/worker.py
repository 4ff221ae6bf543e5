"""To be killed: a synthetic source into the real outbox, and from there to the parent's pipe."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from replicator.change import Change, Commit, Op, Position
from replicator.outbox.deliveries import Cursor, Deliveries, Settlement
from replicator.outbox.reader import OutboxReader
from replicator.outbox.writer import OutboxWriter
from replicator.selftest.judge import rows_of

DESTINATION = "nowhere"
_COLUMNS = ("time", "nodeId", "type", "locationId", "value")
_ENTRIES_A_REQUEST = 4


def place(number: int) -> Position:
    """After transaction ``number``."""
    return Position("selftest", "binlog.000001", number)


def work(folder: Path, say: Callable[[str], None], answered: Callable[[], None]) -> None:
    """Capture and deliver without end, from where the files are.

    ``say``       a line to the world outside; ``answered`` returns when it has taken a request
    """
    writer = OutboxWriter(folder)
    if writer.position is None:
        writer.begin_at(place(0), None)
    assert writer.position is not None
    reader, deliveries = OutboxReader(folder), Deliveries(folder, DESTINATION)
    for number in itertools.count(writer.position.offset + 1):
        rows = [("2026-03-01T00:00:00", node, kind, None, 0.5) for node, kind in rows_of(number)]
        writer.append(Change("Reading", Op.INSERT, _COLUMNS, rows))
        writer.commit(Commit(place(number), datetime.now(timezone.utc)))
        if number % 2 == 0:
            writer.flush()
            say(f"C {number}")
            deliver(reader, deliveries, say, answered)


def deliver(
    reader: OutboxReader,
    deliveries: Deliveries,
    say: Callable[[str], None],
    answered: Callable[[], None],
) -> bool:
    """One request, and its settlement; False: nothing was due."""
    cursor = deliveries.cursor()
    entries = list(itertools.islice(reader.entries(cursor.seq), _ENTRIES_A_REQUEST))
    if not entries:
        return False
    rows = [f"{row[1]}.{row[2]}" for entry in entries for row in entry.rows]
    say(f"S {' '.join(rows)}")
    answered()
    last = entries[-1]
    moved = Cursor(last.seq, 0, last.position, cursor.row_total + len(rows))
    deliveries.settle(Settlement(moved, [], [], requests=1), 0.0, check_parked=False)
    return True


def child(folder: Path, write: int, read: int) -> None:
    """Never returns. ``write``, ``read``: pipes to and from the parent."""
    try:
        work(folder, lambda line: _write(write, line), lambda: _answered(read))
    finally:
        os._exit(1)


def _write(pipe: int, line: str) -> None:
    data = f"{line}\n".encode()
    while data:
        data = data[os.write(pipe, data) :]


def _answered(pipe: int) -> None:
    if not os.read(pipe, 1):
        os._exit(1)
