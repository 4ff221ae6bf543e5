"""The operator's side of parked rows: listed, sent again, given up.

The rules this file keeps:
  * a row is sent again only while no newer version of it was delivered: then it is superseded, and
    that is kept with the row itself (aside._SUPERSEDE), however long ago it was;
  * a row sent again goes through a lane of its own: it does not hold its house, and newer versions
    of it wait behind it;
  * a row given up stays on record, with who did it, when and why.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from sqlite_utils import Database

from replicator.outbox.aside import OPEN_EMPTY_LANES
from replicator.outbox.clock import Clock, text
from replicator.outbox.clock import now as wall_clock
from replicator.outbox.journal import Deed, record
from replicator.outbox.store import immediate, translated

REQUEUED = "requeued "  # before the lane's name
_COLUMNS = (
    "seq, row_index, table_name, op, key, lane, row, kind, reason, detail, committed_at, parked_at"
)
_AGAIN = """
UPDATE parked SET kind = 'blocked', lane = ? || replace(lane, ?, ''), reason = 'requeued',
  detail = 'was: ' || reason || ': ' || detail
"""
_LANES_OF_THOSE = """
INSERT INTO lane (lane, waits_for, detail, blocked_at, next_try, tries)
SELECT DISTINCT lane, 'nothing', 'the operator sends them again', ?, 0, 0
  FROM parked WHERE kind = 'blocked' AND reason = 'requeued'
