"""The station's side: its own tables, read in chunks, in the form that the centre would have.

The tables are the truth: the outbox's entries expire, and the log's changes do not say what was
there before. What waits or is parked for the destination is told apart, row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Protocol

from replicator.audit.digest import Digester, Key, Tally
from replicator.audit.pending import Pending
from replicator.audit.places import Chart
from replicator.change import Row, Value
from replicator.model import TABLES
from replicator.source.ranges import EVERYTHING, Window
from replicator.source.snapshot import Chunk

_CHUNK = 5_000
NO_IDENTITY = ("rejected", "null-key")

RowKey = tuple[Value, ...]


class Tables(Protocol):
    """The station's tables by primary key: see source.snapshot.SnapshotReader."""

    def read(
        self,
        table: str,
        after: tuple[Value, ...] | None,
        limit: int,
        *,
        window: Window = EVERYTHING,
    ) -> Chunk: ...


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows of one table to add up at a level of audit.digest.

    ``since`` ≤ time < ``until``, ISO 8601; ``nodes`` None: all; ``types`` None: all.
    ``places``  indexes into the chart: readings there only
    """

    table: str
    level: str
    since: str | None = None
    until: str | None = None
    nodes: Sequence[int] | None = None
    types: Sequence[int] | None = None
    places: Sequence[int] = ()


@dataclass(slots=True)
class Sums:
    """``due``: what the destination must have. ``excused``: what waits or is parked.

    ``reasons``  how many rows for each (kind, reason) of the excused
    """

    due: Mapping[Key, Tally]
    excused: Mapping[Key, Tally]
    reasons: dict[tuple[str, str], int] = field(default_factory=dict)


class Station:
    """``chart``: every place. ``progress`` is told how many rows were read, now and then."""

    def __init__(
        self,
        tables: Tables,
        chart: Chart,
        pending: Pending,
        progress: Callable[[int], None],
    ) -> None:
        self._tables = tables
        self._chart = chart
        self._pending = pending
        self._progress = progress
        self.nodes: set[int] = set()

    def local_rows(self, table: str, window: Window = EVERYTHING) -> Iterator[list[Row]]:
        """Chunks of rows with the model's columns, as the station has them.

        A node state's id stands behind its other cells. Raises the errors of source.snapshot.
        """
        wanted = (*TABLES[table].columns, *(() if table == "Reading" else ("id",)))
        after: tuple[Value, ...] | None = None
        while True:
            chunk = self._tables.read(table, after, _CHUNK, window=window)
            if chunk.change is not None:
                pick = itemgetter(*map(chunk.change.columns.index, wanted))
                self._progress(len(chunk.change.rows))
                yield list(map(pick, chunk.change.rows))
            if chunk.done:
                return
            after = chunk.last_key

    def rows(self, table: str, window: Window = EVERYTHING) -> Iterator[list[Row]]:
        """The same, locations in the destination's ids."""
        there = self._chart.there
        for chunk in self.local_rows(table, window):
            if table == "Reading":
                yield [(*row[:3], there(row[3]), row[4]) for row in chunk]
            else:
                yield chunk

    def sums(self, asked: Stretch) -> Sums:
        """What the destination must have and what it need not have yet, in groups."""
        table = asked.table
        places = None
        if table == "Reading":
            places = [self._chart.places[index].stands_for for index in asked.places]
        due, excused = Digester(table, asked.level, places), Digester(table, asked.level, places)
        reasons: dict[tuple[str, str], int] = {}
        inside = None if places is None else {location for part in places for location in part}
        window = Window(asked.since, asked.until, asked.nodes)
        for chunk in self.rows(table, window):
            kept = [row for row in chunk if _is_asked_for(row, asked, inside)]
            self.nodes.update(row[1] for row in kept if isinstance(row[1], int))
            parted = self._parted(table, kept, reasons)
            for digester, rows in zip((due, excused), parted, strict=True):
                digester.add(rows)
        return Sums(_at_places(due.tallies(), asked), _at_places(excused.tallies(), asked), reasons)

    def _parted(
        self, table: str, rows: Sequence[Row], reasons: dict[tuple[str, str], int]
    ) -> tuple[list[Row], list[Row]]:
        """What the destination must have, what it need not; without ids, and rows without a key."""
        due: list[Row] = []
        excused: list[Row] = []
        state = table == "NodeState"
        may_hold = self._pending.may_hold
        for row in rows:
            why = None
            if state and None in row_key(table, row):
                reasons[NO_IDENTITY] = reasons.get(NO_IDENTITY, 0) + 1
                continue
            if may_hold(table, row[0], row[1]):
                why = self._pending.excuse(table, row_key(table, row))
            if why is not None:
                reasons[why.kind, why.reason] = reasons.get((why.kind, why.reason), 0) + 1
            (due if why is None else excused).append(row[:-1] if state else row)
        return due, excused

    def by_key(
        self, table: str, window: Window, kind: int | None = None
    ) -> dict[RowKey, list[Row]]:
        """Rows by natural key; several where the station has one identity twice."""
        found: dict[RowKey, list[Row]] = {}
        for chunk in self.rows(table, window):
            for row in chunk:
                key = row_key(table, row)
                if None not in key and (kind is None or table != "Reading" or key[2] == kind):
                    found.setdefault(key, []).append(row)
        return found


def row_key(table: str, row: Row) -> RowKey:
    """Time, node, and type or sequence number, of a row with the model's columns."""
    return (row[0], row[1], row[2] if table == "Reading" else row[4])


def _is_asked_for(row: Row, asked: Stretch, inside: set[int | None] | None) -> bool:
    if inside is None:
        return True
    return row[3] in inside and (asked.types is None or row[2] in asked.types)


def _at_places(tallies: Mapping[Key, Tally], asked: Stretch) -> Mapping[Key, Tally]:
    """Groups by place get the chart's index for that of the list that was asked for."""
    if asked.table != "Reading" or asked.level not in ("month", "day", "node"):
        return tallies
    return {(asked.places[int(place)], *rest): tally for (place, *rest), tally in tallies.items()}
