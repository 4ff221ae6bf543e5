"""The capture pipeline: source → outbox. One public ``step`` and a thin loop over it.

A step reads one chunk of the snapshot if one is under way, then what the log has, and makes whole
transactions durable. Whatever fails, capture falls back to the durable position and reads on from
there; the binlog is the overflow.

Why a snapshot without locks or watermarks converges to the source: docs/snapshot.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from replicator.change import Change, Commit, Event, Position, Rollback, Value
from replicator.errors import OutboxFull, PositionLost
from replicator.model import TABLES
from replicator.outbox.clock import Clock
from replicator.outbox.clock import now as wall_clock
from replicator.outbox.gaps import close_gaps, record_gap
from replicator.outbox.retention import acknowledged_by_all, expire, used_bytes
from replicator.outbox.writer import OutboxWriter, SnapshotPlace

_TABLE_ORDER = tuple(TABLES)


class Stream(Protocol):
    """The source's log from a position on."""

    def poll(self, max_wait: float, max_rows: int = ...) -> list[Event]:
        """What came, in order; [] when nothing came within ``max_wait`` seconds."""

    @property
    def pending(self) -> bool:
        """More is here already."""

    def close(self) -> None:
        """End the connection."""


class Chunk(Protocol):
    """Rows of one table behind a primary key."""

    @property
    def change(self) -> Change | None: ...
    @property
    def last_key(self) -> tuple[Value, ...] | None: ...
    @property
    def done(self) -> bool: ...


class Tables(Protocol):
    """The source's tables, read by primary key."""

    def read(self, table: str, after: tuple[Value, ...] | None, limit: int) -> Chunk:
        """The next chunk."""

    def close(self) -> None:
        """End the connection."""


class Source(Protocol):
    """How the pipeline reaches the station's database."""

    def now(self) -> Position:
        """Where the log ends."""

    def stream(self, start: Position) -> Stream:
        """Read the log from a position on."""

    def tables(self) -> Tables:
        """Read the tables."""


@dataclass(frozen=True, slots=True)
class TailSettings:
    """``destinations``: all configured ones; what one of them has not settled does not expire."""

    folder: Path
    destinations: Sequence[str]
    snapshot: bool = True
    snapshot_chunk: int = 1_000
    group_rows: int = 50_000
    save_idle_seconds: float = 10.0
    max_bytes: int = 2 << 30
    keep_seconds: float = 7 * 86_400.0
    housekeeping_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Captured:
    """What a step made durable: rows, and whether more waits right now."""

    rows: int
    busy: bool


