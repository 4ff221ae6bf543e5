"""Opening the outbox's SQLite files for writing: pragmas and migrations.

A folder holds ``outbox.db`` (tail's) and ``<destination>.db`` (one for each destination's ship).
The schema is plain SQL, one file a step, in the package ``replicator.migrations``; sqlite-utils
records which steps a file has.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from replicator.outbox.files import (
    BUSY_SECONDS,
    OUTBOX_FILE,
    Kind,
    connect_readonly,
    destination_file,
    open_file,
    refuse_strangers,
    step_files,
    translate,
    translated,
)

__all__ = [
    "OUTBOX_FILE",
    "Kind",
    "Synchronous",
    "connect_readonly",
    "destination_file",
    "immediate",
    "open_readonly",
    "open_store",
    "statements",
    "translate",
    "translated",
]

Synchronous = Literal["FULL", "NORMAL"]

_PAGE_BYTES = 4096


def open_store(path: Path, kind: Kind, synchronous: Synchronous = "FULL") -> Database:
    """Open for writing; create and migrate as needed.

    Raises OutboxError when the file is damaged, not ours, or written by a newer version, and
    OutboxFull when there is no room to create it.
    """
    with translated(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            path,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,  # OutboxWriter commits in a thread, and waits for it
        )
        try:
            _prepare(connection, synchronous)
            database = Database(connection)
            _migrate(database, kind, path)
        except BaseException:
            connection.close()
            raise
    return database


def open_readonly(path: Path, kind: Kind) -> Database:
    """As ``open_file``, with sqlite-utils around it."""
    return Database(open_file(path, kind))


def _prepare(connection: sqlite3.Connection, synchronous: Synchronous) -> None:
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts only on an empty file
    _use_log(connection)
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("PRAGMA journal_size_limit = 16777216")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")


def _use_log(connection: sqlite3.Connection) -> None:
    """Of two that change a new file's mode SQLite refuses one at once, and does not wait."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _migrate(database: Database, kind: Kind, path: Path) -> None:
    """Apply the missing steps in one transaction: of two openers at once, one waits."""
    if refuse_strangers(database.conn, kind, path):
        with immediate(database.conn):
            _steps(kind).apply(database)


def _steps(kind: Kind) -> Migrations:
    steps = Migrations(f"replicator.{kind}")
    for step in step_files(kind):
        steps(name=step.stem)(_step(step.stem, step.read_text("utf-8")))
    return steps


def _step(name: str, sql: str):  # type: ignore[no-untyped-def]  # sqlite-utils' protocol is private
    def apply(database: Database) -> None:
        for statement in statements(sql):
            database.conn.execute(statement)

    apply.__name__ = name
    return apply


def statements(sql: str) -> Iterator[str]:
    """The statements of a script, so that each runs inside the migration's own transaction."""
    pending = ""
    for line in sql.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


@contextmanager
def immediate(connection: sqlite3.Connection) -> Iterator[None]:
    """One write transaction: committed at the end, rolled back on any error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
