"""From a stream to the folder that delivery works in: stream → outbox.db, exactly once, in order.

The rules this file keeps:
  * rows and the stream's seq up to which they are here commit in one SQLite transaction;
  * what the stream holds goes only when every reader's destinations have settled it, and the newest
    desk that is kept says so, where desks are kept;
  * the folder has a budget: when it is full, reading pauses and the stream is the overflow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import orjson

from replicator.change import Change, Commit, Rollback
from replicator.desk import DeskKeeper, Landing
from replicator.errors import OutboxFull, OutboxUnavailable
from replicator.jetstream.assembly import Again, Assembly, Landed, Strange, Taken
from replicator.jetstream.bus import Bus
from replicator.jetstream.messages import Floor, Message, floor_of
from replicator.jetstream.reader import StationReader
from replicator.jetstream.removal import Trail
from replicator.jetstream.seal import refuse_sealed
from replicator.jetstream.shelf import Reference, Shelf
from replicator.jetstream.stream import StationStream
from replicator.outbox.store import translated
from replicator.outbox.writer import OutboxWriter
from replicator.tail import Captured

_REMEMBERED = 1_000  # groups; of more, every other one is forgotten
_REFERENCES = "SELECT table_name, id, row, deleted, seq FROM reference WHERE seq > ? ORDER BY seq"
_LAST = """
SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'entry'), 0),
       coalesce((SELECT row_total FROM capture), 0)
"""
_RESTORE = "INSERT OR IGNORE INTO reference (table_name, id, row, seq, deleted) VALUES (?,?,?,0,0)"


class Keeper(Protocol):
    """Keeps the folder's house; calls ``Feed.keep_references`` before anything expires."""

    def keep(self) -> int | None:
        """The seq in the folder that all destinations have settled; None: not looked now."""


