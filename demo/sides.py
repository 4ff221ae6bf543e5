"""Read-only views of the two databases for the independent check: MariaDB, or an SQLite file.

Shares nothing with the replicator: plain SQL, one query text for both kinds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import pymysql
import pymysql.cursors

_FETCH = 20_000


class Side(Protocol):
    """One database. ``select`` streams the rows; ``{time}`` in a query is the row's time as text.

    The text is ``YYYY-MM-DDTHH:MM:SS``. FLOAT columns must be read as ``column+0e0``: MariaDB
    prints only six digits of a FLOAT, and all of the double that the sum is.
    """

    def select(self, sql: str) -> Iterator[tuple[Any, ...]]: ...

    def __enter__(self) -> Side: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class MariaDBSide:
    """A database of a MariaDB or MySQL server. Keywords as of ``pymysql.connect``."""

    def __init__(self, **how: Any) -> None:
        self._connection = pymysql.connect(
            charset="utf8mb4", cursorclass=pymysql.cursors.SSCursor, connect_timeout=10, **how
        )

    def select(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """Rows of a query, unbuffered."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql.replace("{time}", "DATE_FORMAT(time, '%Y-%m-%dT%H:%i:%s')"))
            while rows := cursor.fetchmany(_FETCH):
                yield from rows

    def __enter__(self) -> MariaDBSide:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()


class SQLiteSide:
    """An SQLite file, opened read-only."""

    def __init__(self, path: Path) -> None:
        uri = f"{path.resolve().as_uri()}?mode=ro"
        self._connection = sqlite3.connect(uri, uri=True, timeout=10)

    def select(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """Rows of a query."""
        yield from self._connection.execute(
            sql.replace("{time}", "replace(substr(time, 1, 19), ' ', 'T')")
        )

    def __enter__(self) -> SQLiteSide:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()
