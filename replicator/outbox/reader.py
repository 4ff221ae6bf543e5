"""Ship's view of outbox.db: entries behind a cursor, and the latest reference rows."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from functools import lru_cache
from pathlib import Path

import orjson

from replicator.change import Op, Position, Value
from replicator.delivery import Entry
from replicator.outbox.store import OUTBOX_FILE, open_readonly, translated

_SELECT = "SELECT seq, table_name, op, columns, rows, position, committed_at FROM entry "
_ENTRIES = _SELECT + "WHERE seq > ? ORDER BY seq"
_ENTRY = _SELECT + "WHERE seq = ?"


class OutboxReader:
    """Reads one outbox.db while its writer runs. Every read sees whole source transactions."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / OUTBOX_FILE
        self._database = open_readonly(self.path, "outbox")
        self._connection = self._database.conn

    def entries(self, after: int) -> Generator[Entry, None, None]:
        """Entries with seq > ``after``, in order, read as they are asked for."""
        with translated(self.path):
            cursor = self._connection.execute(_ENTRIES, (after,))
            try:
                yield from map(_entry, cursor)
            finally:
                cursor.close()

    def entry(self, seq: int) -> Entry | None:
        """One entry; None where it is no longer held."""
        with translated(self.path):
            row = self._connection.execute(_ENTRY, (seq,)).fetchone()
        return _entry(row) if row else None

    def version(self) -> int:
        """A number that changes whenever the writer has committed; cheap to ask for."""
        with translated(self.path):
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def position_of(self, seq: int) -> str | None:
        """The position of an entry; None where there is no such entry (any more)."""
        with translated(self.path):
            row = self._connection.execute(
                "SELECT position FROM entry WHERE seq = ?", (seq,)
            ).fetchone()
        return row[0] if row else None

    def row_total_at(self, seq: int) -> int:
        """Rows captured ever, up to and with the last entry at or before ``seq``."""
        with translated(self.path):
            row = self._connection.execute(
                "SELECT row_total FROM entry WHERE seq <= ? ORDER BY seq DESC LIMIT 1", (seq,)
            ).fetchone()
            if row is None:
                row = self._connection.execute(
                    "SELECT row_total - row_count FROM entry ORDER BY seq LIMIT 1"
                ).fetchone()
        return int(row[0]) if row else 0

    def bounds(self) -> tuple[int, int]:
        """First and last seq held; (0, 0) when there is none."""
        with translated(self.path):
            row = self._connection.execute("SELECT min(seq), max(seq) FROM entry").fetchone()
        return (row[0] or 0, row[1] or 0)

    def rows_captured(self) -> int:
        """Rows captured ever, as far as an entry is left."""
        with translated(self.path):
            row = self._connection.execute(
                "SELECT row_total FROM entry ORDER BY seq DESC LIMIT 1"
            ).fetchone()
        return int(row[0]) if row else 0

    def oldest_after(self, seq: int) -> str | None:
        """Commit time of the first entry behind a cursor; None where nothing is."""
        with translated(self.path):
            row = self._connection.execute(
                "SELECT committed_at FROM entry WHERE seq > ? ORDER BY seq LIMIT 1", (seq,)
            ).fetchone()
        return row[0] if row else None

    def held_since(self) -> str:
        """Commit time of the first entry held, ISO 8601, UTC; "" where there is none."""
        with translated(self.path):
            row = self._connection.execute(
                "SELECT committed_at FROM entry ORDER BY seq LIMIT 1"
            ).fetchone()
        return row[0] if row else ""

    def first_since(self, committed_at: str) -> int | None:
        """The first entry committed at or after a time (ISO 8601, UTC, milliseconds)."""
        with translated(self.path):
            row = self._connection.execute(
                "SELECT min(seq) FROM entry WHERE committed_at >= ?", (committed_at,)
            ).fetchone()
        return row[0] if row else None

    def last_at(self, position: str) -> int | None:
        """The last entry of the transaction that ended there: a whole position, or file:offset."""
        whole = "position = ?" if "/" in position else "instr(position, '/' || ? || '/') > 0"
        with translated(self.path):
            row = self._connection.execute(
                f"SELECT max(seq) FROM entry WHERE {whole}",  # noqa: S608  # one of two constants
                (position,),
            ).fetchone()
        return row[0] if row else None

    def references(self, table: str) -> list[tuple[int, Mapping[str, Value], bool]]:
        """(local id, latest row, deleted at the source) of a whole reference table, by id."""
        with translated(self.path):
            rows = self._connection.execute(
                "SELECT id, row, deleted FROM reference WHERE table_name = ? ORDER BY id", (table,)
            ).fetchall()
        return [(number, orjson.loads(row), bool(deleted)) for number, row, deleted in rows]

    def reference(self, table: str, local_id: int) -> Mapping[str, Value] | None:
        """The latest row of a reference table, local ids; deleted rows are still found."""
        with translated(self.path):
            row = self._connection.execute(
                "SELECT row FROM reference WHERE table_name = ? AND id = ?", (table, local_id)
            ).fetchone()
        return orjson.loads(row[0]) if row else None

    def born(self) -> dict[tuple[str, int], int]:
        """(table, id) → the entry that gave an id to another row; hardly ever there is any."""
        with translated(self.path):
            rows = self._connection.execute(
                "SELECT table_name, id, born FROM reference WHERE born > 0"
            ).fetchall()
        return {(table, number): born for table, number, born in rows}

    def born_at(self, table: str, local_id: int) -> int:
        """The entry that gave an id to another row than had it before; 0 where none did."""
        with translated(self.path):
            row = self._connection.execute(
                "SELECT born FROM reference WHERE table_name = ? AND id = ?", (table, local_id)
            ).fetchone()
        return row[0] if row else 0

    def is_deleted(self, table: str, local_id: int) -> bool:
        """Whether the source has deleted a reference row; also where it is long forgotten."""
        with translated(self.path):
            row = self._connection.execute(
                "SELECT deleted FROM reference WHERE table_name = ? AND id = ?", (table, local_id)
            ).fetchone()
        return row is None or bool(row[0])

    def snapshot_table(self) -> str | None:
        """The table that the snapshot reads now; None when it has read all of them."""
        with translated(self.path):
            row = self._connection.execute(
                "SELECT json_extract(snapshot, '$.table') FROM capture"
            ).fetchone()
        table: str | None = row[0] if row else None
        return table

    def captured_to(self) -> Position | None:
        """Everything before it is in the outbox; None before capture has begun."""
        with translated(self.path):
            row = self._connection.execute("SELECT position FROM capture").fetchone()
        return Position.parse(row[0]) if row else None

    def is_capturing(self) -> bool:
        """Whether tail says that it follows the log (a killed one says so still)."""
        with translated(self.path):
            row = self._connection.execute("SELECT state FROM status").fetchone()
        return row is not None and row[0] == "running"

    def gaps(self) -> list[tuple[str, str, str, str | None, str | None]]:
        """Lost stretches of the log: found at, last position, reason, next position, healed at."""
        with translated(self.path):
            return self._connection.execute(
                "SELECT found_at, last_position, reason, next_position, healed_at FROM gap"
                " ORDER BY id"
            ).fetchall()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _entry(row: tuple[int, str, str, str, str, str, str]) -> Entry:
    seq, table, op, columns, rows, position, committed_at = row
    return Entry(seq, table, Op(op), _names(columns), orjson.loads(rows), position, committed_at)


@lru_cache(maxsize=64)
def _names(columns: str) -> tuple[str, ...]:
    """An entry's column list; neighbours have the same."""
    return tuple(orjson.loads(columns))
