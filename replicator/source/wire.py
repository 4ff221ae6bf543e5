"""The connection that the log comes over: own framing, own decoding of replicated rows.

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

import select
import ssl
import time
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
    FORMAT,
    HEADER,
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
from replicator.source.payload import TRANSACTION_PAYLOAD, inner_events
from replicator.source.refusals import refused_event
from replicator.source.tablemap import table_name
from replicator.source.values import damaged

_DUMP_COMMANDS = frozenset({0x12, 0x1E})
_TABLE_MAP = 19
_PARTIAL_UPDATE = 39
_REMARKS = frozenset({29, 160})  # the statement behind the rows, in whatever character set
_ROTATE_OFFSET = 8
_DUMMY_TABLE = 0xFFFFFF
_CRC32 = 1
_LARGEST_PACKET = 0xFFFFFF
_LARGEST_EVENT = 1 << 30
_CHUNK = 1 << 18


class DumpConnection(Connection):
    """A PyMySQL connection that becomes a log reader once a dump command is written.

    ``file``, ``place``  where the last event ends; "" and 0 before the first
    """

    def __init__(self, feed: Feed, **settings: Any) -> None:
        self._feed = feed
        self._dumping = False
        self._buffer = bytearray()
        self._at = 0
        self._heard = 0.0
        self.file = ""
        self._summed = False
        self._library_wants_sums = False
        self.place = 0
        self._tables: dict[int, decode.TableDecoder | None] = {}
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
        if len(self._buffer) > self._at:
            return True
        sock = self._sock  # type: ignore[attr-defined]  # private in PyMySQL's stubs
        if sock is None:
            return False
        pending = getattr(sock, "pending", None)  # TLS keeps decrypted bytes of its own
        return bool(pending and pending()) or bool(select.select([sock], [], [], 0)[0])

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
            self._heard = time.monotonic()

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
        payload = self._payload()
        if payload[:1] != b"\x00":
            self._refused(payload, packet_type)
        if len(payload) <= HEADER.size:
            raise damaged("an event without a body", payload.hex())
        summed = self._is_summed(payload)
        if int.from_bytes(payload[10:14], "little") != len(payload) - 1:
            raise damaged("an event's size is not what it says", payload[:32].hex())
        self.place = end_of(payload, self.place)
        kind = payload[5]
        if kind == QUERY_COMPRESSED:
            return rebuilt(payload, QUERY, plain_statement(body_of(payload, summed=summed))), False
        if kind == TRANSACTION_PAYLOAD:
            self._inner = inner_events(body_of(payload, summed=summed), self.place)
            return self._event(packet_type)
        return payload, summed

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

    # --- framing -------------------------------------------------------------------------------

    def _payload(self) -> bytes:
        """The next packet's payload, continuation packets joined."""
        buffer, at = self._buffer, self._at
        size = int.from_bytes(buffer[at : at + 3], "little")
        end = at + 4 + size
        if size == _LARGEST_PACKET or not at + 4 < end <= len(buffer):
            payload, end = self._joined_frames()
        else:  # nearly always: all of it is here
            payload = bytes(buffer[at + 4 : end])
        self._at = end
        if end > _CHUNK:
            del buffer[:end]
            self._at = 0
        return payload

    def _joined_frames(self) -> tuple[bytes, int]:
        """The payload, received as far as it is needed, and the offset behind it."""
        size, parts = self._frame(self._at)
        end = self._at + 4 + size
        while size == _LARGEST_PACKET:
            size, more = self._frame(end)
            parts += more
            end += 4 + size
            if len(parts) > _LARGEST_EVENT:
                raise damaged("an event is larger than 1 GiB", str(self._feed.endpoint))
        return parts, end

    def _frame(self, at: int) -> tuple[int, bytes]:
        """Size and content of the packet at an offset of the buffer."""
        self._fill(at + 4)
        size = int.from_bytes(self._buffer[at : at + 3], "little")
        self._fill(at + 4 + size)
        return size, bytes(memoryview(self._buffer)[at + 4 : at + 4 + size])

    def _fill(self, end: int) -> None:
        """Have the buffer filled up to ``end``, or raise Pause with everything kept."""
        while len(self._buffer) < end:
            data = self._receive()
            if not data:
                raise SourceUnavailable(
                    "the station's database closed the link", str(self._feed.endpoint)
                )
            self._heard = time.monotonic()
            self._buffer += data

    def _receive(self) -> bytes:
        sock = self._sock  # type: ignore[attr-defined]  # private in PyMySQL's stubs
        patience = min(self._feed.patience(time.monotonic()), self._feed.silence)
        sock.settimeout(max(0.0, patience))
        try:
            return bytes(sock.recv(_CHUNK))
        except (TimeoutError, BlockingIOError, ssl.SSLWantReadError) as error:
            silent = time.monotonic() - self._heard
            if silent > self._feed.silence:  # asked only now: what we were late for may be there
                raise SourceUnavailable(
                    "the log's stream is silent",
                    f"{self._feed.endpoint}: not even a heartbeat for {silent:.0f} s",
                ) from error
            raise Pause from error
        except OSError as error:
            raise SourceUnavailable(
                "the link to the station's database broke", f"{self._feed.endpoint}: {error}"
            ) from error

    # --- events --------------------------------------------------------------------------------

    def _is_summed(self, payload: bytes) -> bool:
        """Whether the event ends in a checksum; verified where it does."""
        kind = payload[5]
        if kind == ROTATE and not int.from_bytes(payload[1:5], "little"):
            return checksum_holds(payload)  # made up before the file's format is known
        if kind == FORMAT:
            self._summed = payload[-5] == _CRC32
        if self._summed and not checksum_holds(payload):
            raise _ill(payload)
        return self._summed

    def _keep(self, payload: bytes, summed: bool) -> bool:
        """Take a transaction's bounds, table maps, rows and remarks; the library has the rest."""
        kind = payload[5]
        if kind in _REMARKS:
            return True
        body = body_of(payload, summed=summed)
        if kind == ROTATE:
            self._tables.clear()
            self.file = body[_ROTATE_OFFSET:].decode("utf-8", "replace")
            return False
        if kind == XID:
            timestamp = int.from_bytes(payload[1:5], "little")
            self._feed.found.append(End(self.file, self.place, timestamp))
            return True
        if kind == MARIADB_GTID:
            server = int.from_bytes(payload[6:10], "little")
            self._feed.found.append(begin_of(server, body))
            return True
        if kind == _TABLE_MAP:
            number = int.from_bytes(body[:6], "little")
            self._tables[number] = self._feed.decoder_for(body[6:])
            return True
        if kind in decode.ROWS or kind in COMPRESSED_ROWS or kind == _PARTIAL_UPDATE:
            return self._keep_rows(kind, body)
        return False

    def _keep_rows(self, kind: int, body: bytes) -> bool:
        number = int.from_bytes(body[:6], "little")
        if number == _DUMMY_TABLE:
            return True
        if number not in self._tables:
            raise damaged("rows without a TABLE_MAP before them", f"table id {number}")
        decoder = self._tables[number]
        if decoder is None:
            return True
        if kind == _PARTIAL_UPDATE:
            raise refused_event(kind, f"table {decoder.table}")
        if kind in COMPRESSED_ROWS:
            kind, body = plain_rows(kind, body)
        for change in decoder.changes(kind, body[6:]):
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
