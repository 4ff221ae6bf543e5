"""To be killed: appends transactions without end, each group committed beside the next.

Transaction n is of two changes, n % 7 + 1 readings of node n, and ends at offset n.
"""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path

from replicator.change import Change, Commit, Op, Position, Row
from replicator.outbox.writer import OutboxWriter

_COLUMNS = ("time", "nodeId", "type", "locationId", "value")


def readings(number: int) -> list[Row]:
    """The rows of a transaction."""
    return [("2026-03-01T00:00:00", number, kind, None, 0.5) for kind in range(number % 7 + 1)]


def _place(number: int) -> Position:
    return Position("mariadb-17", "binlog.000001", number, f"0-17-{number}")


def main(folder: Path) -> None:
    """Goes on from where the outbox is."""
    writer = OutboxWriter(folder)
    if writer.position is None:
        writer.begin_at(_place(0), None)
    assert writer.position is not None
    number = writer.position.offset
    while True:
        number += 1
        for row in readings(number):
            writer.append(Change("Reading", Op.INSERT, _COLUMNS, [row]))
        writer.commit(Commit(_place(number), datetime.now(timezone.utc)))
        if number % 3 == 0:
            writer.flush(wait=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
