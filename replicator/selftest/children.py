"""The two processes that a self-test kills: the real pipelines on made-up rows, in a sandbox.

They never return. When the other end of their channel is gone, they end.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson

from replicator.catchup import Tables
from replicator.change import Commit, Event, Op, Position, Value
from replicator.delivery import Delivered, Delivery, Parcel, QueuedRow
from replicator.outbox import clock
from replicator.outbox.deliveries import Deliveries
from replicator.outbox.reader import OutboxReader
from replicator.outbox.writer import OutboxWriter
from replicator.selftest.made import changes
from replicator.ship import Ship, ShipSettings
from replicator.source.loss import Loss
from replicator.tail import Stream, Tail, TailSettings

DESTINATION = "centre"
_PAUSE_SECONDS = 0.002
_IDLE_SECONDS = 0.01
_GROUP_ROWS = 60
_BATCH_ROWS = 300


class _Log:
    """The log of a database that writes without end; most transactions come in one piece."""

    def __init__(self, start: Position) -> None:
        self._place = start
        self._half: Commit | None = None

    def poll(self, max_wait: float, max_rows: int = 0) -> list[Event]:
        """The next transaction, or a half of it; at once, whatever was asked."""
        del max_wait, max_rows
        if self._half is not None:
            half, self._half = self._half, None
            return [half]
        time.sleep(_PAUSE_SECONDS)
        number = self._place.offset + 1
        self._place = Position(self._place.source, self._place.file, number)
        end = Commit(self._place, clock.now())
        if number % 4 == 0:
            self._half = end
            return [*changes(number)]
        return [*changes(number), end]

    @property
    def pending(self) -> bool:
        """Now and then nothing more is there, so that capture writes alone and in groups."""
        return self._half is not None or self._place.offset % 5 != 0

    def close(self) -> None:
        """Nothing to close."""


class _MadeSource:
    """A database with a log and nothing else."""

    def now(self) -> Position:
        """Before the first transaction."""
        return Position("selftest", "log.1", 0)

    def stream(self, start: Position) -> Stream:
        """Its log."""
        return _Log(start)

    def tables(self) -> Tables:
        """None is ever asked for: no snapshot, no marks."""
        raise NotImplementedError

    def assess(self, start: Position) -> Loss:
        """Never asked for: this log is never lost."""
        raise NotImplementedError


def capture(folder: Path, channel: socket.socket) -> None:
    """Capture without end; tell the channel the number of the last transaction that is durable."""
    writer = OutboxWriter(folder)
    settings = TailSettings(folder, (DESTINATION,), snapshot=False, group_rows=_GROUP_ROWS)
    tail = Tail(_MadeSource(), writer, settings)
    while True:
        tail.step(0.0)
        if not writer.grouped_rows and not writer.inside_transaction and tail.position:
            writer.settle()
            channel.sendall(b"%d\n" % tail.position.offset)


class Caller:
    """The destination, over the channel: a line with rows, then a byte back that they are there."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    def send(self, rows: Sequence[Mapping[str, Value]]) -> None:
        """Send and wait. Raises EOFError when nobody is there."""
        self._channel.sendall(orjson.dumps(rows) + b"\n")
        if not self._channel.recv(1):
            raise EOFError

    def deliver(self, parcels: Sequence[Parcel]) -> Delivery:
        """One request; all of it is stored."""
        self.send([parcel.body for parcel in parcels])
        return Delivery([Delivered("selftest")] * len(parcels), 1, 0, 0.0)

    def body(self, row: QueuedRow) -> Mapping[str, Value]:
        """As captured: ids mean the same here."""
        return row.values

    def apply(self, table: str, local_id: int, op: Op) -> Delivered:
        """There are no reference rows."""
        del table, local_id, op
        return Delivered()

    def outdated(self, row: QueuedRow) -> bool:
        """No mapping is ever wrong."""
        del row
        return False


def deliver(folder: Path, channel: socket.socket, caller: type[Caller] = Caller) -> None:
    """Deliver without end; say ``[]`` whenever nothing waits."""
    outbox = OutboxReader(folder)
    deliveries = Deliveries(folder, DESTINATION)
    centre = caller(channel)
    ship = Ship(outbox, deliveries, centre, centre, ShipSettings(batch_rows=_BATCH_ROWS))
    ship.start()
    while True:
        if ship.step().idle:
            centre.send([])
            time.sleep(_IDLE_SECONDS)
