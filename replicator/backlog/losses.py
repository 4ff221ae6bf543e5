"""What of the source's log is lost, and when more of it may be."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from replicator.backlog.values import Forecast, Gap
from replicator.outbox.clock import parse
from replicator.outbox.place import Healing, SnapshotPlace

_GAPS = """
SELECT kind, how, found_at, last_position, reason, next_position, healed_at,
       rows_compared, rows_read, rows_deleted, rows_kept, rows_unnamed FROM gap ORDER BY id
"""


def gaps_of(connection: sqlite3.Connection) -> list[Gap]:
    """All gaps of an outbox, oldest first."""
    row = connection.execute("SELECT snapshot FROM capture").fetchone()
    place = SnapshotPlace.from_json(row[0]) if row else None
    healing = place.healing if place is not None else None
    return [_gap(row, healing) for row in connection.execute(_GAPS)]


def _gap(row: Sequence[Any], healing: Healing | None) -> Gap:
    kind, how, found_at, last, reason, following, healed_at, *counts = row
    state = "healed" if healed_at else "healing" if following else "open"
    if state == "healing" and healing is not None:
        counts = [healing.compared, healing.read, healing.deleted, healing.kept, healing.unnamed]
    return Gap(state, kind, how, found_at, last, reason, following, healed_at, *counts)


def forecast_of(connection: sqlite3.Connection, at: datetime) -> Forecast | None:
    """As tail saw it last, counted from now; None where it has not looked."""
    row = connection.execute(
        "SELECT looked_at, unread_bytes, safe_until, rule FROM forecast"
    ).fetchone()
    if row is None:
        return None
    looked_at, unread, until, rule = row
    seconds = (parse(until) - at).total_seconds() if until else None
    return Forecast(looked_at, unread, until, seconds, rule)