ON CONFLICT (lane) DO UPDATE SET next_try = 0
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which parked rows: those that fulfil all that is given.

    ``house``   the station's id; ``table``  its name
    ``reason``  the reason, or how it begins ("waits for")
    ``kinds``   blocked, rejected, superseded
    ``row``     one row: (seq, place in the entry), or (seq, None) for an entry's rows
    ``after``   those behind a row, in capture order
    """

    house: int | None = None
    table: str | None = None
    reason: str | None = None
    kinds: Sequence[str] = ("blocked", "rejected")
    row: tuple[int, int | None] | None = None
    after: tuple[int, int] | None = None

    def condition(self) -> tuple[str, list[object]]:
        """As SQL behind WHERE, with its parameters."""
        marks = ", ".join("?" * len(self.kinds))
        parts, values = [f"kind IN ({marks})"], list[object](self.kinds)
        if self.house is not None:
            parts.append("lane IN (?, ?)")
            values += [f"house:{self.house}", f"{REQUEUED}house:{self.house}"]
        if self.table is not None:
            parts.append("table_name = ?")
            values.append(self.table)
        if self.reason is not None:
            parts.append("substr(reason, 1, length(?)) = ?")
            values += [self.reason, self.reason]
        if self.row is not None:
            parts.append("seq = ?")
            values.append(self.row[0])
            if self.row[1] is not None:
                parts.append("row_index = ?")
                values.append(self.row[1])
        if self.after is not None:
            parts.append("(seq, row_index) > (?, ?)")
            values += self.after
        return " AND ".join(parts), values


@dataclass(frozen=True, slots=True)
class Held:
    """A parked row, or a dropped one with ``dropped``: who, when and why. Times ISO 8601, UTC."""

    seq: int
    row_index: int
    table: str
    op: str
    key: Sequence[Any]
    lane: str
    row: dict[str, Any]
    kind: str
    reason: str
    detail: str
    committed_at: str
    parked_at: str
    dropped: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Requeued:
    """What became of the wish to send rows again, in rows."""

    again: int
    lanes_tried: int
    superseded: int


class Parking:
    """Parked rows in one <destination>.db, beside a ship that runs."""

    def __init__(self, database: Database, path: Path, clock: Clock = wall_clock) -> None:
        self._path = path
        self._connection: sqlite3.Connection = database.conn
        self._clock = clock

    def count(self, wanted: Wanted) -> int:
        """How many rows."""
        where, values = wanted.condition()
        return int(self._query(f"SELECT count(*) FROM parked WHERE {where}", values)[0][0])  # noqa: S608  # the condition has placeholders only

    def rows(self, wanted: Wanted, limit: int) -> list[Held]:
        """The first of them, in capture order."""
        where, values = wanted.condition()
        sql = f"SELECT {_COLUMNS} FROM parked WHERE {where} ORDER BY seq, row_index LIMIT ?"  # noqa: S608  # as above
        return [_held(row) for row in self._query(sql, [*values, limit])]

    def dropped(self, wanted: Wanted, limit: int) -> list[Held]:
        """Rows that were given up, in capture order."""
        where, values = wanted.condition()
        sql = f"""SELECT {_COLUMNS}, at, who, why FROM dropped JOIN operation ON id = operation
            WHERE {where} ORDER BY seq, row_index, operation LIMIT ?"""  # noqa: S608  # as above
        return [_held(row) for row in self._query(sql, [*values, limit])]

    def requeue(self, wanted: Wanted, who: str) -> Requeued:
        """Send rejected rows again at ship's next step, and try blocked lanes now. Durable."""
        where, values = wanted.condition()
        with translated(self._path), immediate(self._connection):
            superseded = self._count(f"{where} AND kind = 'superseded'", values)
            lanes = self._try_lanes(where, values)
            again = self._send_again(where, values)
            if again or lanes:
                what = f"{again} rows, {lanes} held lanes"
                record(self._connection, Deed(who, "parked requeue", what), again, self._clock)
        return Requeued(again, lanes, superseded)

    def _count(self, where: str, values: Sequence[object]) -> int:
        sql = f"SELECT count(*) FROM parked WHERE {where}"  # noqa: S608  # as above
        return int(self._connection.execute(sql, values).fetchone()[0])

    def _try_lanes(self, where: str, values: Sequence[object]) -> int:
        sql = f"""UPDATE lane SET next_try = 0 WHERE lane IN
            (SELECT lane FROM parked WHERE {where} AND kind = 'blocked')"""  # noqa: S608  # as above
        return self._connection.execute(sql, values).rowcount

    def _send_again(self, where: str, values: Sequence[object]) -> int:
        again = f"{_AGAIN} WHERE {where} AND kind = 'rejected'"
        count = self._connection.execute(again, [REQUEUED, REQUEUED, *values]).rowcount
        self._connection.execute(_LANES_OF_THOSE, (text(self._clock()),))
        return count

    def send_again(self, rows: Iterable[tuple[int, int]]) -> int:
        """Rejected rows by (seq, place), in the caller's transaction; how many."""
        again = f"{_AGAIN} WHERE seq = ? AND row_index = ? AND kind = 'rejected'"
        count = sum(
            self._connection.execute(again, [REQUEUED, REQUEUED, *row]).rowcount for row in rows
        )
        self._connection.execute(_LANES_OF_THOSE, (text(self._clock()),))
        self._connection.execute("UPDATE lane SET next_try = 0")
        return count

    def drop(self, wanted: Wanted, who: str, why: str) -> int:
        """Give rows up, on record; how many. Durable."""
        where, values = wanted.condition()
        with translated(self._path), immediate(self._connection):
            rows = self._count(where, values)
            if not rows:
                return 0
            deed = Deed(who, "parked drop", f"{rows} rows", why)
            number = record(self._connection, deed, rows, self._clock)
            copy = f"INSERT INTO dropped SELECT {_COLUMNS}, ? FROM parked WHERE {where}"  # noqa: S608  # as above
            self._connection.execute(copy, [number, *values])
            self._connection.execute(f"DELETE FROM parked WHERE {where}", values)  # noqa: S608  # as above
            self._connection.execute(OPEN_EMPTY_LANES)
        return rows

    def forget_superseded(self, parked_before: str, who: str) -> int:
        """Delete superseded rows parked before a moment (ISO 8601, UTC); how many."""
        sql = "DELETE FROM parked WHERE kind = 'superseded' AND parked_at < ?"
        with translated(self._path), immediate(self._connection):
            gone = self._connection.execute(sql, (parked_before,)).rowcount
            if gone:
                what = f"superseded rows parked before {parked_before}"
                record(self._connection, Deed(who, "prune", what), gone, self._clock)
        return gone

    def _query(self, sql: str, values: Sequence[object]) -> list[tuple]:  # type: ignore[type-arg]  # rows as SQLite gives them
        with translated(self._path):
            return self._connection.execute(sql, values).fetchall()


def _held(cells: tuple[Any, ...]) -> Held:
    seq, place, table, op, key, lane, row, kind, reason, detail, committed, parked = cells[:12]
    dropped = dict(zip(("at", "by", "why"), cells[12:], strict=True)) if cells[12:] else None
    return Held(
        seq,
        place,
        table,
        op,
        orjson.loads(key),
        lane,
        orjson.loads(row),
        kind,
        reason,
        detail,
        committed,
        parked,
        dropped,
    )
