"""The database behind the stand-in: SQLite behind one lock, one transaction a request."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tests.original.filters import Filter, like
from tests.original.schema import TABLES, Table, create_statements
from tests.original.values import Cell, collated, leading_number, shortest, stored

Json = dict[str, Any]
NONE = Filter("", (), "")
MERGE_SECONDS = 1 / 490  # measured on the original: rows/s of a batch with one duplicate key


class Store:
    """``merges`` counts rows that went the slow way; ``slow_merge`` makes them as slow as there."""

    def __init__(self, path: str, slow_merge: bool = False) -> None:
        self._lock = threading.RLock()
        self._slow_merge = slow_merge
        self.merges = 0
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.create_collation("general_ci", _compare)
        self._connection.create_function("mysql_like", 2, like, deterministic=True)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=OFF")  # a killed process loses nothing
        self._connection.execute("PRAGMA foreign_keys=ON")
        for statement in create_statements():
            self._connection.execute(statement)

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; one at a time."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def execute(self, sql: str, parameters: Sequence[Cell] = ()) -> list[Json]:
        """One statement, for tests that prepare or look."""
        with self._lock:
            return [dict(row) for row in self._connection.execute(sql, parameters)]

    def rows(self, table: str) -> list[Json]:
        """Every row by primary key; FLOATs as the shortest decimal of their 32 bits."""
        model = TABLES[table]
        found = self.execute(f"SELECT * FROM {table} ORDER BY {', '.join(model.key)}")
        for row in found:
            for name, kind in model.kinds.items():
                if kind.name == "float" and row[name] is not None:
                    row[name] = shortest(row[name])
        return found

    def count(self, table: Table, wanted: Filter = NONE) -> int:
        """How many rows match."""
        sql = f"SELECT count(*) AS n FROM {table.name}{wanted.where}"
        return int(self.execute(sql, wanted.values)[0]["n"])

    def select(self, table: Table, wanted: Filter, limit: int = -1, offset: int = 0) -> list[Json]:
        """Matching rows; without an order, as the primary key has them."""
        order = wanted.order or f" ORDER BY {', '.join(table.key)}"
        sql = f"SELECT * FROM {table.name}{wanted.where}{order} LIMIT ? OFFSET ?"
        return self.execute(sql, (*wanted.values, limit, offset))

    def insert(self, table: Table, row: Mapping[str, Cell]) -> int:
        """A new row; the id it got. Raises sqlite3.IntegrityError."""
        cells = {name: cell for name, cell in row.items() if name != "id" or cell is not None}
        if "id" in table.kinds and not table.generated and "id" not in cells:
            raise sqlite3.IntegrityError("Field 'id' doesn't have a default value")
        names = ", ".join(f'"{name}"' for name in cells)
        marks = ", ".join("?" * len(cells))
        sql = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"
        return int(self._connection.execute(sql, tuple(cells.values())).lastrowid or 0)

    def update(self, table: Table, key: Mapping[str, Cell], row: Mapping[str, Cell]) -> None:
        """Set these cells. Raises sqlite3.IntegrityError."""
        if not row:
            return
        sets = ", ".join(f'"{name}" = ?' for name in row)
        where = " AND ".join(f'"{name}" = ?' for name in key)
        sql = f"UPDATE {table.name} SET {sets} WHERE {where}"
        self._connection.execute(sql, (*row.values(), *key.values()))

    def store_all(self, rows: Sequence[tuple[Table, Mapping[str, Cell]]]) -> None:
        """A bulk batch: insert all, parents first; on any failure merge row by row, as they come.

        Raises sqlite3.IntegrityError; the caller's transaction takes everything back.
        """
        order = list(TABLES)
        self._connection.execute("SAVEPOINT batch")
        try:
            for table, row in sorted(rows, key=lambda item: order.index(item[0].name)):
                self.insert(table, row)
        except sqlite3.IntegrityError:
            self._connection.execute("ROLLBACK TO batch")
            for table, row in rows:
                self._merge(table, row)
        self._connection.execute("RELEASE batch")

    def _merge(self, table: Table, row: Mapping[str, Cell]) -> None:
        self.merges += 1
        if self._slow_merge:
            time.sleep(MERGE_SECONDS)
        key = {name: row.get(name) for name in table.key}
        where = " AND ".join(f'"{name}" = ?' for name in key)
        sql = f"SELECT 1 FROM {table.name} WHERE {where}"
        if (
            None not in key.values()
            and self._connection.execute(sql, tuple(key.values())).fetchone()
        ):
            self.update(table, key, row)
        else:
            self.insert(table, row)

    def delete(self, table: Table, number: str) -> int:
        """How many rows went. A house takes its locations along, their readings stay without."""
        with_id = (int(leading_number(number)),)
        if table.name == "House":
            inside = "(SELECT id FROM Location WHERE houseId = ?)"
            for user in ("Reading", "Node"):
                self._connection.execute(
                    f"UPDATE {user} SET locationId = NULL WHERE locationId IN {inside}", with_id
                )
            self._connection.execute("DELETE FROM Location WHERE houseId = ?", with_id)
        sql = f"DELETE FROM {table.name} WHERE id = ?"
        return self._connection.execute(sql, with_id).rowcount


def cells(table: Table, sent: Mapping[str, object]) -> dict[str, Cell]:
    """The cells a row of JSON sets: unknown keys ignored, missing ones NULL (unset on Reading).

    Raises BadCell.
    """
    row = {name: stored(kind, sent.get(name)) for name, kind in table.kinds.items()}
    if table.keeps_nulls:
        return row
    return {name: cell for name, cell in row.items() if cell is not None}


def _compare(left: str, right: str) -> int:
    a, b = collated(left), collated(right)
    return (a > b) - (a < b)
