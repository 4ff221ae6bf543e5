"""Recorded streams: what a server sent for its log, read again through BinlogStream, no server.

A recording is three files: ``NAME.stream``, the packets of one dump command as they came over the
wire; ``NAME.world.json``, the start and the catalogue; ``NAME.events.json``, what capture makes of
it (compared with the tables themselves when it was recorded, see recorded/record.py).
"""

from __future__ import annotations

import dataclasses
import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from replicator.change import Change, Commit, Event, Position, Rollback
from replicator.source import binlog, dump
from replicator.source.catalogue import Catalogue
from replicator.source.columns import CatalogueColumn
from replicator.source.definitions import Definitions
from replicator.source.endpoint import Endpoint
from replicator.source.feed import Feed, Pause
from replicator.source.frames import Frames
from replicator.source.wire import DumpConnection

RECORDED = Path(__file__).parent / "recorded"
NAMES = sorted(path.stem for path in RECORDED.glob("*.stream"))
HERE = Endpoint("127.0.0.1", 3306, None, "nobody", "", "ch")
_HEADER = 19


@dataclasses.dataclass(frozen=True)
class World:
    """Where a recording starts, the server's version, its catalogue at the end."""

    start: Position
    version: str
    catalogue: Catalogue

    def to_json(self) -> str:
        content = {
            "start": str(self.start),
            "version": self.version,
            "columns": {
                table: [dataclasses.asdict(column) for column in columns]
                for table, columns in self.catalogue.columns.items()
            },
            "keys": self.catalogue.keys,
            "charsets": self.catalogue.charsets,
        }
        return json.dumps(content) + "\n"

    @classmethod
    def from_json(cls, text: str) -> World:
        content = json.loads(text)
        fields = [field.name for field in dataclasses.fields(CatalogueColumn)]
        columns = {
            table: [CatalogueColumn(**{f: column.get(f) for f in fields}) for column in listed]
            for table, listed in content["columns"].items()
        }
        keys = {table: tuple(key) for table, key in content["keys"].items()}
        charsets = {int(number): name for number, name in content["charsets"].items()}
        catalogue = Catalogue("ch", columns, keys, charsets)
        return cls(Position.parse(content["start"]), content["version"], catalogue)


def world(name: str) -> World:
    """Of a recording."""
    return World.from_json((RECORDED / f"{name}.world.json").read_text())


def packets(name: str) -> list[bytes]:
    """A recording's payloads: OK byte and event."""
    data = (RECORDED / f"{name}.stream").read_bytes()
    found, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 3], "little")
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return found


def framed(payloads: Sequence[bytes]) -> bytes:
    """As they come over the wire."""
    return b"".join(len(p).to_bytes(3, "little") + b"\0" + p for p in payloads)


def plain(events: Sequence[Event]) -> list[Any]:
    """Events as JSON has them."""
    found: list[Any] = []
    for event in events:
        match event:
            case Change():
                rows = [list(row) for row in event.rows]
                found.append([event.table, event.op.value, list(event.columns), rows])
            case Commit():
                found.append(["commit", str(event.position)])
            case Rollback():
                found.append(["rollback"])
    return found


def made(kind: int, body: bytes, *, summed: bool = True, end: int = 0, flags: int = 0) -> bytes:
    """A packet of one event of server 17, its size and checksum as they should be."""
    size = _HEADER + len(body) + 4 * summed
    event = struct.pack("<IBIIIH", 1_700_000_000, kind, 17, size, end, flags) + body
    return b"\0" + event + (struct.pack("<I", zlib.crc32(event)) if summed else b"")


def resummed(payload: bytes) -> bytes:
    """With the checksum of what it now holds."""
    return payload[:-4] + struct.pack("<I", zlib.crc32(payload[1:-4]))


class Answers:
    """A cursor for the library's few questions.

    ``checksum`` is the server's setting at the time of reading, whatever the file was written with.
    """

    checksum = "CRC32"

    def __init__(self, connection: _Replayed) -> None:
        self._connection = connection
        self._answer: Any = None

    def execute(self, sql: str, values: Any = None) -> None:
        if "BINLOG_CHECKSUM'" in sql.upper():
            self._answer = ("binlog_checksum", self.checksum)
        elif "@master_binlog_checksum" in sql:
            self._connection._library_wants_sums = True
        elif "BINLOG_ROW_METADATA" in sql:
            self._answer = {"Value": "FULL"}

    def fetchone(self) -> Any:
        return self._answer

    def close(self) -> None:
        """Nothing is open."""


class Fed(Frames):
    """Frames that bytes are pushed into instead of received."""

    def _receive(self) -> bytes:
        raise Pause


class _Replayed(DumpConnection):
    """A connection to nobody: the dump command is answered from a recording."""

    def __init__(self, feed: Feed, data: bytes, version: str) -> None:
        super().__init__(feed, defer_connect=True, ssl_disabled=True)
        self._data = data
        self.server_version = version

    def cursor(self, cursor: Any = None) -> Any:
        return Answers(self)

    def _write_bytes(self, data: bytes) -> None:
        self._dumping = True
        self._frames = Fed(self._feed, lambda: None)
        self._frames.push(self._data)

    def close(self) -> None:
        """Nothing is open."""

    @property
    def readable(self) -> bool:
        return False


@contextmanager
def replayed(
    payloads: Sequence[bytes] | bytes, there: World, start: Position | None = None
) -> Iterator[binlog.BinlogStream]:
    """A stream over these packets (or raw bytes of the wire)."""
    data = payloads if isinstance(payloads, bytes) else framed(payloads)

    class Replay(dump.Dump):
        def _connect(self, **settings: Any) -> DumpConnection:
            connection = _Replayed(self.feed, data, there.version)
            self._connections.append(connection)
            return connection

    def load(self: Definitions, start: Position | None = None) -> None:
        self._catalogue = there.catalogue
        self._loaded_at = there.start
        self._redefined = {}
        self._decoders.clear()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binlog, "Dump", Replay)
        patch.setattr(Definitions, "load", load)
        with binlog.BinlogStream(HERE, server_id=1, start=start or there.start) as stream:
            yield stream


def read(
    payloads: Sequence[bytes] | bytes, there: World, start: Position | None = None
) -> list[Event]:
    """All events in them. Raises what the stream raises."""
    found: list[Event] = []
    with replayed(payloads, there, start) as stream:
        while events := stream.poll(0.0):
            found += events
    return found


def read_until_error(
    payloads: Sequence[bytes] | bytes, there: World, start: Position | None = None
) -> tuple[list[Event], Exception | None]:
    """Events up to the error, and the error."""
    found: list[Event] = []
    with replayed(payloads, there, start) as stream:
        try:
            while events := stream.poll(0.0):
                found += events
        except Exception as error:  # noqa: BLE001  # which one is what the tests are about
            return found, error
    return found, None
