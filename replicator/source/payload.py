"""MySQL's compressed transactions (binlog_transaction_compression = ON), event by event.

Format: Transaction_payload_event in MySQL's libs/mysql/binlog/event/control_events.h: fields of
type, length, value (length-encoded integers) up to type 0, then the events of one transaction
(behind its GTID) without checksums, as one zstd stream. They are unpacked one at a time: memory
holds the packed transaction and one event. An inner event ends where its payload does.

zstd comes from Python's own compression.zstd (3.14) or from the package zstandard.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any, BinaryIO, cast

from replicator.errors import Unsupported
from replicator.source.metadata import lenenc
from replicator.source.values import damaged

TRANSACTION_PAYLOAD = 40
_SIZE, _COMPRESSION, _UNCOMPRESSED_SIZE = 1, 2, 3
_ZSTD, _NONE = 0, 255
_HEADER = 19
_LARGEST = 1 << 30
_NEVER_INSIDE = frozenset({3, 4, 15, 27, 33, 34, 35, 40, 41, 42})  # of files, or before the payload


def inner_events(body: bytes, end: int) -> Iterator[bytes]:
    """The packed events as packets (OK byte, header, body); ``end``: where the payload ends.

    Raises Unsupported: no zstd, an unknown compression, bytes that do not hold what they announce.
    """
    try:
        fields, at = _fields(body)
    except (IndexError, KeyError) as error:
        raise _ill(body, error) from error
    content = memoryview(body)[at:]
    if fields.get(_SIZE, -1) != len(content):
        raise _ill(body, IndexError(f"{fields.get(_SIZE)} bytes announced, {len(content)} there"))
    stream = _opened(fields.get(_COMPRESSION, -1), bytes(content))
    return _events(stream, fields.get(_UNCOMPRESSED_SIZE), end)


def _fields(body: bytes) -> tuple[dict[int, int], int]:
    found: dict[int, int] = {}
    at = 0
    while True:
        kind, at = lenenc(body, at)
        if not kind:
            return found, at
        size, at = lenenc(body, at)
        found[kind] = lenenc(body, at)[0]
        at += size


def _events(stream: BinaryIO, announced: int | None, end: int) -> Iterator[bytes]:
    total = 0
    while True:
        header = _read(stream, _HEADER)
        if not header:
            break
        size = int.from_bytes(header[9:13], "little")
        if len(header) != _HEADER or header[4] in _NEVER_INSIDE or not _HEADER < size <= _LARGEST:
            raise _ill(header, IndexError(f"an event of {size} bytes"))
        content = _read(stream, size - _HEADER)
        if len(content) != size - _HEADER:
            raise _ill(header, IndexError("the last event is cut off"))
        total += size
        yield b"\0" + header[:13] + (end & 0xFFFFFFFF).to_bytes(4, "little") + header[17:] + content
    if announced is not None and total != announced:
        raise _ill(b"", IndexError(f"{announced} bytes announced, {total} unpacked"))


def _read(stream: BinaryIO, size: int) -> bytes:
    try:
        return stream.read(size)
    except Exception as error:  # each library of zstd has its own
        raise _ill(b"", error) from error


def _zstd() -> Any:
    for name in ("compression.zstd", "zstandard"):
        with suppress(ImportError):
            return import_module(name)
    return None


def can_unpack() -> bool:
    """There is a zstd here."""
    return _zstd() is not None


def _opened(compression: int, content: bytes) -> BinaryIO:
    if compression == _NONE:
        return io.BytesIO(content)
    if compression != _ZSTD:
        raise Unsupported(
            "a transaction in a compression that we do not know",
            f"TRANSACTION_PAYLOAD, compression type {compression}",
            "SET GLOBAL binlog_transaction_compression = OFF; -- then replicator heal",
        )
    module = _zstd()
    if module is not None:
        return cast("BinaryIO", module.open(io.BytesIO(content), "rb"))
    raise Unsupported(
        "a compressed transaction, and no zstd to unpack it with",
        "TRANSACTION_PAYLOAD, MySQL's binlog_transaction_compression",
        "pip install 'replicator[mysql8]', then start again; nothing was skipped",
    )


def _ill(data: bytes, error: Exception) -> Unsupported:
    detail = f"TRANSACTION_PAYLOAD {data[:48].hex()}: {error!r}"
    return damaged("a compressed transaction cannot be unpacked", detail)
