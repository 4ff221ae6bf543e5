"""Attempts to deliver that failed: kept for people, a bounded number."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import datetime
from pathlib import Path

from sqlite_utils import Database

from replicator.errors import OutboxError
from replicator.outbox.clock import text
from replicator.outbox.store import immediate, translated

ATTEMPTS_KEPT = 1_000

_INSERT = """
INSERT INTO attempt (at, seq, row_index, state, why, seconds)
SELECT ?, seq, row_index, ?, ?, ? FROM cursor
"""
_BOUND = "DELETE FROM attempt WHERE id <= (SELECT max(id) FROM attempt) - ?"


class Attempts:
    """Writes to one <destination>.db; the caller is its ship."""

    def __init__(self, database: Database, path: Path) -> None:
        self._connection: sqlite3.Connection = database.conn
        self._path = path

    def keep(self, at: datetime, state: str, why: str, seconds: float) -> None:
        """Note that an attempt failed.

        A full disk or a lock loses the note and stops nobody: the log has the attempt as well.
        """
        with (
            contextlib.suppress(OutboxError),
            translated(self._path),
            immediate(self._connection),
        ):
            self._connection.execute(_INSERT, (text(at), state, why, seconds))
            self._connection.execute(_BOUND, (ATTEMPTS_KEPT,))
