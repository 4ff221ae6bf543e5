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
from pathlib import Path
from typing import Literal, Protocol

from replicator.catchup import CatchUp, Reading, TableSource
from replicator.change import Change, Commit, Event, Position, Rollback
from replicator.contract import Outbox
from replicator.errors import PositionLost
from replicator.outbox.clock import Clock
from replicator.outbox.clock import now as wall_clock
from replicator.outbox.house import Budget, House
from replicator.outbox.writer import OutboxWriter, SnapshotPlace


class Stream(Protocol):
    """The source's log from a position on."""

    def poll(self, max_wait: float, max_rows: int = ...) -> list[Event]:
        """What came, in order; [] when nothing came within ``max_wait`` seconds."""

    @property
    def pending(self) -> bool:
        """More is here already."""

    def close(self) -> None:
        """End the connection."""


class Source(TableSource, Protocol):
    """How the pipeline reaches the station's database."""

    def stream(self, start: Position) -> Stream:
        """Read the log from a position on."""


class Beside(Protocol):
    """What capture reads beside the log: see replicator.catchup."""

    def begin_snapshot(self) -> SnapshotPlace:
        """Where a first snapshot begins."""

    def read_chunk(self) -> int:
        """The next chunk of what is being read, durably; its rows."""

    def mark(self) -> None:
        """Called where capture is up to date and has time."""

    def lost(self, lost: PositionLost) -> str:
        """The log cannot be read on: what was done about it. Raises PositionLost: nothing."""

    def reset(self) -> None:
        """Nothing that is not durable counts."""

    def close(self) -> None:
        """End the connection."""


@dataclass(frozen=True, slots=True)
class TailSettings:
    """``destinations``: all configured ones; what one of them has not settled does not expire.

    ``heal``: whether to heal a gap without being asked, where that is safe; ``mark_rows``: rows of
    a range that is marked (docs/gaps.md), 0: none is.
    """

    folder: Path
    destinations: Sequence[str]
    snapshot: bool = True
    snapshot_chunk: int = 1_000
    group_rows: int = 50_000
    save_idle_seconds: float = 10.0
    max_bytes: int = 2 << 30
    keep_seconds: float = 7 * 86_400.0
    housekeeping_seconds: float = 10.0
    heal: Literal["automatic", "ask"] = "ask"
    mark_rows: int = 0


@dataclass(frozen=True, slots=True)
class Captured:
    """Rows that a step made durable, or a thread is making so; whether more waits right now."""

    rows: int
    busy: bool


class Capture:
    """Captures one source into one outbox, of whatever kind. The caller holds the role's lock.

    ``keep_house``  called with nothing under way; raises OutboxFull when capture must pause
    ``announce``    called when rows have become durable, or are about to be
    """

    def __init__(
        self,
        source: Source,
        outbox: Outbox,
        beside: Beside,
        settings: TailSettings,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        keep_house: Callable[[], object] = lambda: None,
        announce: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._outbox = outbox
        self._beside = beside
        self._settings = settings
        self._monotonic = monotonic
        self._house = keep_house
        self._announce = announce
        self._stream: Stream | None = None
        self.healed = ""  # what was begun about a gap; for the caller to tell, and to empty
        self._saved_at = monotonic()

    @property
    def position(self) -> Position | None:
        """Everything before it is in the outbox or about to be."""
        return self._outbox.position

    @property
    def snapshot(self) -> SnapshotPlace | None:
        """Where the snapshot stands; None when it is complete."""
        return self._outbox.snapshot

    def connect(self) -> None:
        """Open the log, which shows whether it can still be read on. Raises as ``step``."""
        self._stream = self._stream or self._open()

    def step(self, max_wait: float = 0.5) -> Captured:
        """One round. Raises OutboxFull, SourceUnavailable, PositionLost, Unsupported, …;

        after any of them call ``fall_back`` before the next step.
        """
        self._keep_house()
        stream = self._stream or self._open()
        rows = self._beside.read_chunk()
        try:
            events = stream.poll(0.0 if self._outbox.snapshot else max_wait)
        except PositionLost as lost:
            self.fall_back()
            self.healed = self._beside.lost(lost)
            return Captured(rows, busy=True)
        for event in events:
            self._take(event)
        rows += self._flush(stream)
        if rows:
            self._announce()
        if not stream.pending:
            self._beside.mark()
        return Captured(rows, busy=bool(events) or self._outbox.snapshot is not None)

    def _open(self) -> Stream:
        if self._outbox.position is None:
            first = self._beside.begin_snapshot() if self._settings.snapshot else None
            self._outbox.begin_at(self._source.now(), first)
        assert self._outbox.position is not None
        try:
            self._stream = self._source.stream(self._outbox.position)
        except PositionLost as lost:
            self.healed = self._beside.lost(lost)
            self._stream = self._source.stream(self._outbox.position)
        return self._stream

    def _take(self, event: Event) -> None:
        match event:
            case Change():
                self._outbox.append(event)
            case Commit():
                self._outbox.commit(event)
            case Rollback():
                self._outbox.rollback()

    def _flush(self, stream: Stream) -> int:
        rows = self._outbox.grouped_rows
        idle_save = self._monotonic() - self._saved_at >= self._settings.save_idle_seconds
        pending = stream.pending
        if rows >= self._settings.group_rows or ((rows or idle_save) and not pending):
            self._outbox.flush(wait=not pending or self._outbox.snapshot is not None)
            self._saved_at = self._monotonic()
            return rows
        return 0

    def _keep_house(self) -> None:
        if not self._outbox.inside_transaction and not self._outbox.grouped_rows:
            self._house()

    def fall_back(self) -> None:
        """Forget what is not durable and close the connections; the next step starts from there."""
        self.close()
        self._outbox.abandon()
        self._beside.reset()

    def save(self) -> None:
        """Make what is complete durable now."""
        self._outbox.flush()

    def close(self) -> None:
        """Close the connections to the source."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self._beside.close()


class Tail(Capture):
    """Captures into a folder, where it also keeps house, and what healing a gap needs."""

    def __init__(
        self,
        source: Source,
        writer: OutboxWriter,
        settings: TailSettings,
        clock: Clock = wall_clock,
        monotonic: Callable[[], float] = time.monotonic,
        announce: Callable[[], None] = lambda: None,
    ) -> None:
        automatic = settings.heal == "automatic" and settings.snapshot
        reading = Reading(settings.snapshot_chunk, settings.mark_rows, automatic)
        self._writer = writer
        self._catch_up = CatchUp(source, writer, reading, clock, monotonic)
        budget = Budget(
            settings.folder,
            settings.destinations,
            settings.max_bytes,
            settings.keep_seconds,
            settings.housekeeping_seconds,
        )
        house = House(writer, budget, clock, monotonic, self._catch_up.marks.fold)
        super().__init__(
            source,
            writer,
            self._catch_up,
            settings,
            monotonic,
            keep_house=house.keep,
            announce=announce,
        )
