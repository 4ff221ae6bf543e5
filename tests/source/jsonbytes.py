"""Binary JSON as MySQL writes it (sql/json_binary.h in its sources), for tests."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Opaque:
    """A value of an SQL type: its code and bytes."""

    kind: int
    data: bytes


def packed(value: Any, *, large: bool = False) -> bytes:
    """A whole cell; ``large``: objects and arrays in the form with offsets of four bytes."""
    kind, data = _value(value, large)
    return bytes([kind]) + data


def packed_time(
    year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0,
    microsecond: int = 0, sign: int = 1,
) -> bytes:  # fmt: skip
    """TIME_to_longlong_packed, as it is stored."""
    date = (year * 13 + month) << 5 | day
    clock = hour << 12 | minute << 6 | second
    return struct.pack("<q", sign * ((date << 17 | clock) << 24 | microsecond))


def _value(value: Any, large: bool) -> tuple[int, bytes]:
    if value is None or isinstance(value, bool):
        return 4, bytes([{None: 0, True: 1, False: 2}[value]])
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return 11, struct.pack("<d", value)
    if isinstance(value, str):
        return 12, _sized(value.encode())
    if isinstance(value, Opaque):
        return 15, bytes([value.kind]) + _sized(value.data)
    keys = [key.encode() for key in value] if isinstance(value, dict) else []
    cells = list(value.values()) if isinstance(value, dict) else value
    return (0 if isinstance(value, dict) else 2) + large, _container(keys, cells, large)


def _integer(value: int) -> tuple[int, bytes]:
    for kind, layout, low, high in (
        (5, "<h", -(2**15), 2**15), (6, "<H", 0, 2**16), (7, "<i", -(2**31), 2**31),
        (8, "<I", 0, 2**32), (9, "<q", -(2**63), 2**63), (10, "<Q", 0, 2**64),
    ):  # fmt: skip
        if low <= value < high:
            return kind, struct.pack(layout, value)
    raise ValueError(value)


def _container(keys: list[bytes], cells: list[Any], large: bool) -> bytes:
    width = 4 if large else 2
    inlined = (4, 5, 6, 7, 8) if large else (4, 5, 6)
    place = 2 * width + len(keys) * (width + 2) + len(cells) * (1 + width)
    entries, tail = b"", b""
    for key in keys:
        entries += (place + len(tail)).to_bytes(width, "little") + struct.pack("<H", len(key))
        tail += key
    for cell in cells:
        kind, data = _value(cell, large)
        if kind in inlined:
            entries += bytes([kind]) + data.ljust(width, b"\0")
        else:
            entries += bytes([kind]) + (place + len(tail)).to_bytes(width, "little")
            tail += data
    size = place + len(tail)
    return len(cells).to_bytes(width, "little") + size.to_bytes(width, "little") + entries + tail


def _sized(data: bytes) -> bytes:
    size, head = len(data), b""
    while size > 0x7F:
        head += bytes([size & 0x7F | 0x80])
        size >>= 7
    return head + bytes([size]) + data
