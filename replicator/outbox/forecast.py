"""The last forecast of when the source may purge what is unread: one row, for people."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import datetime

from sqlite_utils import Database

from replicator.outbox.clock import text

_SAVE = """
INSERT INTO forecast (id, looked_at, unread_bytes, safe_until, rule) VALUES (1, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET looked_at = excluded.looked_at,
  unread_bytes = excluded.unread_bytes, safe_until = excluded.safe_until, rule = excluded.rule
"""


def save_forecast(
    database: Database, looked_at: datetime, unread: int, safe_until: datetime | None, rule: str
) -> None:
    """Replace it. A full disk or a lock loses it to the next minute's, and stops nobody."""
    until = text(safe_until) if safe_until else None
    with contextlib.suppress(sqlite3.OperationalError):
        database.conn.execute(_SAVE, (text(looked_at), unread, until, rule))
