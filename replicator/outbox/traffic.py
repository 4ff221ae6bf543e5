"""What delivery cost on the link, day by day, in one <destination>.db. Ship is its writer."""

from __future__ import annotations

import sqlite3
from datetime import date, timedelta
from pathlib import Path

from sqlite_utils import Database

from replicator.outbox.store import immediate, translated

_KEPT = timedelta(days=60)
_ADD = """
INSERT INTO traffic (day, bytes) VALUES (?, ?)
ON CONFLICT (day) DO UPDATE SET bytes = bytes + excluded.bytes
"""


class Traffic:
    """Bytes by day (UTC)."""

    def __init__(self, database: Database, path: Path) -> None:
        self._connection: sqlite3.Connection = database.conn
        self._path = path

    def spent(self, day: date) -> int:
        """Bytes of that day."""
        with translated(self._path):
            row = self._connection.execute(
                "SELECT bytes FROM traffic WHERE day = ?", (day.isoformat(),)
            ).fetchone()
        return row[0] if row else 0

    def add(self, day: date, size: int) -> None:
        """Durable when it returns. Raises OutboxFull, OutboxBusy."""
        with translated(self._path), immediate(self._connection):
            self._connection.execute(_ADD, (day.isoformat(), size))
            self._connection.execute(
                "DELETE FROM traffic WHERE day < ?", ((day - _KEPT).isoformat(),)
            )