class Tail:
    """Captures one source into one outbox. The caller holds the role's lock.

    ``announce``  called when rows have become durable
    """

    def __init__(
        self,
        source: Source,
        writer: OutboxWriter,
        settings: TailSettings,
        clock: Clock = wall_clock,
        monotonic: Callable[[], float] = time.monotonic,
        announce: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._writer = writer
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic
        self._announce = announce
        self._stream: Stream | None = None
        self._tables: Tables | None = None
        self._saved_at = monotonic()
        self._housekeeping_due = monotonic()

    @property
    def position(self) -> Position | None:
        """Everything before it is in the outbox or about to be."""
        return self._writer.position

    @property
    def snapshot(self) -> SnapshotPlace | None:
        """Where the snapshot stands; None when it is complete."""
        return self._writer.snapshot

    def connect(self) -> None:
        """Open the log, which shows whether it can still be read on. Raises as ``step``."""
        self._stream = self._stream or self._open()

    def step(self, max_wait: float = 0.5) -> Captured:
        """One round. Raises OutboxFull, SourceUnavailable, PositionLost, Unsupported, …;

        after any of them call ``fall_back`` before the next step.
        """
        self._keep_house()
        stream = self._stream or self._open()
        rows = self._read_chunk()
        events = stream.poll(0.0 if self._writer.snapshot else max_wait)
        for event in events:
            self._take(event)
        rows += self._flush(stream)
        if rows:
            self._announce()
        return Captured(rows, busy=bool(events) or self._writer.snapshot is not None)

    def _open(self) -> Stream:
        if self._writer.position is None:
            first = SnapshotPlace(_TABLE_ORDER[0]) if self._settings.snapshot else None
            self._writer.begin_at(self._source.now(), first)
        assert self._writer.position is not None
        try:
            self._stream = self._source.stream(self._writer.position)
        except PositionLost as lost:
            self._note_gap(lost)
            raise
        return self._stream

    def _read_chunk(self) -> int:
        place = self._writer.snapshot
        if place is None or self._writer.inside_transaction:
            return 0
        self._tables = self._tables or self._source.tables()
        chunk = self._tables.read(place.table, place.after, self._settings.snapshot_chunk)
        following = _next_place(place, chunk)
        self._writer.append_snapshot(chunk.change, following)
        if following is None:
            close_gaps(self._writer.database, self._clock)
            self._tables.close()
            self._tables = None
        return len(chunk.change.rows) if chunk.change else 0

    def _take(self, event: Event) -> None:
        match event:
            case Change():
                self._writer.append(event)
            case Commit():
                self._writer.commit(event)
            case Rollback():
                self._writer.rollback()

    def _flush(self, stream: Stream) -> int:
        rows = self._writer.grouped_rows
        idle_save = self._monotonic() - self._saved_at >= self._settings.save_idle_seconds
        if rows >= self._settings.group_rows or ((rows or idle_save) and not stream.pending):
            self._writer.flush()
            self._saved_at = self._monotonic()
            return rows
        return 0

    def _keep_house(self) -> None:
        if self._monotonic() < self._housekeeping_due or self._writer.inside_transaction:
            return
        if self._writer.grouped_rows:
            return
        settled = acknowledged_by_all(self._settings.folder, self._settings.destinations)
        kept_since = self._clock() - timedelta(seconds=self._settings.keep_seconds)
        while expire(self._writer.database, settled, kept_since):
            pass
        used = used_bytes(self._settings.folder, self._writer.database)
        while used > self._settings.max_bytes:
            if not expire(self._writer.database, settled, self._clock()):
                raise _over_budget(self._settings, used)
            used = used_bytes(self._settings.folder, self._writer.database)
        self._housekeeping_due = self._monotonic() + self._settings.housekeeping_seconds

    def _note_gap(self, lost: PositionLost) -> None:
        if self._writer.position is not None:
            record_gap(self._writer.database, self._writer.position, str(lost), self._clock)

    def fall_back(self, error: Exception | None = None) -> None:
        """Forget what is not durable and close the connections; the next step starts from there."""
        self.close()
        self._writer.abandon()
        if isinstance(error, PositionLost):
            self._note_gap(error)

    def save(self) -> None:
        """Make what is complete durable now."""
        self._writer.flush()

    def close(self) -> None:
        """Close the connections to the source."""
        for connection in (self._stream, self._tables):
            if connection is not None:
                connection.close()
        self._stream = self._tables = None


def _next_place(place: SnapshotPlace, chunk: Chunk) -> SnapshotPlace | None:
    if not chunk.done:
        return SnapshotPlace(place.table, chunk.last_key)
    following = _TABLE_ORDER.index(place.table) + 1
    if following == len(_TABLE_ORDER):
        return None
    return SnapshotPlace(_TABLE_ORDER[following])


def _over_budget(settings: TailSettings, used: int) -> OutboxFull:
    return OutboxFull(
        "the outbox has used up its budget; capture pauses, the binlog is the overflow",
        f"{settings.folder} holds {used:,} bytes, [outbox] max_size allows {settings.max_bytes:,}",
        "let ship deliver (`replicator backlog` says what holds it), or raise max_size; "
        "capture goes on by itself",
    )
