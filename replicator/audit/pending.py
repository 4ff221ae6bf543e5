"""What a destination need not have yet: rows that wait in the outbox, or are parked.

Kept in a private temporary SQLite file, so that a backlog of any length fits; nothing of it is left
behind. Reads the outbox's files, whoever runs or not.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import orjson

from replicator.change import Value
from replicator.delivery import Entry
from replicator.model import STREAM_TABLES, TABLES
from replicator.outbox.reader import OutboxReader
from replicator.outbox.store import destination_file, open_readonly, translated

_CREATE = """
CREATE TABLE pending (table_name TEXT, key TEXT, time TEXT, node INTEGER, location INTEGER,
                      kind TEXT, reason TEXT, detail TEXT,
                      PRIMARY KEY (table_name, key)) WITHOUT ROWID
"""
_PUT = "INSERT OR REPLACE INTO pending VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_GET = "SELECT kind, reason, detail FROM pending WHERE table_name = ? AND key = ?"
_PARKED = """
SELECT table_name, key, json_extract(row, '$.locationId'), kind, reason, detail FROM parked
WHERE kind != 'superseded' AND table_name IN (?, ?) ORDER BY seq, row_index
"""
_LISTED = """
SELECT table_name, key, location, kind, reason, detail FROM pending WHERE kind != 'waiting'
AND time >= ? AND time < ? ORDER BY table_name, key
"""
_BEGINNING, _END = "", "~"


@dataclass(frozen=True, slots=True)
class Excuse:
    """Why a row may be missing or older. ``kind``: waiting, or how it is parked."""

    kind: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class ParkedKey:
    """A parked row by its key (time, node, type or sequence number), with the station's ids."""

    table: str
    key: tuple[Value, ...]
    location: int | None
    excuse: Excuse


class Pending:
    """One destination's; ``refresh`` before use, and whenever it must be of this moment."""

    def __init__(self, folder: Path, name: str, outbox: OutboxReader) -> None:
        self._file = folder / destination_file(name)
        self._delivery: sqlite3.Connection | None = None
        self._outbox = outbox
        self._versions: tuple[int, int] | None = None
        self._spots: set[tuple[str, str, Value]] = set()
        self.cursor = 0
        self._store = sqlite3.connect("", isolation_level=None)  # a file that SQLite removes
        self._store.execute("PRAGMA journal_mode = OFF")
        self._store.execute("PRAGMA synchronous = OFF")
        self._store.execute(_CREATE)

    def refresh(self) -> None:
        """Read again what waits, where anything has moved. Raises OutboxError."""
        versions = self._version(), self._outbox.version()
        if versions == self._versions:
            return
        self._versions = versions
        self._spots.clear()
        self._store.execute("BEGIN")
        self._store.execute("DELETE FROM pending")
        behind = self._keep_parked()
        with closing(self._outbox.entries(self.cursor)) as entries:
            self._keep(
                row
                for place, entry in enumerate(entries)
                if TABLES[entry.table].stream
                for row in _waiting_rows(entry, behind if place == 0 else 0)
            )
        self._store.execute("COMMIT")

    def _version(self) -> int:
        """Changes whenever ship has committed; -1 before it has begun."""
        if self._delivery is None:
            if not self._file.exists():
                return -1
            self._delivery = open_readonly(self._file, "destination").conn
        with translated(self._file):
            return int(self._delivery.execute("PRAGMA data_version").fetchone()[0])

    def _keep_parked(self) -> int:
        """Note the cursor and the parked rows of one moment; rows settled behind the cursor."""
        self.cursor = 0
        if self._delivery is None:
            return 0
        with translated(self._file):
            self._delivery.execute("BEGIN")
            try:
                found = self._delivery.execute("SELECT seq, row_index FROM cursor").fetchone()
                self._keep(_parked_rows(self._delivery.execute(_PARKED, STREAM_TABLES)))
            finally:
                self._delivery.execute("ROLLBACK")
        self.cursor = int(found[0])
        return int(found[1])

    def _keep(self, rows: Iterator[tuple[Value, ...]]) -> None:
        def noted() -> Iterator[tuple[Value, ...]]:
            for row in rows:
                self._spots.add((str(row[0]), str(row[2])[:10], row[3]))
                yield row

        self._store.executemany(_PUT, noted())

    def may_hold(self, table: str, time: Value, node: Value) -> bool:
        """Whether anything of this node's day is pending: cheap, asked for every row."""
        return (table, str(time)[:10], node) in self._spots

    def excuse(self, table: str, key: Sequence[Value]) -> Excuse | None:
        """Why the destination need not have this row as it is."""
        found = self._store.execute(_GET, (table, _text(key))).fetchone()
        return Excuse(*found) if found else None

    def parked(self, since: str | None, until: str | None) -> Iterator[ParkedKey]:
        """Parked rows of a time, by table and key."""
        found = self._store.execute(_LISTED, (since or _BEGINNING, until or _END))
        for table, key, location, *excuse in found:
            yield ParkedKey(table, tuple(orjson.loads(key)), location, Excuse(*excuse))

    def close(self) -> None:
        """The file is gone with it."""
        self._store.close()
        if self._delivery is not None:
            self._delivery.close()


def _text(key: Sequence[Value]) -> str:
    return orjson.dumps(list(key)).decode()


def _parked_rows(parked: Iterable[tuple[str, ...]]) -> Iterator[tuple[Value, ...]]:
    for table, key, location, kind, reason, detail in parked:
        time, node, *_ = orjson.loads(key)
        yield (table, key, str(time), node, location, kind, reason, detail)


def _waiting_rows(entry: Entry, behind: int) -> Iterator[tuple[Value, ...]]:
    places = [entry.columns.index(column) for column in TABLES[entry.table].natural_key]
    at = entry.columns.index("locationId") if entry.table == "Reading" else None
    detail = f"{entry.op.value} committed {entry.committed_at}"
    for row in entry.rows[behind:]:
        key = [row[place] for place in places]
        location = None if at is None else row[at]
        yield (entry.table, _text(key), str(key[0]), key[1], location, "waiting", "outbox", detail)
