"""The log connection fed with recorded packets: any cut of the bytes, missing positions, noise."""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymysql.protocol import MysqlPacket

from demo.mariadbd import PrivateMariaDB
from replicator.change import Change, Row
from replicator.errors import SourceUnavailable, Unsupported
from replicator.source.bounds import XID, End
from replicator.source.catalogue import Catalogue
from replicator.source.envelope import HEADER
from replicator.source.feed import Feed, Pause
from replicator.source.tablemap import parse_table_map
from replicator.source.wire import DumpConnection
from tests.conftest import create_station
from tests.source.capture import at, binlog, endpoint
from tests.source.replay import Fed as PushedFrames

Event = bytes


@pytest.fixture(scope="module")
def recorded(mariadb: PrivateMariaDB) -> list[Event]:
    """A whole log file: format description, then three transactions in RoomType."""
    create_station(mariadb, "wire")
    mariadb.execute("FLUSH BINARY LOGS")
    start = at(mariadb, "wire")
    mariadb.execute(
        "INSERT INTO RoomType VALUES (1, 'a'), (2, 'b')",
        "CREATE TABLE mine (id INT)",
        "INSERT INTO RoomType VALUES (3, 'c')",
        database="wire",
    )
    content = binlog(mariadb, start).read_bytes()
    mariadb.execute("DROP DATABASE wire")
    events, place = [], 4
    while place < len(content):
        size = int.from_bytes(content[place + 9 : place + 13], "little")
        events.append(content[place : place + size])
        place += size
    events[0] = events[0][:17] + b"\0\0" + events[0][19:]  # "in use", which the server takes off
    return events


class Fed:
    """A connection that the bytes are pushed into instead of received."""

    def __init__(self, mariadb: PrivateMariaDB) -> None:
        here = endpoint(mariadb, "wire")
        charsets = {45: "utf8mb4", 8: "latin1", 63: "binary"}
        catalogue = Catalogue("wire", {}, {}, charsets)
        self.feed = Feed(
            here,
            lambda body: catalogue.decoder(parse_table_map(body)) if b"RoomType" in body else None,
            silence=60.0,
        )
        self.connection = DumpConnection(self.feed, defer_connect=True)
        self.connection._dumping = True
        self.connection._frames = PushedFrames(self.feed, lambda: None)
        self.ends: list[tuple[int, int]] = []

    def push(self, data: bytes) -> None:
        self.connection._frames.push(data)
        self.feed.begin(deadline=0.0, until=float("inf"), max_rows=1_000)
        while True:
            try:
                packet = self.connection._read_packet(MysqlPacket)
            except Pause:
                return
            header = HEADER.unpack_from(packet.read_all())  # type: ignore[no-untyped-call]
            self.ends.append((header[1], header[4]))

    def rows(self) -> list[Row]:
        found = self.feed.take()
        self.ends += [(XID, item.offset) for item in found if isinstance(item, End)]
        return [row for item in found if isinstance(item, Change) for row in item.rows]


def packets(events: list[Event]) -> bytes:
    framed = [b"\0" + event for event in events]
    return b"".join(len(p).to_bytes(3, "little") + b"\0" + p for p in framed)


ROWS: list[Row] = [(1, "a"), (2, "b"), (3, "c")]


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 2_000), max_size=12))
def test_however_the_bytes_arrive_the_rows_are_the_same(
    mariadb: PrivateMariaDB, recorded: list[Event], cuts: list[int]
) -> None:
    data = packets(recorded)
    edges = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    fed = Fed(mariadb)
    found: list[Row] = []
    for start, end in pairwise(edges):
        fed.push(data[start:end])
        found += fed.rows()
    assert found == ROWS


def test_end_positions_that_the_server_leaves_out_are_added_up(
    mariadb: PrivateMariaDB, recorded: list[Event]
) -> None:
    """As from MariaDB 11.4 on: no position on table maps, rows and the transaction's end."""
    whole, without = Fed(mariadb), Fed(mariadb)
    whole.push(packets(recorded))
    without.push(packets([placeless(e) if e[4] in (2, 16, 19, 23, 160) else e for e in recorded]))
    assert without.rows() == whole.rows() == ROWS
    assert without.ends == whole.ends
    assert [kind for kind, _ in whole.ends].count(16) == 2


def placeless(event: Event) -> Event:
    changed = event[:13] + bytes(4) + event[17:-4]
    return changed + struct.pack("<I", zlib.crc32(changed))


@settings(max_examples=60, deadline=None)
@given(which=st.integers(1, 100), place=st.integers(0, 500), flip=st.integers(1, 255))
def test_a_changed_byte_never_passes(
    mariadb: PrivateMariaDB, recorded: list[Event], which: int, place: int, flip: int
) -> None:
    number = 1 + which % (len(recorded) - 1)
    damaged = bytearray(recorded[number])
    damaged[place % len(damaged)] ^= flip
    with pytest.raises(Unsupported, match="checksum"):
        Fed(mariadb).push(packets([*recorded[:number], bytes(damaged)]))


def test_rows_without_their_table_map_are_refused(
    mariadb: PrivateMariaDB, recorded: list[Event]
) -> None:
    """What resuming inside a transaction would look like."""
    rest = [event for event in recorded if event[4] != 19]
    with pytest.raises(Unsupported, match="TABLE_MAP"):
        Fed(mariadb).push(packets(rest))


def test_the_end_of_the_stream_is_no_event(mariadb: PrivateMariaDB) -> None:
    with pytest.raises(SourceUnavailable, match="ended the stream"):
        Fed(mariadb).push(b"\x05\0\0\0\xfe\0\0\0\0")
