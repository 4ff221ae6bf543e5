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
from typing import Literal, Protocol

from replicator.catchup import CatchUp, Reading, TableSource
from replicator.change import Change, Commit, Event, Position, Rollback
from replicator.errors import OutboxFull, PositionLost
from replicator.outbox.clock import Clock
from replicator.outbox.clock import now as wall_clock
from replicator.outbox.retention import (
    acknowledged_by_all,
    expire,
    give_back,
    shrink_log,
    used_bytes,
)
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


class Tail:
    """Captures one source into one outbox. The caller holds the role's lock.

    ``announce``  called when rows have become durable, or are about to be
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
        automatic = settings.heal == "automatic" and settings.snapshot
        reading = Reading(settings.snapshot_chunk, settings.mark_rows, automatic)
        self._catch_up = CatchUp(source, writer, reading, clock, monotonic)
        self.healed = ""  # what was begun about a gap; for the caller to tell, and to empty
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
        rows = self._catch_up.read_chunk()
        try:
            events = stream.poll(0.0 if self._writer.snapshot else max_wait)
        except PositionLost as lost:
            self.fall_back()
            self.healed = self._catch_up.lost(lost)
            return Captured(rows, busy=True)
        for event in events:
            self._take(event)
        rows += self._flush(stream)
        if rows:
            self._announce()
        if not stream.pending:
            self._catch_up.mark()
        return Captured(rows, busy=bool(events) or self._writer.snapshot is not None)

    def _open(self) -> Stream:
        if self._writer.position is None:
            first = self._catch_up.begin_snapshot() if self._settings.snapshot else None
            self._writer.begin_at(self._source.now(), first)
        assert self._writer.position is not None
        try:
            self._stream = self._source.stream(self._writer.position)
        except PositionLost as lost:
            self.healed = self._catch_up.lost(lost)
            self._stream = self._source.stream(self._writer.position)
        return self._stream

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
        pending = stream.pending
        if rows >= self._settings.group_rows or ((rows or idle_save) and not pending):
            self._writer.flush(wait=not pending or self._writer.snapshot is not None)
            self._saved_at = self._monotonic()
            return rows
        return 0

    def _keep_house(self) -> None:
        if self._monotonic() < self._housekeeping_due or self._writer.inside_transaction:
            return
        if self._writer.grouped_rows:
            return
        self._writer.settle()
        settled = acknowledged_by_all(self._settings.folder, self._settings.destinations)
        self._catch_up.marks.fold(settled)
        kept_since = self._clock() - timedelta(seconds=self._settings.keep_seconds)
        while expire(self._writer.database, settled, kept_since):
            pass
        used = used_bytes(self._settings.folder, self._writer.database)
        while used > self._settings.max_bytes:
            gone = expire(self._writer.database, settled, self._clock())
            shrink_log(self._writer.database)
            used = used_bytes(self._settings.folder, self._writer.database)
            if used > self._settings.max_bytes and not gone:
                raise _over_budget(self._settings, used)
        give_back(self._writer.database)
        self._housekeeping_due = self._monotonic() + self._settings.housekeeping_seconds

    def fall_back(self) -> None:
        """Forget what is not durable and close the connections; the next step starts from there."""
        self.close()
        self._writer.abandon()
        self._catch_up.reset()

    def save(self) -> None:
        """Make what is complete durable now."""
        self._writer.flush()

    def close(self) -> None:
        """Close the connections to the source."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self._catch_up.close()


def _over_budget(settings: TailSettings, used: int) -> OutboxFull:
    return OutboxFull(
        "the outbox has used up its budget; capture pauses, the binlog is the overflow",
        f"{settings.folder} holds {used:,} bytes, [outbox] max_size allows {settings.max_bytes:,}",
        "let ship deliver (`replicator backlog` says what holds it), or raise max_size; "
        "capture goes on by itself",
    )
