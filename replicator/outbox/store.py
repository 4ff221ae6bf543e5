"""Opening the outbox's SQLite files: pragmas, migrations, errors.

A folder holds ``outbox.db`` (tail's) and ``<destination>.db`` (one for each destination's ship).
The schema is plain SQL, one file a step, in the package ``replicator.migrations``; sqlite-utils
records which steps a file has.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Literal

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from replicator.errors import OutboxBusy, OutboxError, OutboxFull

Kind = Literal["outbox", "destination"]
Synchronous = Literal["FULL", "NORMAL"]

OUTBOX_FILE = "outbox.db"
_BUSY_SECONDS = 5.0
_MAKING_SECONDS = 2.0
_PAGE_BYTES = 4096


def destination_file(name: str) -> str:
    """File name of a destination's deliveries; configuration allows only names fit for one."""
    return f"{name}.db"


def open_store(path: Path, kind: Kind, synchronous: Synchronous = "FULL") -> Database:
    """Open for writing; create and migrate as needed.

    Raises OutboxError when the file is damaged, not ours, or written by a newer version, and
    OutboxFull when there is no room to create it.
    """
    with translated(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            path,
            timeout=_BUSY_SECONDS,
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
    """Open for reading only, while its writer runs or not.

    Raises OutboxError when the file is missing, damaged, or not of this version.
    """
    if not path.exists():
        raise OutboxError(
            "there is no such outbox file", str(path), "run `replicator migrate` or start tail"
        )
    with translated(path):
        connection = connect_readonly(path)
        try:
            database = Database(connection)
            _await_tables(database)
            _refuse_strangers(database, kind, path)
            _refuse_older(database, kind, path)
        except BaseException:
            connection.close()
            raise
    return database


def connect_readonly(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing, whatever the file's schema. Raises sqlite3.Error.

    Also where SQLite cannot put its shared memory beside the file (a read-only disk): then nobody
    writes there, and without a log of writes the file is whole by itself.
    """
    address = f"{path.absolute().as_uri()}?mode=ro"
    try:
        return _connected(address)
    except sqlite3.OperationalError:
        if os.access(path.parent, os.W_OK) or path.with_name(f"{path.name}-wal").exists():
            raise
        return _connected(f"{address}&immutable=1")


def _connected(address: str) -> sqlite3.Connection:
    connection = sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _await_tables(database: Database) -> None:
    """A file without a table is being made right now: its tables come in one transaction."""
    deadline = time.monotonic() + _MAKING_SECONDS
    while not database.table_names() and time.monotonic() < deadline:
        time.sleep(0.02)


def _prepare(connection: sqlite3.Connection, synchronous: Synchronous) -> None:
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts only on an empty file
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("PRAGMA journal_size_limit = 16777216")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")


def _migrate(database: Database, kind: Kind, path: Path) -> None:
    """Apply the missing steps in one transaction: of two openers at once, one waits."""
    _refuse_strangers(database, kind, path)
    if _steps(kind).pending(database):
        with immediate(database.conn):
            _steps(kind).apply(database)


def _refuse_strangers(database: Database, kind: Kind, path: Path) -> None:
    steps = _steps(kind)
    known = {step.name for step in steps.pending(database)} | _names(kind)
    newer = sorted(step.name for step in steps.applied(database) if step.name not in known)
    if newer:
        raise OutboxError(
            "the outbox was written by a newer version of replicator",
            f"{path} has the migration{'s' if len(newer) > 1 else ''} {', '.join(newer)}",
            "install that version or newer; this one leaves the file untouched",
        )
    if database.table_names() and not steps.applied(database):
        raise OutboxError(
            f"this SQLite file is not {'an outbox' if kind == 'outbox' else 'a destination file'}",
            str(path),
            "point [outbox] path at a folder of its own",
        )


def _refuse_older(database: Database, kind: Kind, path: Path) -> None:
    if _steps(kind).pending(database):
        raise OutboxError("the outbox has an older schema", str(path), "run `replicator migrate`")


def _names(kind: Kind) -> set[str]:
    folder = files("replicator.migrations") / kind
    return {item.name[: -len(".sql")] for item in folder.iterdir() if item.name.endswith(".sql")}


def _steps(kind: Kind) -> Migrations:
    steps = Migrations(f"replicator.{kind}")
    for name in sorted(_names(kind)):
        sql = (files("replicator.migrations") / kind / f"{name}.sql").read_text("utf-8")
        steps(name=name)(_step(name, sql))
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
def translated(path: Path | str) -> Iterator[None]:
    """Turn sqlite3's and the file system's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error, path) from error
    except OSError as error:
        raise OutboxError(
            "the outbox folder cannot be used",
            f"{path}: {error.strerror}",
            "create it, or give it to the user that runs replicator: [outbox] path",
        ) from error


def translate(error: sqlite3.Error, path: Path | str) -> OutboxError:
    """Our error for one of sqlite3's, by its text (Python 3.10 has no error codes)."""
    text = str(error)
    if "disk is full" in text or "disk I/O error" in text:
        return OutboxFull(
            "the outbox has no room, or its disk fails",
            f"{path}: {text}",
            "free space on that disk; capture goes on from the binlog by itself",
        )
    if "locked" in text:
        return OutboxBusy(
            "the outbox is locked by another process",
            f"{path}: {text}",
            "end the process that holds it (an open sqlite3 shell?) and start again",
        )
    if "unable to open" in text:
        return OutboxError(
            "the outbox's file cannot be opened or made",
            f"{path}: {text}",
            "free space on that disk, or give the folder to the user that runs replicator",
        )
    return OutboxError(
        "the outbox cannot be used",
        f"{path}: {text}",
        "if it is damaged, move it away; a new one starts with a fresh snapshot",
    )


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
