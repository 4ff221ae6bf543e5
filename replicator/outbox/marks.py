"""Marks: what ranges of a stream table held when all of it was captured.

The rule this file keeps: a mark stands only while no captured row has fallen into its range. Every
entry is held against the marks once (``fold``), before it may expire.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from sqlite_utils import Database

from replicator.change import Value
from replicator.model import STREAM_TABLES, TABLES
from replicator.outbox.clock import Clock, text
from replicator.outbox.clock import now as wall_clock
from replicator.outbox.place import Key
from replicator.outbox.store import OUTBOX_FILE, immediate, translated

_ENTRIES_A_STEP = 500

_ADD = """
INSERT OR REPLACE INTO mark
  (table_name, after, upto, low, high, row_count, digest, sure, made_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_OF = "SELECT after, upto, row_count, digest FROM mark WHERE table_name = ? AND sure = 1"
_TOUCH = """
DELETE FROM mark WHERE table_name = ? AND (low IS NULL OR low <= ?) AND high >= ?
"""
_ENTRIES = """
SELECT seq, table_name, columns, rows FROM entry WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?
"""
_LAST = "SELECT coalesce(max(seq), 0) FROM entry"


@dataclass(frozen=True, slots=True)
class Mark:
    """Rows with ``after`` < primary key <= ``upto``: how many, and the source's digest of them."""

    table: str
    after: Key | None
    upto: Key
    rows: int
    digest: str


class Marks:
    """The marks of one outbox.db. Its writer calls between its own transactions."""

    def __init__(self, database: Database, clock: Clock = wall_clock) -> None:
        self._connection: sqlite3.Connection = database.conn
        self._clock = clock

    def forget_unsure(self) -> None:
        """Of an earlier process, which cannot be confirmed any more."""
        self._execute("DELETE FROM mark WHERE sure = 0")

    def forget_all(self) -> None:
        """Nothing counts as captured."""
        self._execute("DELETE FROM mark")

    def of(self, table: str) -> list[Mark]:
        """A table's marks that stand, in the order of its primary key."""
        with translated(OUTBOX_FILE):
            found = self._connection.execute(_OF, (table,)).fetchall()
        marks = [
            Mark(table, _key(after), tuple(orjson.loads(upto)), rows, digest)
            for after, upto, rows, digest in found
        ]
        return sorted(marks, key=lambda mark: mark.upto)

    def add(self, mark: Mark, *, sure: bool) -> None:
        """``sure`` False: it counts once ``confirm`` finds it still there."""
        after = "" if mark.after is None else _text(mark.after)
        low = None if mark.after is None else mark.after[0]
        row = (mark.table, after, _text(mark.upto), low, mark.upto[0], mark.rows, mark.digest)
        with translated(OUTBOX_FILE):
            self._connection.execute(_ADD, (*row, int(sure), text(self._clock())))

    def confirm(self) -> None:
        """Everything that the unsure ones saw is captured, and none of it fell into them since."""
        self._execute("UPDATE mark SET sure = 1 WHERE sure = 0")

    def drop(self, mark: Mark) -> None:
        """The source no longer agrees with it."""
        self._execute(
            "DELETE FROM mark WHERE table_name = ? AND upto = ?", mark.table, _text(mark.upto)
        )

    def fold(self, upto: int | None = None) -> None:
        """Hold entries up to a seq (None: all) against the marks; each entry once."""
        with translated(OUTBOX_FILE):
            last = self._connection.execute(_LAST).fetchone()[0] if upto is None else upto
            while self._fold_some(last):
                pass

    def _fold_some(self, last: int) -> bool:
        (folded,) = self._connection.execute("SELECT seq FROM folded").fetchone()
        if folded >= last:
            return False
        with immediate(self._connection):
            if self._connection.execute("SELECT 1 FROM mark LIMIT 1").fetchone():
                seq = self._touch(folded, last)
            else:
                seq = last
            self._connection.execute("UPDATE folded SET seq = ?", (seq,))
        return seq < last

    def _touch(self, folded: int, last: int) -> int:
        entries = self._connection.execute(_ENTRIES, (folded, last, _ENTRIES_A_STEP)).fetchall()
        for _, table, columns, rows in entries:
            if table in STREAM_TABLES:
                names, first = orjson.loads(columns), TABLES[table].primary_key[0]
                if first not in names:  # the table has another key now
                    self._connection.execute("DELETE FROM mark WHERE table_name = ?", (table,))
                    continue
                place = names.index(first)
                cells = [row[place] for row in orjson.loads(rows)]
                self._connection.execute(_TOUCH, (table, max(cells), min(cells)))
        return int(entries[-1][0]) if len(entries) == _ENTRIES_A_STEP else last

    def _execute(self, sql: str, *values: Value) -> None:
        with translated(OUTBOX_FILE):
            self._connection.execute(sql, values)


def _text(key: Sequence[Value]) -> str:
    return orjson.dumps(key).decode()


def _key(written: str) -> Key | None:
    return tuple(orjson.loads(written)) if written else None
