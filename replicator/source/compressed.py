"""MariaDB's compressed events (log_bin_compress = ON) as the plain events they stand for. Pure.

Format: binlog_buf_compress, query_event_uncompress, row_log_event_uncompress in MariaDB's
sql/log_event.cc. Only the end of the event is compressed: a statement's text, or the row images.
One byte says so: 0x80 + the number of bytes of the original length, which follow, big-endian; then
a zlib stream. Nothing is unpacked beyond the length it announces.
"""

from __future__ import annotations

import zlib

from replicator.source.metadata import lenenc
from replicator.source.values import damaged

QUERY_COMPRESSED = 165
COMPRESSED_ROWS = {166: 23, 167: 24, 168: 25, 169: 30, 170: 31, 171: 32}
"""Code → the code of the plain rows."""

_VERSION_2 = frozenset({30, 31, 32})
_UPDATES = frozenset({24, 31})
_LARGEST = 1 << 30
_QUERY_POST_HEADER = 13
_ROWS_POST_HEADER = 8


def plain_statement(body: bytes) -> bytes:
    """A QUERY body for a QUERY_COMPRESSED one (behind the header, without checksum)."""
    try:
        at = _QUERY_POST_HEADER + body[8] + int.from_bytes(body[11:13], "little") + 1
        return body[:at] + _unpacked(body, at)
    except (IndexError, zlib.error) as error:
        raise _ill("a compressed statement", body, error) from error


def plain_rows(kind: int, body: bytes) -> tuple[int, bytes]:
    """Code and body of the plain rows (body: behind the header, without checksum)."""
    plain = COMPRESSED_ROWS[kind]
    try:
        at = _ROWS_POST_HEADER
        if plain in _VERSION_2:
            at += int.from_bytes(body[at : at + 2], "little")
        columns, at = lenenc(body, at)
        at += (columns + 7) // 8 * (2 if plain in _UPDATES else 1)
        return plain, body[:at] + _unpacked(body, at)
    except (IndexError, KeyError, zlib.error) as error:
        raise _ill("compressed rows", body, error) from error


def _unpacked(data: bytes, at: int) -> bytes:
    first = data[at]
    digits = first & 7
    if first & 0xF8 != 0x80 or not 1 <= digits <= 4 or at + 1 + digits > len(data):
        raise IndexError(f"compression header {first:#x}")
    size = int.from_bytes(data[at + 1 : at + 1 + digits], "big")
    if size > _LARGEST:
        raise IndexError(f"{size} bytes announced")
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(memoryview(data)[at + 1 + digits :], size + 1)
    if len(content) != size or not unpacker.eof:
        raise IndexError(f"{size} bytes announced, the stream holds others")
    return content


def _ill(what: str, body: bytes, error: Exception) -> Exception:
    return damaged(f"{what} cannot be unpacked", f"{body[:48].hex()}…: {error!r}")
