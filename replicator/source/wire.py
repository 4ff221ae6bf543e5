"""The connection that the log comes over: own framing (frames), own decoding of replicated rows.

mysql-replication opens it (its ``pymysql_wrapper`` argument), logs in and sends the dump command.
From then on this file reads the packets: TABLE_MAP and row events it keeps, all others it hands to
the library.

The rules this file keeps:
  * the library never reconnects by itself: a lost link becomes SourceUnavailable in here;
  * a pause (nothing there in time, or enough rows stashed) leaves through the library as an
    exception, before anything of the next packet is consumed; the next call goes on there;
  * what is compressed is unpacked first: everything behind ``_event`` sees plain events;
  * every event's checksum is verified where its file has checksums, whatever the server's present
    setting is, and whatever the library believes it to be.

Event header: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication.html
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from typing import Any

from pymysql import MySQLError
from pymysql.connections import Connection
from pymysql.protocol import MysqlPacket

from replicator.errors import SourceUnavailable, Unsupported
from replicator.source import decode
from replicator.source.bounds import MARIADB_GTID, XID, End, begin_of
from replicator.source.compressed import (
    COMPRESSED_ROWS,
    QUERY_COMPRESSED,
    plain_rows,
    plain_statement,
)
from replicator.source.endpoint import translate
from replicator.source.envelope import (
    BEHIND_OK,
    CHECKSUM,
    FORMAT,
    HEADER,
    INTACT,
    QUERY,
    ROTATE,
    body_of,
    checksum_holds,
    end_of,
    for_library,
    rebuilt,
    with_annotations,
)
from replicator.source.feed import Feed, Pause
from replicator.source.frames import Frames
from replicator.source.payload import TRANSACTION_PAYLOAD, inner_events
from replicator.source.refusals import refused_event
from replicator.source.tablemap import table_name
from replicator.source.values import damaged

_DUMP_COMMANDS = frozenset({0x12, 0x1E})
_TABLE_MAP = 19
_PARTIAL_UPDATE = 39
_REMARKS = frozenset({29, 160})  # the statement behind the rows, in whatever character set
_ROTATE_OFFSET = 8
_UNLIKE_THE_FILE = frozenset({ROTATE, FORMAT})
_TABLE = slice(HEADER.size, HEADER.size + 6)
_ROWS = HEADER.size + 6
_DUMMY_TABLE = b"\xff\xff\xff\0\0\0"
_CRC32 = 1


class DumpConnection(Connection):
    """A PyMySQL connection that becomes a log reader once a dump command is written.

    ``file``, ``place``  where the last event ends; "" and 0 before the first
    """

    def __init__(self, feed: Feed, **settings: Any) -> None:
        self._feed = feed
        self._frames = Frames(feed, lambda: self._sock)  # type: ignore[attr-defined]  # private in PyMySQL's stubs
        self._dumping = False
        self._summed = False
        self._library_wants_sums = False
        self.file = ""
        self.place = 0
        self._tables: dict[bytes, decode.TableDecoder | None] = {}
        self._inner: Iterator[bytes] = iter(())  # what is left of a compressed transaction
        super().__init__(**settings)

    def abort(self) -> None:
        """Close the socket without a farewell: a dumping server reads no commands."""
        self._force_close()  # type: ignore[attr-defined]  # private in PyMySQL's stubs

    @property
    def dumping(self) -> bool:
        """The dump command was sent."""
        return self._dumping

    @property
    def readable(self) -> bool:
        """More of the log is here already."""
        return self._frames.readable

    def query(self, sql: Any, unbuffered: bool = False) -> int:
        """The library tells the server that it knows checksums only where it expects them."""
        if "@master_binlog_checksum" in str(sql):
            self._library_wants_sums = True
        return int(super().query(sql, unbuffered))

    def _write_bytes(self, data: bytes) -> None:
        if len(data) > 4 and data[4] in _DUMP_COMMANDS:
            super().query("SET @master_binlog_checksum = 'CRC32'")  # else error 1236 at such a file
            version = str(self.get_server_info())  # type: ignore[no-untyped-call]  # PyMySQL's
            data = with_annotations(data, version)
        super()._write_bytes(data)  # type: ignore[misc]  # the library calls it, so it is stable
        if len(data) > 4 and data[4] in _DUMP_COMMANDS:
            self._dumping = True
            self._frames.start()

    def _read_packet(self, packet_type: type[MysqlPacket] = MysqlPacket) -> MysqlPacket:
        """Called by the library for its next packet."""
        if not self._dumping:
            return super()._read_packet(packet_type)  # type: ignore[no-untyped-call,no-any-return]  # PyMySQL's
        while not self._feed.full:
            payload, summed = self._event(packet_type)
            if not self._keep(payload, summed):
                wanted = self._library_wants_sums
                payload = for_library(payload, summed=summed, wanted=wanted, end=self.place)
                return packet_type(payload, self.encoding)
            if time.monotonic() > self._feed.until:
                break
        raise Pause

    def _event(self, packet_type: type[MysqlPacket]) -> tuple[bytes, bool]:
        """The next event, unpacked where it came compressed; True where it ends in a checksum."""
        inner = next(self._inner, None)
        if inner is not None:
            return inner, False
        payload = self._frames.payload()
        if payload[0]:
            self._refused(payload, packet_type)
        if len(payload) <= HEADER.size:
            raise damaged("an event without a body", payload.hex())
        _, kind, _, size, end, _ = HEADER.unpack_from(payload)
        summed = self._is_summed(payload) if kind in _UNLIKE_THE_FILE else self._summed
        if summed and zlib.crc32(payload, BEHIND_OK) != INTACT:
            raise _ill(payload)
        if size != len(payload) - 1:
            raise damaged("an event's size is not what it says", payload[:32].hex())
        self.place = end if end and kind != ROTATE else end_of(payload, self.place)
        if kind == QUERY_COMPRESSED:
            return rebuilt(payload, QUERY, plain_statement(body_of(payload, summed=summed))), False
        if kind == TRANSACTION_PAYLOAD:
            self._inner = inner_events(body_of(payload, summed=summed), self.place)
            return self._event(packet_type)
        return payload, summed

    def _is_summed(self, payload: bytes) -> bool:
        """Whether an event ends in a checksum that tells so itself, or is made up."""
        if payload[5] == FORMAT:
            self._summed = payload[-5] == _CRC32
        elif not int.from_bytes(payload[1:5], "little"):
            return checksum_holds(payload)  # a ROTATE made up before the file's format is known
        return self._summed

    def _refused(self, payload: bytes, packet_type: type[MysqlPacket]) -> None:
        packet = packet_type(payload, self.encoding)
        if packet.is_error_packet():
            try:
                packet.raise_for_error()
            except MySQLError as error:
                raise translate(error, self._feed.endpoint) from error
        raise SourceUnavailable(
            "the server ended the stream of its log",
            str(self._feed.endpoint),
            "it is shutting down",
        )

    def _keep(self, payload: bytes, summed: bool) -> bool:
        """Take a transaction's bounds, table maps, rows and remarks; the library has the rest."""
        kind = payload[5]
        end = -CHECKSUM if summed else len(payload)
        if kind in decode.ROWS:
            return self._keep_rows(kind, payload[_TABLE], payload[_ROWS:end])
        if kind == _TABLE_MAP:
            self._tables[payload[_TABLE]] = self._feed.decoder_for(payload[_ROWS:end])
            return True
        if kind in _REMARKS:
            return True
        if kind == XID:
            timestamp = int.from_bytes(payload[1:5], "little")
            self._feed.found.append(End(self.file, self.place, timestamp))
            return True
        if kind == MARIADB_GTID:
            server = int.from_bytes(payload[6:10], "little")
            self._feed.found.append(begin_of(server, payload[HEADER.size : end]))
            return True
        if kind == ROTATE:
            self._tables.clear()
            self.file = payload[HEADER.size + _ROTATE_OFFSET : end].decode("utf-8", "replace")
            return False
        if kind in COMPRESSED_ROWS or kind == _PARTIAL_UPDATE:
            return self._keep_rows(kind, payload[_TABLE], payload[_ROWS:end])
        return False

    def _keep_rows(self, kind: int, number: bytes, body: bytes) -> bool:
        if number == _DUMMY_TABLE:
            return True
        if number not in self._tables:
            raise damaged("rows without a TABLE_MAP before them", f"table id {number.hex()}")
        decoder = self._tables[number]
        if decoder is None:
            return True
        if kind == _PARTIAL_UPDATE:
            raise refused_event(kind, f"table {decoder.table}")
        if kind in COMPRESSED_ROWS:
            kind, whole = plain_rows(kind, number + body)
            body = whole[len(number) :]
        if held := decoder.held(kind, body):
            self._feed.hold(held)
            return True
        for change in decoder.changes(kind, body):
            self._feed.found.append(change)
            self._feed.rows += len(change.rows)
        return True


def _ill(payload: bytes) -> Unsupported:
    _, kind, _, size, position, _ = HEADER.unpack_from(payload)
    return damaged(
        "an event's checksum is wrong: the binlog is damaged",
        f"event type {kind}, {size} bytes, ends at {position}",
    )


def names_of(body: bytes) -> tuple[str, str]:
    """Schema and table of a TABLE_MAP body; Unsupported when it is cut off."""
    try:
        return table_name(body)
    except IndexError as error:
        raise damaged("a TABLE_MAP event is cut off", body.hex()) from error
