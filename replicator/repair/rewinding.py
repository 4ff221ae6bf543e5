"""Moving a destination's cursor back: everything behind the new place is sent again, in order.

Whoever calls ``rewind`` plays ship's role (outbox.orders), so nothing is under way meanwhile.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from replicator.errors import OutboxError
from replicator.outbox.deliveries import Cursor, Deliveries
from replicator.outbox.journal import Deed, record
from replicator.outbox.reader import OutboxReader
from replicator.outbox.store import immediate, translated
from replicator.repair.places import Back, ByPosition, BySeq, Target, back


@dataclass(frozen=True, slots=True)
class Rewind:
    """``rows``, ``entries``: settled, and sent again; ``missing``: what can't be, or ""."""

    cursor: Cursor
    entries: int
    rows: int
    missing: str
    held_since: str


def planned(outbox: OutboxReader, deliveries: Deliveries, target: Target) -> Rewind:
    """Where the cursor would go. Raises OutboxError when there is no such place, or not back."""
    now = deliveries.cursor()
    first, _ = outbox.bounds()
    wanted = _seq(outbox, target)
    found = back(wanted, now.seq, first)
    if found is None:
        raise OutboxError(
            "a cursor only goes back",
            f"it stands behind entry {now.seq}, not behind entry {wanted} or later",
            "nothing is skipped: rows that must not be sent are `replicator parked drop`'s",
        )
    return _rewind(outbox, now, found)


def _rewind(outbox: OutboxReader, now: Cursor, found: Back) -> Rewind:
    total = outbox.row_total_at(found.seq)
    position = outbox.position_of(found.seq) or ""
    return Rewind(
        Cursor(found.seq, 0, position, total),
        now.seq - found.seq,
        max(0, now.row_total - total),
        found.missing,
        outbox.held_since(),
    )


def _seq(outbox: OutboxReader, target: Target) -> int:
    if isinstance(target, BySeq):
        return target.seq
    if isinstance(target, ByPosition):
        found, said = outbox.last_at(target.written), target.written
    else:
        found, said = outbox.first_since(target.committed_at), target.committed_at
    if found is not None:
        return found if isinstance(target, ByPosition) else found - 1
    raise OutboxError(
        "no entry of the outbox is there",
        f"{said}; the first one held was committed {outbox.held_since() or 'never'}",
        "`--to` an entry's number, or an earlier time",
    )


def rewind(deliveries: Deliveries, plan: Rewind, deed: Deed) -> None:
    """Move the cursor back, on record; durable when it returns."""
    deliveries.rewind(plan.cursor)
    connection: sqlite3.Connection = deliveries.database.conn
    with translated(deliveries.path), immediate(connection):
        record(connection, deed, plan.rows)
