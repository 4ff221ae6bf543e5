"""Looking at a file that an older version wrote, without changing it.

A connection gets temporary tables and views that stand before what its file lacks: tables as they
are in a new file, columns with the value that a migration gives them. Nothing is written to disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

from replicator.outbox.files import Kind, step_files

_TABLES = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"


def as_newest(connection: sqlite3.Connection, kind: Kind) -> None:
    """Let the connection see its file as if all steps of the schema were there."""
    with closing(sqlite3.connect(":memory:")) as blank:
        for step in step_files(kind):
            blank.executescript(step.read_text("utf-8"))
        for name, sql in blank.execute(_TABLES).fetchall():
            known = {column for column, _ in _columns(connection, name)}
            if not known:
                connection.execute(sql.replace("CREATE TABLE", "CREATE TEMP TABLE", 1))
                _copy(blank, connection, name)
                continue
            lacking = [(c, value) for c, value in _columns(blank, name) if c not in known]
            if lacking:
                more = ", ".join(f"{value} AS {column}" for column, value in lacking)
                connection.execute(
                    f"CREATE TEMP VIEW {name} AS SELECT *, {more} FROM main.{name}"  # noqa: S608  # our own schema
                )


def _columns(connection: sqlite3.Connection, table: str) -> Iterator[tuple[str, str]]:
    """(name, default as SQL) of each column; none where there is no such table."""
    for _, name, _, _, default, _ in connection.execute(f"PRAGMA table_info({table})"):
        yield name, "NULL" if default is None else default


def _copy(blank: sqlite3.Connection, connection: sqlite3.Connection, table: str) -> None:
    """The rows with which the table begins."""
    for row in blank.execute(f"SELECT * FROM {table}"):  # noqa: S608  # our own schema
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO temp.{table} VALUES ({marks})", row)  # noqa: S608  # as above
