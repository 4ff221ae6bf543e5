"""Room in the outbox: how much is used, and expiring what every destination has acknowledged.

The rule this file keeps: an entry goes only when it lies behind the cursor of every configured
destination, switched on or off; the last entry always stays (cursors are checked against it).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlite_utils import Database

from replicator.errors import OutboxError
from replicator.outbox.clock import text
from replicator.outbox.files import bytes_used
from replicator.outbox.store import OUTBOX_FILE, destination_file, open_readonly, translated

_ENTRIES_A_STEP = 1_000
_PAGES_A_STEP = 4_000  # 16 MiB, about a tenth of a second

_EXPIRE = """
DELETE FROM entry WHERE seq IN (
  SELECT seq FROM entry
   WHERE seq <= ? AND captured_at < ? AND seq < (SELECT max(seq) FROM entry)
   ORDER BY seq LIMIT ?)
"""
_EXPIRABLE = """
SELECT count(*), coalesce(sum(row_count), 0), coalesce(sum(length(rows)), 0) FROM entry
 WHERE seq <= ? AND captured_at < ? AND seq < (SELECT max(seq) FROM entry)
"""
_SETTLED = """
SELECT min(seq, coalesce((SELECT min(seq) - 1 FROM resend), seq)) FROM cursor
"""  # what is to be sent again is not settled
_FORGET_DELETED = "DELETE FROM reference WHERE deleted = 1 AND seq <= ?"


def used_bytes(folder: Path, database: Database) -> int:
    """Bytes in use, as the budget counts them. Raises OutboxError."""
    with translated(folder):
        return bytes_used(folder, database.conn)


def acknowledged_by_all(folder: Path, destinations: Sequence[str]) -> int:
    """The seq that every destination has settled; 0 when one has not begun or there is none.

    A destination's file that cannot be read counts as not begun: its ship may be just making it,
    and says what is wrong with it otherwise. Nothing expires meanwhile.
    """
    return min((settled_by(folder, name) for name in destinations), default=0)


def settled_by(folder: Path, name: str) -> int:
    """The seq up to which one destination needs no entry any more."""
    path = folder / destination_file(name)
    if not path.exists():
        return 0
    try:
        database = open_readonly(path, "destination")
    except OutboxError:
        return 0
    try:
        with translated(path):
            return int(database.conn.execute(_SETTLED).fetchone()[0])
    finally:
        database.close()


def furthest(folder: Path, destinations: Sequence[str]) -> int:
    """The largest seq that a destination's cursor stands at; 0 where none has begun."""
    found = [0]
    for name in destinations:
        path = folder / destination_file(name)
        if path.exists():
            database = open_readonly(path, "destination")
            try:
                with translated(path):
                    found.append(database.conn.execute("SELECT seq FROM cursor").fetchone()[0])
            finally:
                database.close()
    return max(found)


def expire(database: Database, settled: int, before: datetime) -> int:
    """Delete entries up to ``settled`` captured before a moment, a bounded number; how many."""
    connection: sqlite3.Connection = database.conn
    with translated(OUTBOX_FILE):
        gone = connection.execute(_EXPIRE, (settled, text(before), _ENTRIES_A_STEP)).rowcount
        connection.execute(_FORGET_DELETED, (settled,))
    return gone


@dataclass(frozen=True, slots=True)
class Expirable:
    """What could go: ``bytes`` of the rows as they are written."""

    entries: int
    rows: int
    bytes: int


def expirable(database: Database, settled: int, before: datetime) -> Expirable:
    """What ``expire``, repeated, would delete."""
    connection: sqlite3.Connection = database.conn
    with translated(OUTBOX_FILE):
        return Expirable(*connection.execute(_EXPIRABLE, (settled, text(before))).fetchone())


def shrink_log(database: Database) -> None:
    """Bring the write-ahead log into the file and cut it, as far as readers let it."""
    with translated("the outbox"):
        database.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def give_back(database: Database, pages: int = _PAGES_A_STEP) -> int:
    """Return free pages of a file to the disk, a bounded number; how many. Cheap where none is."""
    connection: sqlite3.Connection = database.conn
    with translated("the outbox"):
        free = int(connection.execute("PRAGMA freelist_count").fetchone()[0])
        if free:
            connection.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()
    return min(free, pages)
