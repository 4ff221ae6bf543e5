"""Rows behind the cursor that are to be sent again, before the flow goes on.

The rules this file keeps:
  * only who plays ship's role adds rows, with nothing under way: so each is the latest version of
    its key that was settled, and ship sends nothing newer before them;
  * an entry with rows to be sent again does not expire (outbox.retention);
  * a row is taken off after it is settled: a crash in between sends it again, which is harmless.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import orjson
from sqlite_utils import Database

from replicator.outbox.store import immediate, translated

Places = Sequence[int]

_ADD = """
INSERT INTO resend (seq, rows, row_count) VALUES (?, ?, ?)
ON CONFLICT (seq) DO UPDATE SET rows = excluded.rows, row_count = excluded.row_count
"""


class Resends:
    """The rows to send again in one <destination>.db."""

    def __init__(self, database: Database, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection = database.conn

    def pending(self) -> bool:
        """Is there any?"""
        return bool(self._query("SELECT 1 FROM resend LIMIT 1"))

    def count(self) -> int:
        """How many rows."""
        return int(self._query("SELECT coalesce(sum(row_count), 0) FROM resend")[0][0])

    def first(self, limit: int) -> list[tuple[int, Places]]:
        """(seq, places) of the next entries, in order: at most ``limit`` rows, at least one."""
        found: list[tuple[int, Places]] = []
        with (
            translated(self._path),
            closing(self._connection.execute("SELECT seq, rows FROM resend ORDER BY seq")) as rows,
        ):
            for seq, places in rows:
                listed = orjson.loads(places)[:limit]
                found.append((seq, listed))
                limit -= len(listed)
                if limit <= 0:
                    break
        return found

    def take_off(self, sent: Iterable[tuple[int, int]]) -> None:
        """These (seq, place) are settled, or no longer there."""
        gone: dict[int, set[int]] = {}
        for seq, place in sent:
            gone.setdefault(seq, set()).add(place)
        with translated(self._path), immediate(self._connection):
            for seq, places in gone.items():
                left = [place for place in self._places(seq) if place not in places]
                self._put(seq, left)

    def _places(self, seq: int) -> Places:
        row = self._connection.execute("SELECT rows FROM resend WHERE seq = ?", (seq,)).fetchone()
        return orjson.loads(row[0]) if row else ()

    def _put(self, seq: int, places: Places) -> None:
        if places:
            self._connection.execute(_ADD, (seq, orjson.dumps(places).decode(), len(places)))
        else:
            self._connection.execute("DELETE FROM resend WHERE seq = ?", (seq,))

    def add(self, rows: Mapping[int, Places]) -> None:
        """Send these rows again. In the caller's transaction."""
        for seq, places in rows.items():
            self._put(seq, sorted({*places, *self._places(seq)}))

    def _query(self, sql: str) -> list[tuple]:  # type: ignore[type-arg]  # rows as SQLite gives them
        with translated(self._path):
            return self._connection.execute(sql).fetchall()


def placed(rows: Iterable[tuple[int, int]]) -> Iterator[tuple[int, list[int]]]:
    """(seq, place) in order, gathered by entry."""
    seq: int | None = None
    places: list[int] = []
    for row_seq, place in rows:
        if row_seq != seq:
            if seq is not None:
                yield seq, places
            seq, places = row_seq, []
        places.append(place)
    if seq is not None:
        yield seq, places
