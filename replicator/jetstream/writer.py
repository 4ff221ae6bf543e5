"""Tail's side of a stream: whole source transactions and the position after them, atomically.

The rules this file keeps:
  * a group of transactions counts with its last message, which is stored only when all others are
    acknowledged, and only behind the end that this writer knows as the last;
  * the stream is its own checkpoint: after anything that failed, its last end says where we stand;
  * one group is on its way while the next is read; what it failed with is raised by the next call;
  * memory is bounded: a source transaction beyond ``SPILL_ROWS`` goes out before its end is known.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace

from nats.js import JetStreamContext

from replicator.change import Change, Commit, Position
from replicator.errors import OutboxBusy, OutboxError
from replicator.jetstream.bus import Bus
from replicator.jetstream.messages import Message, cut
from replicator.jetstream.seal import refuse_sealed
from replicator.jetstream.stream import (
    StationStream,
    chain_behind,
    publish_end,
    publish_parts,
)
from replicator.outbox.clock import Clock, parse, text
from replicator.outbox.clock import now as wall_clock
from replicator.outbox.packing import merged, pieces
from replicator.outbox.place import SnapshotPlace

SPILL_ROWS = 20_000
_GROUP_ROWS = 50_000
_HEADERS_BYTES = 4_096  # room left for them in a message


@dataclass(frozen=True, slots=True)
class _Standing:
    """``end``, ``group``: of the last end that counts; ``last``: seq of the last that is there."""

    end: int
    last: int
    group: str


class JetStreamOutbox:
    """Appends one station's entries to a stream. Of two writers, the later one goes on."""

    def __init__(
        self,
        bus: Bus,
        stream: StationStream,
        replicas: int,
        max_bytes: int,
        clock: Clock = wall_clock,
    ) -> None:
        self._bus = bus
        self._stream = stream
        self._make = (replicas, max_bytes)
        self._clock = clock
        self._name = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
        self._sending: Future[_Standing] | None = None
        self._known: _Standing | None = None
        self._chain = ""
        self._position: Position | None = None
        self._place: SnapshotPlace | None = None
        self._committed_at = ""
        self._forget()

    def _forget(self) -> None:
        self._held: list[Change] = []
        self._held_rows = 0
        self._ready: list[Message] = []
        self._spilled = False
        self._begin_group()
        self._dirty = False
        self.grouped_rows = 0

    def _begin_group(self) -> None:
        self._group = secrets.token_hex(8)
        self._number = 0

    # --- where we stand ------------------------------------------------------------------------

    @property
    def position(self) -> Position | None:
        """Everything before it is in the stream, or will be with the next ``flush``."""
        self._load()
        return self._position

    @property
    def snapshot(self) -> SnapshotPlace | None:
        """How far reading the tables has come; None when they are read."""
        self._load()
        return self._place

    @property
    def committed_at(self) -> str:
        """Commit time at the source of the last transaction, as the outbox writes times."""
        self._load()
        return self._committed_at

    @property
    def inside_transaction(self) -> bool:
        """A source transaction is open."""
        return bool(self._held) or self._spilled

    def _load(self) -> _Standing:
        """Ask the stream, unless it is known."""
        if self._known is not None:
            return self._known
        self._stream.ensure(*self._make)
        self._most_bytes = self._bus.max_payload - _HEADERS_BYTES
        head = self._stream.head()
        if head.end is not None:
            refuse_sealed(head.end.message.writer, self._stream.station)
            commit = head.end.message.commit
            assert commit is not None, "an end has a position"
            self._position, self._place = commit.position, head.end.message.place
            self._committed_at = text(commit.at)
        else:
            self._position, self._place, self._committed_at = None, None, ""
        before = head.end.message if head.end is not None else None
        self._chain = chain_behind(self._stream, before)
        self._known = _Standing(head.seq, head.last, before.group if before else "")
        return self._known

    # --- what capture does ---------------------------------------------------------------------

    def begin_at(self, position: Position, snapshot: SnapshotPlace | None) -> None:
        """Say where capture starts; durable when it returns."""
        self._load()
        self._committed_at = self._committed_at or text(self._clock())
        self._position, self._place = position, snapshot
        self._dirty = True
        self.flush()

    def append(self, change: Change) -> None:
        """Add to the open source transaction."""
        self._held.append(change)
        self._held_rows += len(change.rows)
        if self._held_rows > SPILL_ROWS:
            self._spill()

    def commit(self, end: Commit) -> None:
        """The source transaction is complete; durable with the next ``flush``."""
        self._load()
        self._take_held(end)
        self._position, self._committed_at = end.position, text(end.at)
        self._dirty = True
        if self._spilled or self.grouped_rows >= _GROUP_ROWS:
            self._spilled = False
            self.flush(wait=False)

    def rollback(self) -> None:
        """The changes since the last commit never happened."""
        if self._spilled:
            self._spilled = False
            self.grouped_rows = 0
            self._begin_group()  # its parts stay in the stream, without an end
        self._held = []
        self._held_rows = 0

    def append_snapshot(self, change: Change | None, place: SnapshotPlace | None) -> None:
        """One chunk read from a table, and where to go on; durable when it returns."""
        self.append_read([] if change is None else [change], place)

    def append_read(
        self,
        changes: Sequence[Change],
        place: SnapshotPlace | None,
        also: Callable[[], None] = lambda: None,
    ) -> None:
        """As ``append_snapshot``, for several chunks; ``also`` is done before."""
        if self.inside_transaction or self.position is None:
            raise RuntimeError("a snapshot chunk inside a source transaction")
        also()
        self._held = list(changes)
        self._take_held(Commit(self.position, self._clock()))
        self._place = place
        self._dirty = True
        self.flush()

    def flush(self, *, wait: bool = True) -> None:
        """Make all complete source transactions durable, with the position after them."""
        if self._spilled:
            return
        self._join()
        if self._dirty:
            known = self._load()
            parts, end = self._whole_group(known)
            self._sending = self._bus.start(lambda js: self._send(js, known, parts, end))
            self._ready = []
            self._begin_group()
            self.grouped_rows = 0
            self._dirty = False
        if wait:
            self._join()

    def abandon(self) -> None:
        """Fall back to what is durable, after an error; asks the stream when it is needed."""
        with suppress(OutboxError):  # of no matter: the stream says what is durable
            self._join()
        self._known = None
        self._forget()

    def close(self) -> None:
        """Close without flushing; what is not flushed is read again from the binlog."""
        self._bus.close()

    # --- messages ------------------------------------------------------------------------------

    def _take_held(self, end: Commit) -> None:
        """What is held of a transaction becomes messages; the last one closes it."""
        first = len(self._ready)
        self._encode_held()
        if len(self._ready) > first:
            self._ready[-1] = replace(self._ready[-1], commit=end)

    def _encode_held(self) -> None:
        for change in merged(self._held):
            for rows in pieces(change.rows):
                for piece in cut(replace(change, rows=rows), self._most_bytes):
                    self._number += 1
                    self._ready.append(Message(self._group, self._number, 0, piece))
        self.grouped_rows += self._held_rows
        self._held = []
        self._held_rows = 0

    def _spill(self) -> None:
        """Send the beginning of a large transaction; nobody counts it before its end."""
        known = self._load()
        if not self._spilled:
            held, self._held = self._held, []
            self.flush()
            self._held = held
            known = self._load()
            self._spilled = True
        self._encode_held()
        parts = [self._tied(part, known) for part in self._ready]
        self._ready = []
        self._bus.call(lambda js: publish_parts(js, self._stream, parts))

    def _whole_group(self, known: _Standing) -> tuple[list[Message], Message]:
        ready = [self._tied(message, known) for message in self._ready]
        assert self._position is not None
        if not ready or ready[-1].commit is None or ready[-1].commit.position != self._position:
            at = Commit(self._position, parse(self._committed_at))
            ready.append(self._tied(Message(self._group, self._number + 1, 0, None, at), known))
        return ready[:-1], replace(ready[-1], place=self._place, writer=self._name)

    def _tied(self, message: Message, known: _Standing) -> Message:
        """Behind the last end that counts."""
        follows = known.group if self._stream.leaf else ""
        return replace(message, previous=known.end, chain=self._chain, follows=follows)

    async def _send(
        self, js: JetStreamContext, known: _Standing, parts: Sequence[Message], end: Message
    ) -> _Standing:
        if parts:
            await publish_parts(js, self._stream, parts)
        seq = await publish_end(js, self._stream, end, known.last)
        return _Standing(seq, seq, end.group)

    def _join(self) -> None:
        """Wait for the group on its way. Raises what it failed with."""
        if self._sending is None:
            return
        sending, self._sending = self._sending, None
        try:
            self._known = self._bus.result(sending)
        except OutboxBusy as error:
            raise self._late(error) from error

    def _late(self, error: OutboxBusy) -> OutboxBusy:
        """Was it another writer, a message of ours that came late, or has the stream lost some?"""
        head = self._stream.head()
        if self._known is not None and head.seq < self._known.end:
            return OutboxBusy(
                "the stream has lost messages that it had acknowledged",
                f"it ends with {head.seq} and not with {self._known.end}: a power cut?",
                "capture reads them from the binlog again",
            )
        if head.end is not None and head.end.message.writer == self._name:
            return OutboxBusy(
                "a group was stored after it was given up",
                f"message {head.seq}",
                "capture goes on behind it",
            )
        return error
