"""Failed attempts: kept with where the cursor was, a bounded number, in nobody's way."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timezone
from pathlib import Path

from replicator.outbox.attempts import ATTEMPTS_KEPT, Attempts
from replicator.outbox.deliveries import Cursor, Deliveries

AT = datetime(2026, 3, 1, tzinfo=timezone.utc)


def test_the_last_thousand_are_kept(tmp_path: Path) -> None:
    deliveries = Deliveries(tmp_path, "home", "NORMAL")
    deliveries.rewind(Cursor(7, 3, "p", 40))
    attempts = Attempts(deliveries.database, deliveries.path)
    for number in range(ATTEMPTS_KEPT + 5):
        attempts.keep(AT, "waiting", f"{number}", 0.5)
    rows = deliveries.database.conn.execute("SELECT seq, row_index, why FROM attempt").fetchall()
    assert len(rows) == ATTEMPTS_KEPT
    assert (rows[0], rows[-1]) == ((7, 3, "5"), (7, 3, f"{ATTEMPTS_KEPT + 4}"))
    deliveries.close()


def test_a_lock_loses_the_note_and_no_more(tmp_path: Path) -> None:
    deliveries = Deliveries(tmp_path, "home")
    deliveries.database.conn.execute("PRAGMA busy_timeout = 1")
    attempts = Attempts(deliveries.database, deliveries.path)
    other = sqlite3.connect(deliveries.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    attempts.keep(AT, "waiting", "no link", 0.5)
    other.execute("COMMIT")
    attempts.keep(AT, "refused", "401", 0.5)
    assert other.execute("SELECT why FROM attempt").fetchall() == [("401",)]
    other.close()
    deliveries.close()
