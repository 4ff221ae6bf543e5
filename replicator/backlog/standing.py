"""How a destination stands with people and its centre: what is parked, paused, acknowledged."""

from __future__ import annotations

import sqlite3

from replicator.backlog.values import Parked, Paused

# Both by an index alone: many rows may be parked, and they are large.
PARKED = """
SELECT kind, reason, count(*) AS rows, min(seq) FROM parked
 WHERE kind IN ('blocked', 'rejected') GROUP BY kind, reason ORDER BY rows DESC, reason LIMIT 100
"""
_FIRST_PARKED = """
SELECT detail, committed_at FROM parked WHERE kind = ? AND reason = ? AND seq = ?
 ORDER BY row_index LIMIT 1
"""


def parked_of(delivery: sqlite3.Connection) -> list[Parked]:
    """By reason, with the detail and the commit time of the row captured first."""
    found = []
    for kind, reason, rows, seq in delivery.execute(PARKED).fetchall():
        detail, oldest = delivery.execute(_FIRST_PARKED, (kind, reason, seq)).fetchone()
        found.append(Parked(kind, reason, detail, rows, oldest))
    return found


def paused_of(delivery: sqlite3.Connection) -> Paused | None:
    """The operator's pause, if there is one."""
    row = delivery.execute("SELECT paused_at, paused_by, paused_why FROM orders").fetchone()
    return Paused(*row) if row[0] is not None else None


def last_acknowledged_of(delivery: sqlite3.Connection) -> str | None:
    """When rows were last confirmed, as far as receipts are kept."""
    row = delivery.execute(
        "SELECT settled_at FROM receipt WHERE delivered > 0 ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return row[0] if row else None