class Feed:
    """Fills one folder from one station's part of a stream. The caller holds tail's lock there.

    ``announce``  called when rows have become durable
    ``desk``      keeps what delivery knows beside the stream
    ``move``      of which the feed is a part: its own seal does not stop it
    """

    def __init__(
        self,
        bus: Bus,
        stream: StationStream,
        shelf: Shelf,
        writer: OutboxWriter,
        house: Keeper,
        announce: Callable[[], None] = lambda: None,
        move: str = "",
        desk: DeskKeeper | None = None,
    ) -> None:
        self._move = move
        self._desk = desk
        self._bus = bus
        self._stream = stream
        self._shelf = shelf
        self._writer = writer
        self._house = house
        self._announce = announce
        self._reader: StationReader | None = None
        self._assembly = Assembly(None)
        self._landed: list[Landing] = []
        self._trail = Trail()
        self._previous = 0
        self._floor = Floor()
        self._looked = self._told = False  # at a message that was left out
        self._passed = 0
        self._kept_to = 0
        self.said = ""  # what was done about a stream that fell back; for the caller to empty

    def step(self, max_wait: float = 0.5) -> Captured:
        """One round. Raises OutboxUnavailable, OutboxFull, OutboxTaken, OutboxError;

        after any of them call ``fall_back`` before the next step.
        """
        reader = self._reader or self._open()
        if not self._writer.inside_transaction:
            self._keep_house()
        read = reader.fetch(max_wait)
        self._looked = False
        for each in read:
            if self._take(
                self._assembly.take(each.seq, each.message, end=each.end, origin=each.origin)
            ):
                break
            self._trail.note(each.seq, end=each.end)
            self._passed = each.seq
        rows = self._writer.grouped_rows
        self._writer.flush()
        if not self._writer.inside_transaction:
            self._remember()
        if rows:
            self._announce()
        return Captured(rows, busy=bool(read))

    def _take(self, events: list[Taken]) -> bool:
        """True: read on from another place."""
        for event in events:
            match event:
                case Change():
                    self._writer.append(event)
                case Commit():
                    self._writer.commit(event)
                case Rollback():
                    self._writer.rollback()
                case Landed():
                    self._writer.fed_to, self._writer.snapshot = event.seq, event.place
                    self._previous, self._floor = event.previous, event.floor
                case Again():
                    start = self._assembly.seq + 1
                    self.close()
                    self._reader = StationReader(self._bus, self._stream, start)
                    return True
                case Strange():
                    if self._left_out(other=event.other):
                        return True
        return False

    def _left_out(self, *, other: bool) -> bool:
        """A leaf's message was left out. True: the hub has begun with it anew, and so do we."""
        if not self._looked:
            self._looked = True
            if not self._still_there():
                self._writer.rollback()
                self.close()
                self._reader = None
                return True
        if other and not self._told:
            self._told = True
            self.said = (
                f"the stream has messages of station {self._stream.station} that do not follow what"
                " was read before, and are left out: its own server has lost what it had;"
                f" `replicator leaf reset {self._stream.station}` lets the hub begin with it anew"
            )
        return False

    def _still_there(self) -> bool:
        """The stream has the end that was read last."""
        end = self._stream.end_at(self._assembly.seq)
        return end is not None and end.message.group == self._assembly.group

    def _open(self) -> StationReader:
        """Begin behind what is here, if the stream still says the same of it."""
        newest = self._stream.newest()
        if newest is not None and newest.origin is None:
            newest = self._stream.head().end
        if newest is not None:
            refuse_sealed(newest.message.writer, self._stream.station, self._move)
        fed_to: int | None = self._writer.fed_to or None
        head: int | None = None
        last: Message | None = None
        if fed_to is None:
            self._restore()
        else:
            end = self._stream.end_at(fed_to)
            commit = end.message.commit if end is not None else None
            if commit is None or commit.position != self._writer.position:
                self.said = (
                    f"the stream has fallen back behind message {fed_to}, which was read before;"
                    " reading again all that it holds"
                )
                fed_to = None
            elif end is not None:
                head = fed_to if end.origin is None else end.origin
                last = end.message
                self._floor = floor_of(last)
                self._previous = end.message.previous if end.origin is None else 0
        floor = self._shelf.claim(anew=fed_to is None)
        if self._desk is not None:
            self._desk.begin(self._shelf.revision)
        self._assembly = Assembly(head, fed_to or 0, floor, last)
        self._told = False
        self._passed = fed_to or 0
        self._landed = []
        self._trail = Trail()
        if fed_to is not None:
            self._remember()
        self._reader = StationReader(self._bus, self._stream, (fed_to or 0) + 1)
        return self._reader

    def _restore(self) -> None:
        """Reference rows of which the stream no longer has the messages."""
        kept = self._shelf.references()
        with translated(self._writer.path):
            self._writer.database.conn.executemany(
                _RESTORE, [(r.table, r.local_id, orjson.dumps(r.row).decode()) for r in kept]
            )

    def _remember(self) -> None:
        """Where the group begins that brought the newest entry."""
        begins = self._previous + 1
        if self._landed and (self._landed[-1].begins, self._landed[-1].leaf) == (
            begins,
            self._floor,
        ):
            return
        with translated(self._writer.path):
            last, total = self._writer.database.conn.execute(_LAST).fetchone()
        self._landed.append(Landing(last, begins, self._floor, self._writer.fed_to, total))
        if len(self._landed) > _REMEMBERED:
            del self._landed[1::2]

    def _keep_house(self) -> None:
        settled = self._house.keep()
        if self._desk is None and settled is not None:
            done = [landing for landing in self._landed if landing.last <= settled]
            if done:
                self._settle(done[-1])
        elif self._desk is not None and self._desk.due():
            self.keep_desk()

    def keep_desk(self) -> None:
        """Keep the desk now, where it has changed. Raises as ``step``."""
        if self._desk is None or self._writer.inside_transaction:
            return
        if self._reader is None and not self._landed:
            self._open()
        try:
            kept = self._desk.keep(self._writer, self._landed)
        except OutboxFull as error:  # the one before still counts
            self.said = f"the desk cannot be kept beside the stream: {error}"
            return
        if kept is not None:
            self._settle(kept)

    def _settle(self, landing: Landing) -> None:
        """What lies before the group that ends there is needed no more."""
        floor = self._shelf.settle(landing.begins, landing.leaf)
        self._stream.purge(floor, self._trail)
        self._landed = self._landed[self._landed.index(landing) :]

    def keep_references(self) -> None:
        """Keep what is new of them beside the stream; to be called before anything expires here."""
        with translated(self._writer.path):
            rows = self._writer.database.conn.execute(_REFERENCES, (self._kept_to,)).fetchall()
        self._shelf.keep([Reference(t, n, orjson.loads(row), bool(d)) for t, n, row, d, _ in rows])
        if rows:
            self._kept_to = rows[-1][-1]

    def interrupt(self) -> None:
        """End a ``step`` that another thread waits in: it raises OutboxUnavailable."""
        reader = self._reader
        if reader is not None:
            reader.interrupt()

    def close(self) -> None:
        """Read no more."""
        if self._reader is not None:
            self._reader.close()

    def fall_back(self) -> None:
        """Forget what is not durable; the next step begins from there."""
        if self._reader is not None:
            self._reader.close()
        self._reader = None
        self._writer.abandon()

    def read_behind(self, seq: int) -> None:
        """Read until the folder has an entry with that seq, or all that the stream holds.

        Raises as ``step``.
        """
        target = self._stream.last()
        while self._last() < seq and max(self._passed, self._writer.fed_to) < target:
            if not self.step(0.1).busy and self._stream.last() < target:
                return

    def _last(self) -> int:
        with translated(self._writer.path):
            return int(self._writer.database.conn.execute(_LAST).fetchone()[0])

    def read_to_end(self) -> None:
        """Read until what the stream holds now is here. Raises as ``step``."""
        target = self._stream.last()
        while max(self._passed, self._writer.fed_to) < target:
            if not self.step(0.1).busy and self._stream.last() < target:
                raise OutboxUnavailable("the stream has fallen back while it was read")
