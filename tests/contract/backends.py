"""The backends that the contract is tested against: how each opens an outbox, and reads it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

import pytest

from replicator.change import Change, Commit, Op, Position, Row
from replicator.contract import Outbox
from replicator.delivery import Entry
from replicator.feed import Feed, Keeper
from replicator.jetstream import assembly
from replicator.jetstream import writer as jetstream_writer
from replicator.jetstream.bus import Bus
from replicator.jetstream.shelf import Shelf
from replicator.jetstream.stream import StationStream
from replicator.jetstream.writer import JetStreamOutbox
from replicator.outbox import writer as sqlite_writer
from replicator.outbox.lock import RoleLock
from replicator.outbox.reader import OutboxReader
from replicator.outbox.writer import OutboxWriter

AT = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)
COLUMNS = ("time", "nodeId", "type", "locationId", "value")


def place(number: int) -> Position:
    return Position("mariadb-17", "binlog.000001", number, f"0-17-{number}")


def readings(count: int, first: int = 0, op: Op = Op.INSERT) -> Change:
    numbers = range(first, first + count)
    rows: list[Row] = [(f"2026-03-01T00:00:{n % 60:02d}", n, 1, None, 0.5) for n in numbers]
    return Change("Reading", op, COLUMNS, rows)


def nodes(entries: Iterable[Entry]) -> list[int]:
    """The node of each row: tests number their rows by it."""
    return [int(str(row[1])) for entry in entries for row in entry.rows]


class Backend(Protocol):
    """Where outboxes of one kind live. A process that takes part is given ``spec``."""

    @property
    def spec(self) -> Sequence[str]:
        """Words that describe it."""

    def open(self) -> AbstractContextManager[Outbox]:
        """The outbox as capture has it; closed without a flush, as a death leaves it."""

    def read(self) -> list[Entry]:
        """What a shipper sees."""

    def another(self) -> Backend:
        """An empty outbox of the same kind."""

    def spill_beyond(self, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """Hold no more rows of a transaction than that in memory."""


@dataclass
class Sqlite:
    """A folder."""

    folder: Path

    @property
    def spec(self) -> Sequence[str]:
        return ("sqlite", str(self.folder))

    @contextmanager
    def open(self) -> Iterator[Outbox]:
        lock = RoleLock(self.folder, "tail")
        try:
            writer = OutboxWriter(self.folder)
            try:
                yield writer
            finally:
                writer.close()
        finally:
            lock.release()

    def read(self) -> list[Entry]:
        reader = OutboxReader(self.folder)
        try:
            return list(reader.entries(0))
        finally:
            reader.close()

    def another(self) -> Sqlite:
        return Sqlite(Path(tempfile.mkdtemp(dir=self.folder)))

    def spill_beyond(self, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sqlite_writer, "SPILL_ROWS", rows)


@dataclass
class JetStream:
    """A station in a stream; each has a folder that is filled from it when somebody reads."""

    server: str
    station: str
    folder: Path
    stream: str = "S"

    @property
    def spec(self) -> Sequence[str]:
        return ("jetstream", self.server, self.station, str(self.folder), self.stream)

    def connection(self) -> tuple[Bus, StationStream]:
        bus = Bus([self.server])
        return bus, StationStream(bus, self.stream, self.station)

    @contextmanager
    def open(self) -> Iterator[JetStreamOutbox]:
        bus, stream = self.connection()
        outbox = JetStreamOutbox(bus, stream, 1, 16 << 20)
        try:
            yield outbox
        finally:
            outbox.close()

    def writer(self, stream: StationStream, bus: Bus) -> JetStreamOutbox:
        """What writes into that stream."""
        return JetStreamOutbox(bus, stream, 1, 16 << 20)

    @contextmanager
    def feed(
        self, folder: Path | None = None, house: Keeper | None = None, reader: str = "ship"
    ) -> Iterator[Feed]:
        bus, stream = self.connection()
        writer = OutboxWriter(folder or self.folder)
        try:
            shelf = Shelf(bus, self.stream, self.station, reader, 1)
            yield Feed(bus, stream, shelf, writer, house or NoHouse())
        finally:
            writer.close()
            bus.close()

    def read(self) -> list[Entry]:
        with self.feed() as feed:
            feed.read_to_end()
        return Sqlite(self.folder).read()

    def another(self) -> JetStream:
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        return JetStream(self.server, f"{self.station} {folder.name}", folder, self.stream)

    def spill_beyond(self, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(jetstream_writer, "SPILL_ROWS", rows)
        monkeypatch.setattr(assembly, "HOLD_ROWS", rows)


class NoHouse:
    """Nothing expires."""

    def keep(self) -> int | None:
        return None


def write(outbox: Outbox, number: int, *changes: Change) -> None:
    """One whole transaction, not yet flushed."""
    for change in changes:
        outbox.append(change)
    outbox.commit(Commit(place(number), AT))
