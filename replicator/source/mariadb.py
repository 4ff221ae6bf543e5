"""Types that only MariaDB has: UUID, INET4, INET6 and COMPRESSED columns. Pure.

In the log UUID and INET6 are BINARY(16), INET4 is BINARY(4), in the order in which they are written
(a UUID's parts are turned round in the table only: plugin/type_uuid in MariaDB's sources).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

from replicator.source.values import damaged

_ZLIB, _RAW, _LENGTH = 0x80, 0x08, 0x07


def uuid_text(data: bytes) -> str:
    """As SELECT shows it."""
    text = data.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def inet4_text(data: bytes) -> str:
    """As SELECT shows it."""
    return ".".join(str(byte) for byte in data)


def inet6_text(data: bytes) -> str:
    """As SELECT shows it: the first longest run of zero groups, be it one, is ``::``."""
    groups = [int.from_bytes(data[i : i + 2], "big") for i in range(0, 16, 2)]
    start, length = _zeros(groups)
    inside = start == 0 and (length == 6 or (length == 5 and groups[5] == 0xFFFF))
    shown = [f"{group:x}" for group in groups]
    if inside:
        shown[6:] = [inet4_text(data[12:])]
    if not length:
        return ":".join(shown)
    return f"{':'.join(shown[:start])}::{':'.join(shown[start + length :])}"


def _zeros(groups: list[int]) -> tuple[int, int]:
    """Start and length of the first longest run of zeros."""
    best = (0, 0)
    start = 0
    for place, group in enumerate(groups):
        if group:
            start = place + 1
        elif place + 1 - start > best[1]:
            best = (start, place + 1 - start)
    return best


ADDRESSES: Mapping[str, tuple[int, Callable[[bytes], str]]] = {
    "uuid": (16, uuid_text),
    "inet4": (4, inet4_text),
    "inet6": (16, inet6_text),
}
"""Type name → bytes, and their text."""


def uncompressed(data: bytes) -> bytes:
    """A COMPRESSED cell's content (compression_methods in MariaDB's sql/field.cc).

    Nothing for an empty one; else a byte: 0, and the content as it is; or 0x80 for zlib, plus 8
    without zlib's own header, plus how many bytes hold the content's length, big-endian, behind it.
    """
    if not data:
        return data
    method = data[0]
    if not method:
        return data[1:]
    size = method & _LENGTH
    if method & ~(_RAW | _LENGTH) != _ZLIB or not size:
        raise damaged("a compressed cell of a method that is not known", data[:8].hex())
    try:
        content = zlib.decompress(data[1 + size :], -15 if method & _RAW else 15)
    except zlib.error as error:
        raise damaged("a compressed cell that cannot be unpacked", str(error)) from error
    if len(content) != int.from_bytes(data[1 : 1 + size], "big"):
        raise damaged("a compressed cell of another length than it says", data[:8].hex())
    return content
