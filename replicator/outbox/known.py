"""What the outbox still says of rows by key: the latest version of each, in the key's order.

Reference rows are always all there. Of stream rows only those in entries that have not expired, and
of these the newest: they go into a temporary SQLite file that is gone with its connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson
from sqlite_utils import Database

from replicator.change import Op, Value
from replicator.model import STREAM_TABLES, TABLES, split_key
from replicator.outbox.place import Key
from replicator.outbox.store import OUTBOX_FILE, translated

MOST_ROWS = 1_000_000
KEY_COLUMNS = 3

_CREATE = """
CREATE TABLE held (table_name, k0, k1, k2, more TEXT, row TEXT, sure INTEGER,
                   PRIMARY KEY (table_name, k0, k1, k2, more)) WITHOUT ROWID
"""
_HOLD = "INSERT OR IGNORE INTO held VALUES (?, ?, ?, ?, ?, ?, ?)"
_PAGE = """
SELECT row, sure, more, k0, k1, k2 FROM held WHERE table_name = ?
   AND (? OR (k0, k1, k2) > (?, ?, ?)) AND (? OR (k0, k1, k2) <= (?, ?, ?))
 ORDER BY k0, k1, k2, more LIMIT ?
"""
_SAME_KEY = """
SELECT row, sure, more, k0, k1, k2 FROM held WHERE table_name = ?
   AND (k0, k1, k2) = (?, ?, ?) AND more > ?
"""
_REFERENCES = """
SELECT id, row, seq, deleted FROM reference WHERE table_name = ?
   AND id > ? AND (? IS NULL OR id <= ?) ORDER BY id LIMIT ?
"""
_NEWEST = "SELECT seq, table_name, op, columns, rows FROM entry ORDER BY seq DESC"
_LOWEST = -(1 << 63)


@dataclass(frozen=True, slots=True)
class Known:
    """The latest version of a row. ``row`` None: deleted. ``sure`` False: it came too late to say

    that the destinations need not be told again. Of a stream there may be several with one primary
    key: an id that was given out anew, for a row with another natural key.
    """

    key: Key
    row: Mapping[str, Value] | None
    sure: bool


class KnownRows:
    """What entries up to ``known_seq`` say, and which rows later ones touch."""

    def __init__(self, database: Database, known_seq: int, most_rows: int = MOST_ROWS) -> None:
        self._outbox: sqlite3.Connection = database.conn
        self._known_seq = known_seq
        self._held = sqlite3.connect("", isolation_level=None)
        self._held.execute(_CREATE)
        self._fill(most_rows)

    def _fill(self, most_rows: int) -> None:
        with translated(OUTBOX_FILE):
            self._held.execute("BEGIN")
            for seq, table, deleted, rows in _newest(self._outbox, most_rows):
                key, more = TABLES[table].primary_key, split_key(TABLES[table])
                sure = int(seq <= self._known_seq)
                self._held.executemany(
                    _HOLD,
                    (
                        (
                            table,
                            *_padded([row[name] for name in key]),
                            orjson.dumps([row.get(name) for name in more]).decode(),
                            None if deleted else orjson.dumps(row).decode(),
                            sure,
                        )
                        for row in rows
                    ),
                )
            self._held.execute("COMMIT")

    def page(self, table: str, after: Key | None, upto: Key | None, limit: int) -> list[Known]:
        """About ``limit`` rows with ``after`` < key <= ``upto``, in the key's order.

        Fewer than ``limit`` only where there are no more; with the last key all rows that have it.
        """
        with translated(OUTBOX_FILE):
            if table in STREAM_TABLES:
                return self._streamed(table, after, upto, limit)
            return self._references(table, after, upto, limit)

    def _streamed(self, table: str, after: Key | None, upto: Key | None, limit: int) -> list[Known]:
        width = len(TABLES[table].primary_key)
        bounds = (after is None, *_padded(after or ()), upto is None, *_padded(upto or ()))
        found = self._held.execute(_PAGE, (table, *bounds, limit)).fetchall()
        if len(found) == limit:
            _, _, more, *last = found[-1]
            found += self._held.execute(_SAME_KEY, (table, *last, more)).fetchall()
        return [
            Known(tuple(key[:width]), orjson.loads(row) if row else None, bool(sure))
            for row, sure, _, *key in found
        ]

    def _references(
        self, table: str, after: Key | None, upto: Key | None, limit: int
    ) -> list[Known]:
        low, high = after[0] if after else _LOWEST, upto[0] if upto else None
        found = self._outbox.execute(_REFERENCES, (table, low, high, high, limit))
        return [
            Known((number,), None if deleted else orjson.loads(row), seq <= self._known_seq)
            for number, row, seq, deleted in found
        ]

    def close(self) -> None:
        """Forget it."""
        self._held.close()


def newest_rows(database: Database, count: int) -> list[tuple[str, Mapping[str, Value]]]:
    """The latest stream rows that were not deleted since, newest first: (table, row)."""
    gone: set[tuple[str, Key]] = set()
    found: list[tuple[str, Mapping[str, Value]]] = []
    with translated(OUTBOX_FILE):
        for _, table, deleted, rows in _newest(database.conn, 50 * count):
            key_of = _key_of(table)
            for row in rows:
                key = (table, key_of(row))
                if key not in gone and not deleted:
                    found.append((table, row))
                gone.add(key)
                if len(found) == count:
                    return found
    return found


def _newest(
    outbox: sqlite3.Connection, most_rows: int
) -> Iterator[tuple[int, str, bool, Sequence[Mapping[str, Value]]]]:
    """Entries of streams, the newest first, and their rows the last first."""
    seen = 0
    for seq, table, op, columns, rows in outbox.execute(_NEWEST):
        if table not in STREAM_TABLES:
            continue
        names = orjson.loads(columns)
        if not set(TABLES[table].primary_key) <= set(names):
            continue  # a table that had another key then: nothing can be known of it here
        content = [dict(zip(names, row, strict=True)) for row in reversed(orjson.loads(rows))]
        yield seq, table, op == Op.DELETE.value, content
        seen += len(content)
        if seen >= most_rows:
            return


def _key_of(table: str) -> Callable[[Mapping[str, Value]], Key]:
    names = split_key(TABLES[table])
    return lambda row: tuple(row.get(name) for name in names)


def _padded(key: Sequence[Value]) -> tuple[Value, ...]:
    return (*key, *(0 for _ in range(KEY_COLUMNS - len(key))))
