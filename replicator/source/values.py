"""Cells of row images to canonical values (docs/values.md): what all types share, and numbers.

Pure. Every reader takes the event's bytes and an offset and returns the value and the offset behind
it. Layouts: https://dev.mysql.com/doc/dev/mysql-server/latest/ (Field::pack of each type).
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from replicator.change import Value
from replicator.errors import Unsupported

Reader = Callable[[bytes, int], tuple[Value, int]]

LOOK_HINT = (
    "look with `mariadb-binlog --verify-binlog-checksum`; `replicator heal` goes on behind it"
)
_TRIMMED_DIGITS = (6, 7, 8)  # six show a shorter form too, where there is one
_FEW_DIGITS = range(1, 9)
_NORMAL = 2.0**-126
_DECIMAL_BYTES = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)
"""By digits of a group."""


def damaged(what: str, detail: str) -> Unsupported:
    """Bytes that no server writes."""
    return Unsupported(what, detail, LOOK_HINT)


def shortest_float32(value: float) -> float:
    """The float with the shortest decimal that still gives the same float32; zero has no sign."""
    if not value:
        return 0.0
    bits = struct.pack("<f", value)
    for digits in _TRIMMED_DIGITS if abs(value) >= _NORMAL else _FEW_DIGITS:
        candidate = float(f"{value:.{digits}g}")
        try:
            if struct.pack("<f", candidate) == bits:
                return candidate
        except OverflowError:  # rounded up beyond the largest float32: more digits are needed
            continue
    return float(f"{value:.9g}")


def unsigned_zero(value: float) -> float:
    """-0.0 as 0.0, as SELECT shows it."""
    return value + 0.0


def datetime_text(packed: int, fraction: str) -> str:
    """DATETIME2's 40 bits, sign removed: 17 year·13+month, 5 day, 5 hour, 6 minute, 6 second."""
    year, month = divmod(packed >> 22, 13)
    return (
        f"{year:04d}-{month:02d}-{packed >> 17 & 31:02d}"
        f"T{packed >> 12 & 31:02d}:{packed >> 6 & 63:02d}:{packed & 63:02d}{fraction}"
    )


def fraction_text(data: bytes, at: int, digits: int) -> tuple[str, int]:
    """Fractional seconds: (digits + 1) // 2 bytes, big-endian."""
    size = (digits + 1) // 2
    if not size:
        return "", at
    number = int.from_bytes(take(data, at, size), "big")
    return "." + f"{number:0{2 * size}d}"[:digits], at + size


def take(data: bytes, at: int, size: int) -> bytes:
    """Exactly ``size`` bytes; IndexError where there are fewer."""
    part = data[at : at + size]
    if len(part) != size:
        raise IndexError("a cell is cut off")
    return part


def integer(size: int, unsigned: bool) -> Reader:
    """Integers are little-endian."""

    def read(data: bytes, at: int) -> tuple[Value, int]:
        part = take(data, at, size)
        return int.from_bytes(part, "little", signed=not unsigned), at + size

    return read


def bits(meta: int) -> Reader:
    """BIT(n): (n + 7) // 8 bytes, big-endian; the metadata are whole bytes and bits beyond them."""
    whole, more = meta >> 8, meta & 0xFF
    size = whole + (more > 0)
    if more > 7 or not 1 <= 8 * whole + more <= 64:
        raise damaged("a BIT column of a size that there is not", f"{whole} bytes, {more} bits")

    def read(data: bytes, at: int) -> tuple[Value, int]:
        number = int.from_bytes(take(data, at, size), "big")
        if number >> (8 * whole + more):
            raise damaged("a BIT with more bits than its column", data[at : at + size].hex())
        return number, at + size

    return read


def read_float(data: bytes, at: int) -> tuple[Value, int]:
    """FLOAT: four bytes, little-endian."""
    return shortest_float32(struct.unpack_from("<f", data, at)[0]), at + 4


def read_double(data: bytes, at: int) -> tuple[Value, int]:
    """DOUBLE: eight bytes, little-endian."""
    return unsigned_zero(struct.unpack_from("<d", data, at)[0]), at + 8


def sized(length_size: int, convert: Callable[[bytes], Value]) -> Reader:
    """The length in ``length_size`` bytes, little-endian, then as many bytes."""

    def read(data: bytes, at: int) -> tuple[Value, int]:
        size = int.from_bytes(take(data, at, length_size), "little")
        start = at + length_size
        return convert(take(data, start, size)), start + size

    return read


def padded(size: int, convert: Callable[[bytes], Value]) -> Reader:
    """BINARY(n) and what is stored like it: the log leaves out the zeros at its end."""

    def whole(data: bytes) -> Value:
        if len(data) > size:
            raise damaged("a cell longer than its column", data.hex())
        return convert(data.ljust(size, b"\0"))

    return sized(1 if size < 256 else 2, whole)


def decimal(precision: int, scale: int) -> Reader:
    """DECIMAL(precision, scale)."""
    size = decimal_size(precision, scale)

    def read(data: bytes, at: int) -> tuple[Value, int]:
        return decimal_text(take(data, at, size), precision, scale), at + size

    return read


def decimal_size(precision: int, scale: int) -> int:
    """Bytes of a DECIMAL."""
    if not 0 <= scale <= precision <= 65 or not precision:
        raise damaged("a DECIMAL of a size that there is not", f"({precision},{scale})")
    return sum(
        4 * (digits // 9) + _DECIMAL_BYTES[digits % 9] for digits in (precision - scale, scale)
    )


def decimal_text(packed: bytes, precision: int, scale: int) -> str:
    """decimal2bin: groups of nine digits in four bytes, the sign in the first bit, inverted.

    The group that is not full is the first one before the point, and the last one behind it.
    """
    raw = bytearray(packed)
    negative = not raw[0] & 0x80
    raw[0] ^= 0x80
    if negative:
        raw = bytearray(byte ^ 0xFF for byte in raw)
    whole = precision - scale
    digits = ""
    place = 0
    for width in (whole % 9, *[9] * (whole // 9), *[9] * (scale // 9), scale % 9):
        size = _DECIMAL_BYTES[width]
        group = str(int.from_bytes(raw[place : place + size], "big")).rjust(width, "0")
        if len(group) > width and width:
            raise damaged("a DECIMAL with more digits than it has room for", packed.hex())
        digits += group if width else ""
        place += size
    before = digits[:whole].lstrip("0") or "0"
    return f"{'-' if negative else ''}{before}{'.' if scale else ''}{digits[whole:]}"
