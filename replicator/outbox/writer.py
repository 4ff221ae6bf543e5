"""Tail's side of the outbox: whole source transactions and the position after them, atomically.

The rules this file keeps:
  * a row is visible to readers only together with the position after its transaction (one SQLite
    transaction holds both), so capture is exactly-once whatever dies when;
  * several source transactions may share one SQLite transaction (group commit), never the reverse;
  * memory is bounded: a source transaction beyond ``SPILL_ROWS`` goes into the open SQLite
    transaction under a savepoint before its end is known.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
from sqlite_utils import Database

from replicator.change import Change, Commit, Op, Position, Row, Value
from replicator.model import TABLES
from replicator.outbox.clock import Clock, text
from replicator.outbox.clock import now as wall_clock
from replicator.outbox.packing import merged, pieces
from replicator.outbox.store import OUTBOX_FILE, Synchronous, open_store, translated

SPILL_ROWS = 20_000

_INSERT_ENTRY = """
INSERT INTO entry (table_name, op, columns, rows, row_count, row_total, position, committed_at,
                   captured_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_PLACE_ENTRIES = "UPDATE entry SET position = ?, committed_at = ?, captured_at = ? WHERE seq >= ?"
_UPSERT_REFERENCE = """
INSERT INTO reference (table_name, id, row, seq, deleted, born) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (table_name, id)
DO UPDATE SET row = excluded.row, seq = excluded.seq, deleted = excluded.deleted,
  born = max(born, excluded.born)
"""
_SAVE_CAPTURE = """
INSERT INTO capture (id, position, committed_at, read_at, snapshot, row_total)
VALUES (1, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET position = excluded.position, committed_at = excluded.committed_at,
  read_at = excluded.read_at, snapshot = excluded.snapshot, row_total = excluded.row_total
"""


@dataclass(frozen=True, slots=True)
class SnapshotPlace:
    """How far the snapshot has come: ``after`` is the last primary key read of ``table``."""

    table: str
    after: tuple[Value, ...] | None = None

    def to_json(self) -> str:
        return orjson.dumps({"table": self.table, "after": self.after}).decode()

    @classmethod
    def from_json(cls, written: str | None) -> SnapshotPlace | None:
        if written is None:
            return None
        content = orjson.loads(written)
        after = content["after"]
        return cls(content["table"], None if after is None else tuple(after))


class OutboxWriter:
    """Appends to one outbox.db. One writer at a time; the caller holds the role's lock."""

    def __init__(
        self, folder: Path, synchronous: Synchronous = "FULL", clock: Clock = wall_clock
    ) -> None:
        self.path = folder / OUTBOX_FILE
        self.database: Database = open_store(self.path, "outbox", synchronous)
        self._connection: sqlite3.Connection = self.database.conn
        self._clock = clock
        self._load()

    def _load(self) -> None:
        """Forget everything but what is durable."""
        self._held: list[Change] = []
        self._held_rows = 0
        self._first_spilled: int | None = None
        self.grouped_rows = 0
        self._dirty = False
        with translated(self.path):
            row = self._connection.execute(
                "SELECT position, committed_at, snapshot, row_total FROM capture"
            ).fetchone()
        self.position: Position | None = Position.parse(row[0]) if row else None
        self._committed_at: str = row[1] if row else ""
        self.snapshot: SnapshotPlace | None = SnapshotPlace.from_json(row[2]) if row else None
        self._row_total: int = row[3] if row else 0

    @property
    def inside_transaction(self) -> bool:
        """A source transaction is open: changes have come, its end has not."""
        return bool(self._held) or self._first_spilled is not None

    def begin_at(self, position: Position, snapshot: SnapshotPlace | None) -> None:
        """Say where capture starts, before anything is read; durable when it returns."""
        with translated(self.path):
            self._begin()
            self.position, self.snapshot = position, snapshot
            self._committed_at = self._committed_at or text(self._clock())
            self._dirty = True
        self.flush()

    def append(self, change: Change) -> None:
        """Add to the open source transaction."""
        self._held.append(change)
        self._held_rows += len(change.rows)
        if self._held_rows > SPILL_ROWS:
            with translated(self.path):
                self._spill()

    def commit(self, end: Commit) -> None:
        """The source transaction is complete; durable with the next ``flush``."""
        at = text(end.at)
        with translated(self.path):
            if self._held or self._first_spilled is not None:
                self._begin()
                self._insert_held(str(end.position), at)
                if self._first_spilled is not None:
                    captured = text(self._clock())
                    self._connection.execute(
                        _PLACE_ENTRIES, (str(end.position), at, captured, self._first_spilled)
                    )
                    self._connection.execute("RELEASE source_transaction")
                    self._first_spilled = None
        self.position = end.position
        self._committed_at = at
        self._dirty = True

    def rollback(self) -> None:
        """The changes since the last commit never happened."""
        if self._first_spilled is not None:
            with translated(self.path):
                self._connection.execute("ROLLBACK TO source_transaction")
                self._connection.execute("RELEASE source_transaction")
                self._row_total = self._total_before_spill
                self._first_spilled = None
        self._held = []
        self._held_rows = 0

    def append_snapshot(self, change: Change | None, place: SnapshotPlace | None) -> None:
        """One chunk read from a table, and where to go on; durable when it returns.

        Must not be called inside a source transaction. The chunk carries the position of the last
        transaction before it: everything up to there was appended before the chunk was read.
        """
        if self.inside_transaction or self.position is None:
            raise RuntimeError("a snapshot chunk inside a source transaction")
        with translated(self.path):
            self._begin()
            if change is not None:
                self._held = [change]
                self._insert_held(str(self.position), text(self._clock()))
            self.snapshot = place
            self._dirty = True
        self.flush()

    def flush(self) -> None:
        """Make all complete source transactions durable, with the position after them.

        Does nothing while a source transaction too large to hold is still open: the SQLite
        transaction already has a part of it.
        """
        if not self._dirty or self._first_spilled is not None:
            return
        with translated(self.path):
            self._begin()
            place = self.snapshot.to_json() if self.snapshot else None
            self._connection.execute(
                _SAVE_CAPTURE,
                (
                    str(self.position),
                    self._committed_at,
                    text(self._clock()),
                    place,
                    self._row_total,
                ),
            )
            self._connection.execute("COMMIT")
        self.grouped_rows = 0
        self._dirty = False

    def abandon(self) -> None:
        """Fall back to what is durable, after an error; the stream restarts from ``position``."""
        if self._connection.in_transaction:
            with translated(self.path):
                self._connection.execute("ROLLBACK")
        self._load()

    def close(self) -> None:
        """Close without flushing; what is not flushed is read again from the binlog."""
        self._connection.close()

    def _begin(self) -> None:
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN IMMEDIATE")

    def _spill(self) -> None:
        self._begin()
        if self._first_spilled is None:
            self._total_before_spill = self._row_total
            self._connection.execute("SAVEPOINT source_transaction")
            self._first_spilled = self._next_seq()
        self._insert_held("", "")

    def _next_seq(self) -> int:
        row = self._connection.execute(
            "SELECT seq FROM sqlite_sequence WHERE name = 'entry'"
        ).fetchone()
        return (row[0] if row else 0) + 1

    def _insert_held(self, position: str, committed_at: str) -> None:
        captured_at = text(self._clock())
        for change in merged(self._held):
            for rows in pieces(change.rows):
                self._row_total += len(rows)
                seq = self._connection.execute(
                    _INSERT_ENTRY,
                    (
                        change.table,
                        change.op.value,
                        orjson.dumps(change.columns).decode(),
                        orjson.dumps(rows).decode(),
                        len(rows),
                        self._row_total,
                        position,
                        committed_at,
                        captured_at,
                    ),
                ).lastrowid
                assert seq is not None
                self._keep_references(change, rows, seq)
        self.grouped_rows += self._held_rows
        self._held = []
        self._held_rows = 0

    def _keep_references(self, change: Change, rows: Sequence[Row], seq: int) -> None:
        if TABLES[change.table].stream:
            return
        deleted = int(change.op is Op.DELETE)
        for row in rows:
            values = dict(zip(change.columns, row, strict=True))
            another = change.op is Op.INSERT and self._was_another(change.table, values)
            kept = (change.table, values["id"], orjson.dumps(values).decode(), seq, deleted)
            self._connection.execute(_UPSERT_REFERENCE, (*kept, seq if another else 0))

    def _was_another(self, table: str, values: dict[str, Value]) -> bool:
        """Whether the id belonged to a row of another identity: it is used again."""
        model = TABLES[table]
        columns = model.meaning or model.natural_key
        before = self._connection.execute(
            "SELECT row FROM reference WHERE table_name = ? AND id = ?", (table, values["id"])
        ).fetchone()
        if before is None:
            return False
        row = orjson.loads(before[0])
        return any(row.get(column) != values.get(column) for column in columns)
