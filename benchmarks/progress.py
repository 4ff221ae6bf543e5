"""How far tail and ship have come, read from their files while they run."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def captured(outbox: Path) -> int:
    """Rows captured ever; 0 before the snapshot is complete."""
    return _number(outbox / "outbox.db", "SELECT row_total FROM capture WHERE snapshot IS NULL")


def outbox_rows(outbox: Path) -> int:
    """Rows captured ever, also while the snapshot is under way."""
    return _number(outbox / "outbox.db", "SELECT row_total FROM capture")


def settled(outbox: Path, destination: str = "central") -> int:
    """Rows settled ever."""
    return _number(outbox / f"{destination}.db", "SELECT row_total FROM cursor")


def _number(file: Path, sql: str) -> int:
    """0 for a file that is not there, or not filled, yet."""
    if not file.exists():
        return 0
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        try:
            row = connection.execute(sql).fetchone()
        except sqlite3.OperationalError:  # its tables are being made
            return 0
    return int(row[0]) if row else 0
