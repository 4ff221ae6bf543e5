"""Events in the form mysql-replication reads without mistakes. Pure.

The library takes the server's present binlog_checksum for that of every event, and stops at status
variables it does not know. So events are given to it with or without a checksum as it expects, and
statements without status variables, which nobody needs. Events inside a transaction may come
without their end position (MariaDB 11.4 and later); it is added up.
"""

from __future__ import annotations

import re
import struct
import zlib

from replicator.source.events import HARMLESS

QUERY, STOP, ROTATE, FORMAT, EXECUTE_LOAD, GTID = 2, 3, 4, 15, 18, 33
HEADER = struct.Struct("<xIBIIIH")
"""Of a packet's payload: OK byte, timestamp, type, server id, size, end position, flags."""

_MADE_UP = frozenset({ROTATE, FORMAT, 27, 163})  # also sent without being in the file, with end 0
CHECKSUM = 4
BEHIND_OK = 0x0F6A7026
"""A CRC-32 before an OK byte that is 0 behind it: of a payload, the event alone is summed."""
INTACT = 0x2144DF1C
"""The CRC-32 of whatever ends in its own CRC-32."""
_QUERY_POST_HEADER = 13
_FILE_INFORMATION = 13
_LONG_GTID = 42
_MARIADB = re.compile(r"(\d+)\.(\d+)\.\d+-MariaDB")
_PLACELESS = (11, 4)  # from this version on events of a transaction may lack their end position
_BINLOG_DUMP = 0x12
_SEND_ANNOTATIONS = 2


def checksum_holds(payload: bytes) -> bool:
    """The last four bytes are the CRC-32 of what stands before them."""
    return payload[:1] == b"\0" and zlib.crc32(payload, BEHIND_OK) == INTACT


def end_of(payload: bytes, place: int) -> int:
    """Where the event ends in its file; ``place`` is where the one before it did."""
    kind = payload[5]
    end = int.from_bytes(payload[14:18], "little")
    if kind == ROTATE and not int.from_bytes(payload[1:5], "little"):
        return int.from_bytes(payload[HEADER.size : HEADER.size + 8], "little")
    if end:
        return end
    return place if kind in _MADE_UP else place + int.from_bytes(payload[10:14], "little")


def body_of(payload: bytes, *, summed: bool) -> bytes:
    """The event behind its header, without the checksum."""
    return payload[HEADER.size : -CHECKSUM] if summed else payload[HEADER.size :]


def rebuilt(payload: bytes, kind: int, body: bytes) -> bytes:
    """An event of another kind and body in this one's place, without a checksum."""
    timestamp, _, server, _, end, flags = HEADER.unpack_from(payload)
    return HEADER.pack(timestamp, kind, server, HEADER.size - 1 + len(body), end, flags) + body


def with_annotations(command: bytes, version: str) -> bytes:
    """A dump command that leaves nothing out, for servers whose positions have to be added up:

    else MariaDB keeps the statements behind the rows (ANNOTATE_ROWS) to itself, and the sum is
    short of them. ``command`` as it goes over the wire: length, number, code, position, flags.
    """
    found = _MARIADB.search(version)
    if found is None or (int(found[1]), int(found[2])) < _PLACELESS or command[4] != _BINLOG_DUMP:
        return command
    flags = int.from_bytes(command[9:11], "little") | _SEND_ANNOTATIONS
    return command[:9] + flags.to_bytes(2, "little") + command[11:]


def for_library(payload: bytes, *, summed: bool, wanted: bool, end: int) -> bytes:
    """The event as the library shall have it: ``summed`` says whether it ends in a checksum,

    ``wanted`` whether the library believes so. Raises IndexError where it is cut off.
    """
    kind = payload[5]
    if kind == FORMAT:  # always carries one
        return payload
    body = body_of(payload, summed=summed)
    if kind in HARMLESS:  # the library need not understand what nobody asks for
        kind, body = STOP, b""
    elif kind in (QUERY, EXECUTE_LOAD):
        body = _plain_statement(body, _FILE_INFORMATION if kind == EXECUTE_LOAD else 0)
        kind = QUERY
    if kind == GTID:  # the library reads more of it than MySQL 5.6 writes
        body = body.ljust(_LONG_GTID, b"\0")
    timestamp, told_kind, server, _, told, flags = HEADER.unpack_from(payload)
    if told_kind in _MADE_UP:
        end = told
    tail = bytes(CHECKSUM) if wanted else b""
    size = HEADER.size - 1 + len(body) + len(tail)
    return HEADER.pack(timestamp, kind, server, size, end, flags) + body + tail


def _plain_statement(body: bytes, more: int) -> bytes:
    """Without status variables; LOAD DATA also without ``more`` bytes about its file."""
    status = int.from_bytes(body[11:13], "little")
    rest = body[_QUERY_POST_HEADER + more + status :]
    if not rest:
        raise IndexError("a statement is cut off")
    return body[:11] + b"\0\0" + rest
