"""Gaps: stretches of the source's log that can no longer be read. Recorded, shown, healed."""

from __future__ import annotations

from sqlite_utils import Database

from replicator.change import Position
from replicator.outbox.clock import Clock, text
from replicator.outbox.clock import now as wall_clock
from replicator.outbox.place import Healing
from replicator.outbox.store import OUTBOX_FILE, translated

_CLOSE = """
UPDATE gap SET healed_at = ?, rows_compared = ?, rows_read = ?, rows_deleted = ?, rows_kept = ?,
  rows_unnamed = ?
WHERE healed_at IS NULL AND next_position IS NOT NULL
"""


def record_gap(
    database: Database,
    last: Position,
    reason: str,
    clock: Clock = wall_clock,
    kind: str = "unknown",
) -> None:
    """Note that the log cannot be read on from ``last``; once, however often it is found.

    ``kind``: as docs/gaps.md names them; unknown where nobody has looked.
    """
    with translated(OUTBOX_FILE):
        open_gap = database.conn.execute(
            "SELECT id FROM gap WHERE last_position = ? AND next_position IS NULL", (str(last),)
        ).fetchone()
        if open_gap is None:
            database.conn.execute(
                "INSERT INTO gap (found_at, last_position, reason, kind) VALUES (?, ?, ?, ?)",
                (text(clock()), str(last), reason, kind),
            )
        elif kind != "unknown":
            database.conn.execute("UPDATE gap SET kind = ? WHERE id = ?", (kind, open_gap[0]))


def resume_after_gap(database: Database, at: Position, how: str = "by hand") -> None:
    """Capture goes on from ``at``; the reading that follows finds what the gap hides."""
    with translated(OUTBOX_FILE):
        database.conn.execute(
            "UPDATE gap SET next_position = ?, how = ? WHERE next_position IS NULL", (str(at), how)
        )


def close_gaps(
    database: Database, clock: Clock = wall_clock, healing: Healing | None = None
) -> None:
    """The tables were read, or compared, to their end since capture went on."""
    done = healing or Healing(0, deletes=False)
    counts = (done.compared, done.read, done.deleted, done.kept, done.unnamed)
    with translated(OUTBOX_FILE):
        database.conn.execute(_CLOSE, (text(clock()), *counts))
