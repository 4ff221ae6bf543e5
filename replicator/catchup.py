"""What tail reads beside the log: the snapshot, the comparison after a gap, marks while it is idle.

Why a snapshot without locks or watermarks converges to the source: docs/snapshot.md; why comparing
does, and what marks are: docs/gaps.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from replicator.change import Change, Position
from replicator.contract import Outbox
from replicator.errors import PositionLost
from replicator.healing import Chunk, Comparison
from replicator.healing import Tables as Comparable
from replicator.marking import Marker, Ranges
from replicator.model import TABLES
from replicator.outbox.clock import Clock
from replicator.outbox.gaps import close_gaps, record_gap
from replicator.outbox.known import KnownRows
from replicator.outbox.marks import Marks
from replicator.outbox.place import Healing, SnapshotPlace
from replicator.outbox.writer import OutboxWriter
from replicator.remedy import Beginning, Finder, begin, look
from replicator.source.loss import Loss

_TABLE_ORDER = tuple(TABLES)


class Tables(Comparable, Finder, Ranges, Protocol):
    """The source's tables."""

    def close(self) -> None:
        """End the connection."""


class TableSource(Protocol):
    """The station's database beside its log."""

    def now(self) -> Position:
        """Where the log ends."""

    def tables(self) -> Tables:
        """Read the tables."""

    def assess(self, start: Position) -> Loss:
        """What became of the log that a position is in."""


@dataclass(frozen=True, slots=True)
class Reading:
    """``automatic``: heal without being asked where that is safe; rows of a chunk, of a mark."""

    chunk_rows: int
    mark_rows: int
    automatic: bool


class FirstReading:
    """Reads the tables once, from their beginning to their end, into any outbox."""

    def __init__(self, source: TableSource, outbox: Outbox, chunk_rows: int) -> None:
        self._source = source
        self._outbox = outbox
        self._rows = chunk_rows
        self._tables: Tables | None = None

    def begin_snapshot(self) -> SnapshotPlace:
        """Where a first snapshot begins."""
        return SnapshotPlace(_TABLE_ORDER[0])

    def read_chunk(self) -> int:
        """The next chunk of the snapshot under way, durably; its rows."""
        place = self._outbox.snapshot
        if place is None or self._outbox.inside_transaction:
            return 0
        self._tables = self._tables or self._source.tables()
        chunk = self._tables.read(place.table, place.after, self._rows)
        following = _next_place(place, chunk)
        self._outbox.append_snapshot(chunk.change, following)
        if following is None:
            self.close()
        return 0 if chunk.change is None else len(chunk.change.rows)

    def mark(self) -> None:
        """Nothing here remembers what tables held."""

    def lost(self, lost: PositionLost) -> str:
        """Raises PositionLost: what was captured is not here to be compared with the tables."""
        raise PositionLost(
            lost.message,
            lost.detail,
            "is this the station's database, as it should be? Then `replicator heal --everything`"
            " goes on from the log's present end and reads all tables again; rows that it no longer"
            " has stay at the destinations",
        ) from lost

    def reset(self) -> None:
        """After an error: nothing that is not durable counts."""
        self.close()

    def close(self) -> None:
        """End the connection."""
        if self._tables is not None:
            self._tables.close()
            self._tables = None


class CatchUp:
    """Reads tables on a connection that is open only while it is needed."""

    def __init__(
        self,
        source: TableSource,
        writer: OutboxWriter,
        reading: Reading,
        clock: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        self._source = source
        self._writer = writer
        self._reading = reading
        self._clock = clock
        self._tables: Tables | None = None
        self._comparison: Comparison | None = None
        self._known: KnownRows | None = None
        self.marks = Marks(writer.database, clock)
        self._marker = Marker(self.marks, reading.mark_rows, monotonic)

    def begin_snapshot(self) -> SnapshotPlace:
        """Where a first snapshot begins."""
        return SnapshotPlace(_TABLE_ORDER[0])

    def read_chunk(self) -> int:
        """The next chunk of the snapshot or comparison under way, durably; its rows."""
        place = self._writer.snapshot
        if place is None or self._writer.inside_transaction:
            return 0
        if place.healing is not None:
            return self._compare(place, place.healing)
        chunk = self._open().read(place.table, place.after, self._reading.chunk_rows)
        changes = [chunk.change] if chunk.change is not None else []
        return self._append(changes, _next_place(place, chunk), None)

    def _compare(self, place: SnapshotPlace, healing: Healing) -> int:
        if self._comparison is None:
            self._writer.flush()
            self.marks.fold()
            self._known = KnownRows(self._writer.database, healing.known_seq)
            rows = self._reading.chunk_rows
            self._comparison = Comparison(self._open(), self._known, self.marks, rows)
        found = self._comparison.step(place)
        return self._append(found.changes, found.place, found.done)

    def _append(
        self, changes: Sequence[Change], following: SnapshotPlace | None, done: Healing | None
    ) -> int:
        if following is not None:
            self._writer.append_read(changes, following)
        else:
            self._writer.append_read(
                changes, None, lambda: close_gaps(self._writer.database, self._clock, done)
            )
            self.close()
        return sum(len(change.rows) for change in changes)

    def mark(self) -> None:
        """Sum up a range of a table; called where capture is up to date and has time."""
        if not self._marker.due or self._writer.snapshot is not None:
            return
        if self._writer.grouped_rows or self._writer.inside_transaction:
            return
        assert self._writer.position is not None
        if not self._marker.step(self._writer.position, self._open()):
            self.close()

    def lost(self, lost: PositionLost) -> str:
        """Record the gap and begin to heal it where that is wanted and safe; what was done.

        Raises PositionLost, with what `replicator heal` would do, where it is not.
        """
        position = self._writer.position
        assert position is not None
        record_gap(self._writer.database, position, str(lost), self._clock)
        found = look(self._writer, self._source.assess(position), self._open())
        record_gap(self._writer.database, position, str(lost), self._clock, found.kind)
        if not self._reading.automatic or not found.automatic:
            raise found.asked(lost) from lost
        plan = Beginning(self._source.now(), str(lost), found.kind, "automatic", found.deletes)
        begin(self._writer, self.marks, plan)
        return f"a gap ({found.kind}) is being healed: {lost.message}; {found.found}"

    def _open(self) -> Tables:
        self._tables = self._tables or self._source.tables()
        return self._tables

    def reset(self) -> None:
        """After an error: nothing that is not durable counts."""
        self.close()
        self._marker.reset()

    def close(self) -> None:
        """End the connection."""
        for opened in (self._tables, self._known):
            if opened is not None:
                opened.close()
        self._tables = self._known = self._comparison = None


def _next_place(place: SnapshotPlace, chunk: Chunk) -> SnapshotPlace | None:
    if not chunk.done:
        return SnapshotPlace(place.table, chunk.last_key)
    following = _TABLE_ORDER.index(place.table) + 1
    if following == len(_TABLE_ORDER):
        return None
    return SnapshotPlace(_TABLE_ORDER[following])
