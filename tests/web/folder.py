"""An outbox as stations have it: rows waiting, parked, mapped; a gap; a day of history."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from pathlib import Path

from replicator.change import Change, Commit, Op, Position, Row
from replicator.delivery import Blocked, QueuedRow, Rejected
from replicator.outbox import clock
from replicator.outbox.clock import text
from replicator.outbox.deliveries import Cursor, Deliveries, ParkedRow, Settlement
from replicator.outbox.gaps import record_gap
from replicator.outbox.history import minute_of
from replicator.outbox.mappings import Mappings
from replicator.outbox.orders import Orders
from replicator.outbox.parking import Parking, Wanted
from replicator.outbox.status import Status, StatusBoard
from replicator.outbox.store import immediate
from replicator.outbox.writer import OutboxWriter
from replicator.web.settings import Certificate, WebSettings

TOKEN = "a-token-of-the-tests"
READING = ("time", "nodeId", "type", "locationId", "value")
SENT = 40
MAPPED = 120
_SAMPLE = "INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_CAPTURED = """
INSERT OR REPLACE INTO history
  (minute, hourly, rows_captured, committed_at, lag_seconds, bytes, taken_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""


def settings_of(folder: Path, **more: object) -> WebSettings:
    """The page of one destination, "home"; nobody signs certificates."""
    given: dict[str, object] = {
        "folder": folder,
        "destinations": [("home", True)],
        "station": "barn <&>",
        "version": "1.2.3",
        "certify": lambda name, house, month: Certificate(f"{house}-{month}.json", b"{}"),
        "port": 0,
        "token": TOKEN,
        "budget": 1 << 30,
        **more,
    }
    return WebSettings(**given)  # type: ignore[arg-type]  # tests give what fits


def fill(folder: Path) -> None:
    """60 readings of two houses, of which 40 are sent and 3 parked; mappings, a gap, a day."""
    now = clock.now()
    writer = OutboxWriter(folder, "NORMAL")
    writer.begin_at(Position("mariadb-1", "b.1", 4), None)
    references: dict[str, tuple[tuple[str, ...], list[Row]]] = {
        "House": (("id", "address"), [(1, "12 High St"), (2, "Mill <b>")]),
        "Location": (("id", "houseId"), [(1, 1), (2, 2)]),
    }
    for number, (table, (columns, rows)) in enumerate(references.items()):
        writer.append(Change(table, Op.INSERT, columns, rows))
        at = Position("mariadb-1", "b.1", 5 + number)
        writer.commit(Commit(at, now - timedelta(hours=2)))
    for n in range(60):
        writer.append(Change("Reading", Op.INSERT, READING, [(f"t{n}", 7, 1, 1 + n % 2, 0.5)]))
        at = Position("mariadb-1", "b.1", 10 + n)
        writer.commit(Commit(at, now - timedelta(seconds=60 - n)))
    writer.flush()
    record_gap(writer.database, Position("mariadb-1", "b.1", 9), "purged <i>")
    StatusBoard(writer.database).show(Status("running"))
    writer.database.conn.execute("INSERT INTO forecast VALUES (1, ?, 9, NULL, 'none')", [text(now)])
    _history(writer, None, now)
    writer.close()
    _deliver(folder, now)


def _deliver(folder: Path, now: datetime) -> None:
    deliveries = Deliveries(folder, "home", "NORMAL")
    parked = [
        parked_row(41, Rejected("refused", "<script>alert(1)</script>"), now),
        parked_row(42, Rejected("null-key", "no identity"), now),
        parked_row(43, Blocked("House:2", "the server answers 500"), now),
    ]
    cursor = Cursor(45, 0, "mariadb-1/b.1:52/", 45)
    settled = Settlement(cursor, [row(n) for n in range(3, 41)], parked, 1, 900, 0.1)
    deliveries.settle(settled, 0.0, check_parked=True)
    mappings = Mappings(deliveries.database, deliveries.path)
    with immediate(deliveries.database.conn):
        deliveries.database.conn.executemany(
            "INSERT INTO mapping VALUES ('Node', ?, ?, ?, 'same id', ?, 0)",
            [(n, 1000 + n, f'{{"id": {n}}}', text(now)) for n in range(MAPPED)],
        )
    mappings.put("House", 1, 17, {"address": "12 High St"}, "found")
    StatusBoard(deliveries.database).show(Status("waiting", "no link", now + timedelta(hours=5)))
    _history(None, deliveries, now)
    deliveries.close()


def row(seq: int) -> QueuedRow:
    return QueuedRow(
        seq, 0, "Reading", Op.INSERT, {"time": f"t{seq}"}, (f"t{seq}", 7, 1), "house:1"
    )


def parked_row(seq: int, why: Blocked | Rejected, now: datetime) -> ParkedRow:
    return ParkedRow(row(seq), why, text(now))


def _history(writer: OutboxWriter | None, deliveries: Deliveries | None, now: datetime) -> None:
    """A sample a minute for 25 hours, an hour without any, one an hour for 29 days before."""
    moments = [now - timedelta(hours=h) for h in range(29 * 24, 26, -1)]
    moments += [now - timedelta(minutes=m) for m in range(25 * 60, 0, -1) if not 300 < m < 360]
    database = (writer or deliveries).database.conn  # type: ignore[union-attr]  # one is given
    with immediate(database):
        for n, moment in enumerate(moments):
            lag = 300 * (1 + math.sin(n / 90)) + (900 if n % 400 < 40 else 0)
            when, rows = (minute_of(moment), 1), n * 60 + round(20 * math.sin(n / 30))
            then = text(moment)
            if writer:
                captured = (*when, rows, then, lag / 9, 9999, then)
                database.execute(_CAPTURED, captured)
            else:
                sent = round(n * 58 + 60 * math.sin(n / 50))
                database.execute(_SAMPLE, (*when, sent, sent, 9, lag, 3, n, n * 400, then))


def requeued(folder: Path) -> set[tuple[int, int]]:
    """The rows that wait to be sent again."""
    deliveries = Deliveries(folder, "home")
    found = Parking(deliveries.database, deliveries.path).rows(Wanted(reason="requeued"), 99)
    deliveries.close()
    return {(each.seq, each.row_index) for each in found}


def paused_by(folder: Path) -> str | None:
    """Who paused it."""
    deliveries = Deliveries(folder, "home")
    found = Orders(deliveries.database, deliveries.path).paused()
    deliveries.close()
    return found.by if found else None
