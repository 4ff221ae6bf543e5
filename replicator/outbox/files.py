"""The outbox's SQLite files by name, opened for reading only, and SQLite's errors as ours.

Small on purpose: what a command needs that only looks, without the tools that make and change
files (``store``).
"""

from __future__ import annotations

import importlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from replicator.errors import OutboxBusy, OutboxError, OutboxFull

Kind = Literal["outbox", "destination"]

OUTBOX_FILE = "outbox.db"
BUSY_SECONDS = 5.0
_MAKING_SECONDS = 2.0
_APPLIED = "SELECT name FROM _sqlite_migrations WHERE migration_set = ? ORDER BY id"


def destination_file(name: str) -> str:
    """File name of a destination's deliveries; configuration allows only names fit for one."""
    return f"{name}.db"


def step_files(kind: Kind) -> Sequence[Path]:
    """The steps of a file's schema, in order: one SQL script each, named as recorded in a file."""
    package = importlib.import_module("replicator.migrations")
    folder = Path(next(iter(package.__path__))) / kind
    return sorted(folder.glob("*.sql"))


def open_file(
    path: Path, kind: Kind, older: Callable[[sqlite3.Connection, Kind], None] | None = None
) -> sqlite3.Connection:
    """Open for reading only, while its writer runs or not.

    ``older``  makes a file of an older version readable as one of this (outbox.older)
    Raises OutboxError when the file is missing, damaged, or not of this version.
    """
    if not path.exists():
        raise OutboxError(
            "there is no such outbox file", str(path), "run `replicator migrate` or start tail"
        )
    with translated(path):
        connection = connect_readonly(path)
        try:
            made = _await_tables(connection)
            missing = refuse_strangers(connection, kind, path)
            if missing and older is not None:
                older(connection, kind)
            else:
                _refuse_older(missing, path, made=made)
        except BaseException:
            connection.close()
            raise
    return connection


def bytes_used(folder: Path, connection: sqlite3.Connection) -> int:
    """Bytes in use: live pages of outbox.db, and every other file of the folder as it lies there.

    Free pages inside outbox.db do not count: the next entries go there.
    """
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    others = sum(file_size(path) for path in folder.iterdir() if path.name != OUTBOX_FILE)
    return int((pages - free) * size + others)


def file_size(path: Path) -> int:
    """Bytes of a file; 0 for anything else."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:  # a -wal or -shm file that its process removed just now
        return 0


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
    connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _await_tables(connection: sqlite3.Connection) -> bool:
    """A file without a table is being made right now: its tables come in one transaction."""
    deadline = time.monotonic() + _MAKING_SECONDS
    while not (made := has_tables(connection)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return made


def has_tables(connection: sqlite3.Connection, name: str = "%") -> bool:
    """Whether there is a table of that name, or any."""
    sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name LIKE ? LIMIT 1"
    return connection.execute(sql, (name,)).fetchone() is not None


def refuse_strangers(connection: sqlite3.Connection, kind: Kind, path: Path) -> list[str]:
    """The steps that a file lacks. Raises OutboxError where it is newer, or not ours."""
    used = has_tables(connection)  # first: they come together with the record of the steps
    applied: list[str] = []
    if has_tables(connection, "_sqlite_migrations"):
        found = connection.execute(_APPLIED, (f"replicator.{kind}",)).fetchall()
        applied = [name for (name,) in found]
    known = [step.stem for step in step_files(kind)]
    newer = sorted(set(applied) - set(known))
    if newer:
        raise OutboxError(
            "the outbox was written by a newer version of replicator",
            f"{path} has the migration{'s' if len(newer) > 1 else ''} {', '.join(newer)}",
            "install that version or newer; this one leaves the file untouched",
        )
    if used and not applied:
        raise OutboxError(
            f"this SQLite file is not {'an outbox' if kind == 'outbox' else 'a destination file'}",
            str(path),
            "point [outbox] path at a folder of its own",
        )
    return [name for name in known if name not in applied]


def _refuse_older(missing: Sequence[str], path: Path, *, made: bool) -> None:
    if not made:
        raise OutboxError(
            "this file of the outbox was begun and has no tables yet",
            str(path),
            "start tail or ship, or run `replicator migrate`: they go on with it",
        )
    if missing:
        raise OutboxError("the outbox has an older schema", str(path), "run `replicator migrate`")


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
