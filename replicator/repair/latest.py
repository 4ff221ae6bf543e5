"""Which held rows are sent again: of every key the latest version that was settled.

The rules this file keeps:
  * a row is chosen only if no later version of its key lies before the cursor, whatever that later
    one says: nothing older is sent over anything newer;
  * a key whose latest version is parked is left alone: that row is the parked list's;
  * memory does not grow with the outbox: keys are kept in a temporary file.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import orjson

from replicator.change import Value
from replicator.delivery import Entry
from replicator.model import TABLES, Table
from replicator.outbox.resends import placed

Matches = Callable[[str, Mapping[str, Value]], bool]
Key = bytes

_ROWS_A_STEP = 10_000


class Latest:
    """Chooses rows, until it is closed. ``matches(table, values)``: the row is wanted."""

    def __init__(self, matches: Matches) -> None:
        self._matches = matches
        self._file = sqlite3.connect("", isolation_level=None)  # a temporary file of its own
        self._file.execute("PRAGMA journal_mode = OFF")
        self._file.execute("PRAGMA cache_size = -16384")
        self._file.execute(
            "CREATE TABLE chosen (key BLOB PRIMARY KEY, seq INTEGER, place INTEGER) WITHOUT ROWID"
        )
        self._any = False

    def close(self) -> None:
        """Forget them."""
        self._file.close()

    def look_through(self, entries: Iterable[Entry], cursor: int) -> None:
        """All entries up to the cursor, in order."""
        put: list[tuple[Key, int, int]] = []
        for entry in entries:
            if entry.seq > cursor:
                break
            model = TABLES[entry.table]
            put += self._of_entry(model, entry)
            if len(put) >= _ROWS_A_STEP:
                self._keep(put)
                put = []
        self._keep(put)

    def _of_entry(self, model: Table, entry: Entry) -> Iterator[tuple[Key, int, int]]:
        """(key, seq, place) of its rows; place -1 where the row is not wanted."""
        key_columns = model.natural_key if model.stream else model.primary_key
        for place, row in enumerate(entry.rows):
            values = dict(zip(entry.columns, row, strict=True))
            wanted = self._matches(model.name, values)
            if wanted or self._any:
                self._any = True
                key = key_of(model.name, [values.get(column) for column in key_columns])
                yield key, entry.seq, place if wanted else -1

    def _keep(self, rows: Sequence[tuple[Key, int, int]]) -> None:
        self._file.execute("BEGIN")
        for row in rows:
            if row[2] < 0:
                self._file.execute("DELETE FROM chosen WHERE key = ?", row[:1])
            else:
                self._file.execute("INSERT OR REPLACE INTO chosen VALUES (?, ?, ?)", row)
        self._file.execute("COMMIT")

    def leave(self, keys: Iterable[tuple[str, Sequence[Value]]]) -> int:
        """Leave the rows with these (table, key) alone; how many were chosen."""
        sql = "DELETE FROM chosen WHERE key = ?"
        return sum(self._file.execute(sql, (key_of(*key),)).rowcount for key in keys)

    def count(self) -> int:
        """How many rows are chosen."""
        return int(self._file.execute("SELECT count(*) FROM chosen").fetchone()[0])

    def entries(self) -> Iterator[tuple[int, list[int]]]:
        """(seq, places) of the chosen rows, in order."""
        yield from placed(self._file.execute("SELECT seq, place FROM chosen ORDER BY seq, place"))


def key_of(table: str, key: Sequence[Value]) -> Key:
    """Sixteen bytes that stand for a row, whatever its version."""
    return hashlib.blake2b(orjson.dumps([table, list(key)]), digest_size=16).digest()
