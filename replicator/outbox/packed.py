"""A folder's desk as bytes, and a folder made from one: what delivery knows without the stream.

A desk holds the destination files' tables, each file as it is at one moment, and of outbox.db the
reference rows and the entry at which reading goes on. What only tells people how it went (receipts,
samples, attempts) is left out.

The rule this file keeps: a folder made from a desk gives the entries behind it the seqs that they
had where the desk was kept, so cursors, parked rows and resends go on meaning the same.
"""

from __future__ import annotations

import shutil
import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from replicator.errors import OutboxError
from replicator.outbox.files import OUTBOX_FILE, destination_file, open_file, translated
from replicator.outbox.store import Synchronous, immediate, open_store

_FORMAT = 1
_LEFT_OUT = frozenset({"receipt", "history", "attempt", "status", "_sqlite_migrations"})
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
_MOST_BYTES = 1 << 30
_SETTLED = "SELECT min(seq, coalesce((SELECT min(seq) - 1 FROM resend), seq)) FROM cursor"
_MAKING = ".making"
_BEFORE = ".before"


@dataclass(frozen=True, slots=True)
class Boundary:
    """Where reading the stream goes on: behind message ``fed_to``, whose group ends with entry
    ``last``. The rest is what outbox.db says of capture there."""

    last: int
    fed_to: int
    row_total: int
    position: str
    committed_at: str
    snapshot: str | None


@dataclass(frozen=True, slots=True)
class Destinations:
    """``tables``: of each destination's file; ``settled``: the seq that all have settled."""

    tables: Mapping[str, Mapping[str, Any]]
    settled: int


def destinations(folder: Path, names: Sequence[str]) -> Destinations:
    """The destinations' files as they are, each at one moment. Raises OutboxError."""
    found: dict[str, dict[str, Any]] = {}
    settled = []
    for name in names:
        path = folder / destination_file(name)
        if not path.exists():
            settled.append(0)
            continue
        with translated(path):
            connection = open_file(path, "destination")
            try:
                connection.execute("BEGIN")
                found[name] = {
                    table: _table(connection, table)
                    for (table,) in connection.execute(_TABLES).fetchall()
                    if table not in _LEFT_OUT
                }
                settled.append(connection.execute(_SETTLED).fetchone()[0])
            finally:
                connection.close()
    return Destinations(found, min(settled, default=0))


def pack(outbox: sqlite3.Connection, of: Destinations, boundary: Boundary) -> bytes:
    """A desk. Raises OutboxError."""
    with translated(OUTBOX_FILE):
        content = {
            "format": _FORMAT,
            "boundary": asdict(boundary),
            "destinations": of.tables,
            "reference": _table(outbox, "reference"),
            "entry": _table(outbox, "entry", f"WHERE seq = {int(boundary.last)}"),
        }
    return zlib.compress(orjson.dumps(content), 3)


def _table(connection: sqlite3.Connection, table: str, which: str = "") -> dict[str, Any]:
    cursor = connection.execute(f"SELECT * FROM [{table}] {which}")  # noqa: S608  # our own names
    return {"columns": [d[0] for d in cursor.description], "rows": cursor.fetchall()}


def unpack(folder: Path, desk: bytes, synchronous: Synchronous) -> None:
    """Make the folder's files from a desk; what was there is moved to ``.before`` in it.

    outbox.db comes last: while it is missing, nothing is there. Raises OutboxError.
    """
    content = _content(desk)
    making, before = folder / _MAKING, folder / _BEFORE
    with translated(folder):
        for each in (making, before):
            shutil.rmtree(each, ignore_errors=True)
            each.mkdir(parents=True)
        for name, tables in content["destinations"].items():
            _make_destination(making / destination_file(name), tables, synchronous)
        _make_outbox(making / OUTBOX_FILE, content, synchronous)
        for path in sorted(folder.glob("*.db*"), key=lambda p: not p.name.startswith(OUTBOX_FILE)):
            path.rename(before / path.name)
        for path in sorted(making.iterdir(), key=lambda p: p.name == OUTBOX_FILE):
            path.rename(folder / path.name)
        making.rmdir()


def _content(desk: bytes) -> Any:
    try:
        unpacking = zlib.decompressobj()
        content = orjson.loads(unpacking.decompress(desk, _MOST_BYTES))
        if content["format"] == _FORMAT:
            return content
    except (zlib.error, ValueError, KeyError, TypeError) as error:
        raise _foreign(f"{type(error).__name__}: {error}") from error
    raise _foreign(f"format {content['format']}")


def _make_destination(path: Path, tables: Mapping[str, Any], synchronous: Synchronous) -> None:
    database = open_store(path, "destination", synchronous)
    try:
        with translated(path), immediate(database.conn):
            for table, rows in tables.items():
                _fill(database.conn, table, rows)
            database.conn.execute("UPDATE orders SET role_wanted_until = 0")
    finally:
        _close(database.conn)


def _make_outbox(path: Path, content: Any, synchronous: Synchronous) -> None:
    boundary = Boundary(**content["boundary"])
    database = open_store(path, "outbox", synchronous)
    connection: sqlite3.Connection = database.conn
    try:
        with translated(path), immediate(connection):
            _fill(connection, "reference", content["reference"])
            _fill(connection, "entry", content["entry"])
            connection.execute("DELETE FROM sqlite_sequence WHERE name = 'entry'")
            connection.execute("INSERT INTO sqlite_sequence VALUES ('entry', ?)", (boundary.last,))
            connection.execute(
                "INSERT OR REPLACE INTO capture (id, position, committed_at, read_at, snapshot,"
                " row_total, fed_to) VALUES (1, ?, ?, ?, ?, ?, ?)",
                (
                    boundary.position,
                    boundary.committed_at,
                    boundary.committed_at,
                    boundary.snapshot,
                    boundary.row_total,
                    boundary.fed_to,
                ),
            )
    finally:
        _close(connection)


def _fill(connection: sqlite3.Connection, table: str, rows: Mapping[str, Any]) -> None:
    known = {row[1] for row in connection.execute(f"PRAGMA table_info([{table}])")}
    unknown = set(rows["columns"]) - known
    if unknown:
        raise _foreign(
            f"{table} has {', '.join(sorted(unknown))}, which this version does not know"
        )
    columns = ", ".join(f"[{name}]" for name in rows["columns"])
    places = ", ".join("?" for _ in rows["columns"])
    sql = f"INSERT OR REPLACE INTO [{table}] ({columns}) VALUES ({places})"  # noqa: S608  # checked
    connection.executemany(sql, rows["rows"])


def _close(connection: sqlite3.Connection) -> None:
    """With all in the file itself: it is moved without its log."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()


def _foreign(detail: str) -> OutboxError:
    return OutboxError(
        "the desk that is kept beside the stream is not one of this version",
        detail,
        "update replicator on this machine to the version of the other shippers",
    )
