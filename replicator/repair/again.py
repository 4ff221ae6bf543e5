"""Sending settled rows again: chosen from the outbox, put before the flow of one destination.

Rows are put there in ship's role (outbox.orders), so nothing is under way meanwhile.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from itertools import islice

import orjson

from replicator.change import Value
from replicator.errors import OutboxBusy
from replicator.outbox.deliveries import Deliveries
from replicator.outbox.journal import Deed, record
from replicator.outbox.reader import OutboxReader
from replicator.outbox.resends import Resends
from replicator.outbox.store import immediate, translated
from replicator.repair.latest import Latest, Matches
from replicator.sink.lanes import Lanes

_ENTRIES_A_STEP = 5_000


@dataclass(frozen=True, slots=True)
class Again:
    """What is sent again, and what can't be.

    ``rows``       chosen
    ``parked``     keys left alone, since their latest version is parked
    ``waiting``    rows behind the cursor that come anyhow
    ``held_since`` commit time of the first entry held, ISO 8601, UTC; "" where there is none
    ``expired``    entries before it that are no longer held
    """

    rows: int
    parked: int
    waiting: int
    held_since: str
    expired: int


def of_house(outbox: OutboxReader, house: int, start: str, end: str) -> Matches:
    """Stream rows of a house with start ≤ time < end (ISO 8601, UTC, no zone)."""
    lanes = Lanes(outbox.reference)
    lane = f"house:{house}"

    def matches(table: str, values: Mapping[str, Value]) -> bool:
        time = values.get("time")
        return (
            table in ("Reading", "NodeState")
            and isinstance(time, str)
            and start <= time < end
            and lanes.of(table, values) == lane
        )

    return matches


def send_again(
    outbox: OutboxReader,
    deliveries: Deliveries,
    matches: Matches,
    deed: Deed | None,
    role: AbstractContextManager[None] | None = None,
) -> Again:
    """Choose rows, and have them sent before the flow; without a ``deed`` to record only look.

    ``role``  taken when all has been looked through but what ship settled meanwhile; None: the
              caller has it already. Raises OutboxBusy when the cursor went back meanwhile.
    """
    with closing(Latest(matches)) as latest:
        seen = deliveries.cursor().seq
        latest.look_through(outbox.entries(0), seen)
        with role or nullcontext():
            cursor = deliveries.cursor()
            if cursor.seq < seen:
                raise OutboxBusy(
                    "the cursor was moved back meanwhile", f"to entry {cursor.seq}", "try again"
                )
            latest.look_through(outbox.entries(seen), cursor.seq)
            parked = latest.leave(_parked(deliveries))
            rows = latest.count()
            if deed is not None and rows:
                _put(deliveries, latest, deed, rows)
    first, last = outbox.bounds()
    waiting = max(0, outbox.row_total_at(last) - cursor.row_total) if last else 0
    return Again(rows, parked, waiting, outbox.held_since(), max(0, first - 1))


def _put(deliveries: Deliveries, latest: Latest, deed: Deed, rows: int) -> None:
    """In one transaction: all of them, or none."""
    connection: sqlite3.Connection = deliveries.database.conn
    resends = Resends(deliveries.database, deliveries.path)
    with translated(deliveries.path), immediate(connection):
        found = latest.entries()
        while page := dict(islice(found, _ENTRIES_A_STEP)):
            resends.add(page)
        record(connection, deed, rows)


def _parked(deliveries: Deliveries) -> Iterator[tuple[str, list[Value]]]:
    rows = deliveries.database.conn.execute(
        "SELECT table_name, key FROM parked WHERE kind != 'superseded'"
    )
    for table, key in rows:
        yield table, orjson.loads(key)
