"""Tail's side of the outbox: whole source transactions and the position after them, atomically.

The rules this file keeps:
  * a row is visible to readers only together with the position after its transaction (one SQLite
    transaction holds both), so capture is exactly-once whatever dies when;
  * several source transactions may share one SQLite transaction (group commit), never the reverse;
  * a group may be committed by a thread while the next is read and encoded; nothing else touches
    the file meanwhile, and what it may have failed with is raised by the next call that does;
  * memory is bounded: a source transaction beyond ``SPILL_ROWS`` goes into the open SQLite
    transaction under a savepoint before its end is known.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
from sqlite_utils import Database

from replicator.change import Change, Commit, Position
from replicator.model import TABLES
from replicator.outbox.clock import Clock, text
from replicator.outbox.clock import now as wall_clock
from replicator.outbox.packing import merged, pieces
from replicator.outbox.place import SnapshotPlace
from replicator.outbox.references import keep_references
from replicator.outbox.store import OUTBOX_FILE, Synchronous, open_store, translated

__all__ = ["OutboxWriter", "SnapshotPlace"]

SPILL_ROWS = 20_000

_INSERT_ENTRY = """
INSERT INTO entry (table_name, op, columns, rows, row_count, row_total, position, committed_at,
                   captured_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_PLACE_ENTRIES = "UPDATE entry SET position = ?, committed_at = ?, captured_at = ? WHERE seq >= ?"
_SAVE_CAPTURE = """
INSERT INTO capture (id, position, committed_at, read_at, snapshot, row_total, fed_to)
VALUES (1, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET position = excluded.position, committed_at = excluded.committed_at,
  read_at = excluded.read_at, snapshot = excluded.snapshot, row_total = excluded.row_total,
  fed_to = excluded.fed_to
"""


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry ready to insert; ``references``: the rows in it, where others refer to them."""

    cells: tuple[str | int, ...]
    references: Change | None


class OutboxWriter:
    """Appends to one outbox.db. One writer at a time; the caller holds the role's lock.

    ``fed_to``  where the rows come from a stream: its seq up to which they are here, durable with
                the next ``flush``; 0 where they come from a source
    """

    def __init__(
        self, folder: Path, synchronous: Synchronous = "FULL", clock: Clock = wall_clock
    ) -> None:
        self.path = folder / OUTBOX_FILE
        self._database = open_store(self.path, "outbox", synchronous)
        self._connection: sqlite3.Connection = self._database.conn
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "commit")
        self._committing: Future[sqlite3.Cursor] | None = None
        self._load()

    def _load(self) -> None:
        """Forget everything but what is durable."""
        self._held: list[Change] = []
        self._held_rows = 0
        self._ready: list[_Entry] = []
        self._first_spilled: int | None = None
        self.grouped_rows = 0
        self._dirty = False
        with translated(self.path):
            row = self._connection.execute(
                "SELECT position, committed_at, snapshot, row_total, fed_to FROM capture"
            ).fetchone()
        self.position: Position | None = Position.parse(row[0]) if row else None
        self._committed_at: str = row[1] if row else ""
        self.snapshot: SnapshotPlace | None = SnapshotPlace.from_json(row[2]) if row else None
        self._row_total: int = row[3] if row else 0
        self.fed_to: int = row[4] if row else 0

    @property
    def database(self) -> Database:
        """The file, once no commit is under way. Raises what that failed with."""
        self.settle()
        return self._database

    def settle(self) -> None:
        """Wait for the commit under way. Raises what it failed with."""
        with translated(self.path):
            self._join()

    @property
    def committed_at(self) -> str:
        """Commit time at the source of the last transaction read, as the outbox writes times."""
        return self._committed_at

    @property
    def row_total(self) -> int:
        """Rows captured ever, with what the next ``flush`` makes durable."""
        return self._row_total

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
            if self._first_spilled is not None:
                self._insert_held(str(end.position), at)
                captured = text(self._clock())
                self._connection.execute(
                    _PLACE_ENTRIES, (str(end.position), at, captured, self._first_spilled)
                )
                self._connection.execute("RELEASE source_transaction")
                self._first_spilled = None
            elif self._held:
                self._encode_held(str(end.position), at)
                if self._committing is None or self._committing.done():
                    self._insert_ready()
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
        self.append_read([] if change is None else [change], place)

    def append_read(
        self,
        changes: Sequence[Change],
        place: SnapshotPlace | None,
        also: Callable[[], None] = lambda: None,
    ) -> None:
        """As ``append_snapshot``; ``also`` writes what must become durable with it."""
        if self.inside_transaction or self.position is None:
            raise RuntimeError("a snapshot chunk inside a source transaction")
        with translated(self.path):
            self._begin()
            if changes:
                self._held = list(changes)
                self._insert_held(str(self.position), text(self._clock()))
            also()
            self.snapshot = place
            self._dirty = True
        self.flush()

    def flush(self, *, wait: bool = True) -> None:
        """Make all complete source transactions durable, with the position after them.

        Does nothing while a source transaction too large to hold is still open: the SQLite
        transaction already has a part of it. Without ``wait`` a thread goes on with it.
        """
        if self._first_spilled is not None:
            return
        with translated(self.path):
            self._join()
            if not self._dirty:
                return
            self._insert_ready()
            place = self.snapshot.to_json() if self.snapshot else None
            self._connection.execute(
                _SAVE_CAPTURE,
                (
                    str(self.position),
                    self._committed_at,
                    text(self._clock()),
                    place,
                    self._row_total,
                    self.fed_to,
                ),
            )
            if wait:
                self._connection.execute("COMMIT")
            else:
                self._committing = self._thread.submit(self._connection.execute, "COMMIT")
        self.grouped_rows = 0
        self._dirty = False

    def abandon(self) -> None:
        """Fall back to what is durable, after an error; the stream restarts from ``position``."""
        with suppress(sqlite3.Error):  # of no matter: the file says what is durable
            self._join()
        if self._connection.in_transaction:
            with translated(self.path):
                self._connection.execute("ROLLBACK")
        self._load()

    def close(self) -> None:
        """Close without flushing; what is not flushed is read again from the binlog."""
        self._thread.shutdown()
        self._connection.close()

    def _join(self) -> None:
        if self._committing is not None:
            committing, self._committing = self._committing, None
            committing.result()

    def _begin(self) -> None:
        self._join()
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN IMMEDIATE")

    def _spill(self) -> None:
        self._insert_ready()
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
        self._encode_held(position, committed_at)
        self._insert_ready()

    def _encode_held(self, position: str, committed_at: str) -> None:
        captured_at = text(self._clock())
        for change in merged(self._held):
            columns = orjson.dumps(change.columns).decode()
            stream = TABLES[change.table].stream
            for rows in pieces(change.rows):
                self._row_total += len(rows)
                what = (change.table, change.op.value, columns, orjson.dumps(rows).decode())
                when = (position, committed_at, captured_at)
                cells = (*what, len(rows), self._row_total, *when)
                self._ready.append(_Entry(cells, None if stream else replace(change, rows=rows)))
        self.grouped_rows += self._held_rows
        self._held = []
        self._held_rows = 0

    def _insert_ready(self) -> None:
        self._begin()
        for entry in self._ready:
            seq = self._connection.execute(_INSERT_ENTRY, entry.cells).lastrowid
            if entry.references is not None:
                assert seq is not None
                keep_references(self._connection, entry.references, seq)
        self._ready = []
