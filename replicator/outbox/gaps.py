"""Gaps: stretches of the source's log that can no longer be read. Recorded, shown, healed."""

from __future__ import annotations

from sqlite_utils import Database

from replicator.change import Position
from replicator.outbox.clock import Clock, text
from replicator.outbox.clock import now as wall_clock
from replicator.outbox.store import OUTBOX_FILE, translated


def record_gap(database: Database, last: Position, reason: str, clock: Clock = wall_clock) -> None:
    """Note that the log cannot be read on from ``last``; once, however often it is found."""
    with translated(OUTBOX_FILE):
        open_gap = database.conn.execute(
            "SELECT 1 FROM gap WHERE last_position = ? AND next_position IS NULL", (str(last),)
        ).fetchone()
        if open_gap is None:
            database.conn.execute(
                "INSERT INTO gap (found_at, last_position, reason) VALUES (?, ?, ?)",
                (text(clock()), str(last), reason),
            )


def resume_after_gap(database: Database, at: Position) -> None:
    """Capture goes on from ``at``; the snapshot that follows reads what the gap hides."""
    with translated(OUTBOX_FILE):
        database.conn.execute(
            "UPDATE gap SET next_position = ? WHERE next_position IS NULL", (str(at),)
        )


def close_gaps(database: Database, clock: Clock = wall_clock) -> None:
    """The snapshot after the gaps is complete."""
    with translated(OUTBOX_FILE):
        database.conn.execute(
            "UPDATE gap SET healed_at = ? WHERE healed_at IS NULL AND next_position IS NOT NULL",
            (text(clock()),),
        )
