"""Settling what a destination has already, without sending it: once, before its first delivery.

The rules this file keeps:
  * only rows of a snapshot are settled so, and only where the centre's digest (the original: its
    count) of their house, node and day is that of exactly these rows; whatever else was captured,
    and all of a day of a node that the log has touched meanwhile, is sent;
  * the cursor goes on and the rows to be sent go before the flow in one transaction, in ship's
    role: a crash leaves all as it was, or all done.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import closing
from dataclasses import dataclass

from replicator.audit.digest import places_of
from replicator.audit.places import Chart
from replicator.change import Op, Value
from replicator.delivery import Entry
from replicator.model import STREAM_TABLES
from replicator.moving.groups import GroupKey, Groups
from replicator.moving.present import Presence
from replicator.outbox.deliveries import Cursor, Deliveries
from replicator.outbox.journal import Deed, record
from replicator.outbox.reader import OutboxReader
from replicator.outbox.resends import Resends
from replicator.outbox.store import immediate, translated
from replicator.repair.latest import Latest

Spot = tuple[str, int, str]  # table, node, day


@dataclass(frozen=True, slots=True)
class Captured:
    """Entries behind a cursor, up to ``last``. ``touched``: (table, node, day) in the log."""

    last: int
    rows: int
    groups: Groups
    touched: Set[Spot]


def captured(outbox: OutboxReader, after: int, chart: Chart) -> Captured:
    """What waits behind an entry, added up."""
    groups = Groups(chart)
    touched: set[Spot] = set()
    last, rows = after, 0
    with closing(outbox.entries(after)) as entries:
        for entry in entries:
            last, rows = entry.seq, rows + len(entry.rows)
            if entry.table not in STREAM_TABLES:
                continue
            if entry.op is Op.SNAPSHOT:
                groups.add(entry.table, entry.columns, entry.rows)
            else:
                touched.update(_spots(entry))
    return Captured(last, rows, groups, touched)


def _spots(entry: Entry) -> Iterator[Spot]:
    time, node = entry.columns.index("time"), entry.columns.index("nodeId")
    for row in entry.rows:
        yield _spot(entry.table, row[node], row[time])


def _spot(table: str, node: Value, time: Value) -> Spot:
    return (table, node if isinstance(node, int) else -1, str(time)[:10])


def settled_groups(
    found: Iterable[Presence], states: Set[str], touched: Set[Spot]
) -> frozenset[GroupKey]:
    """Groups that need not be sent: in one of these states, and untouched."""
    return frozenset(
        (each.table, each.place, each.node, each.day)
        for each in found
        if each.state in states and (each.table, each.node, each.day) not in touched
    )


def to_send(
    chart: Chart, settled: Set[GroupKey], *, by_count: bool
) -> Callable[[str, Mapping[str, Value]], bool]:
    """Whether a row has to be sent.

    ``by_count``  then a reading counts only where its location is mapped
    """
    place_of = places_of([place.stands_for for place in chart.places])

    def matches(table: str, values: Mapping[str, Value]) -> bool:
        if table not in STREAM_TABLES:
            return True
        there = chart.there(values.get("locationId"))
        if table == "Reading" and by_count and (there is None or there < 0):
            return True
        place = place_of.get(there, -1) if table == "Reading" else 0
        _, node, day = _spot(table, values.get("nodeId"), values.get("time"))
        return (table, place, node, day) not in settled

    return matches


def settle(
    outbox: OutboxReader,
    deliveries: Deliveries,
    seen: Captured,
    matches: Callable[[str, Mapping[str, Value]], bool],
    deed: Deed | None,
) -> int:
    """Move the cursor behind ``seen``; how many rows are sent. The caller plays ship's role.

    Without a ``deed`` to record it only looks.
    """
    connection: sqlite3.Connection = deliveries.database.conn
    resends = Resends(deliveries.database, deliveries.path)
    with closing(Latest(matches)) as latest, closing(outbox.entries(deliveries.cursor().seq)) as es:
        latest.look_through(es, seen.last)
        rows = latest.count()
        if deed is None or not seen.rows:
            return rows
        position = outbox.position_of(seen.last) or ""
        cursor = Cursor(seen.last, 0, position, outbox.row_total_at(seen.last))
        with translated(deliveries.path), immediate(connection):
            for seq, places in latest.entries():
                resends.add({seq: places})
            deliveries.advance(cursor)
            record(connection, deed, seen.rows - rows)
    return rows
