"""Cells of row images to canonical values (docs/values.md). Pure.

Every reader takes the event's bytes and an offset and returns the value and the offset behind it.
Layouts: https://dev.mysql.com/doc/dev/mysql-server/latest/ (Field::pack of each type), the packed
temporal types as in "Date and Time Data Type Representation" of the MySQL internals manual.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from replicator.change import Value
from replicator.errors import Unsupported
from replicator.source import tablemap as t
from replicator.source.charsets import BINARY, text_converter

Reader = Callable[[bytes, int], tuple[Value, int]]

LOOK_HINT = (
    "look with `mariadb-binlog --verify-binlog-checksum`; `replicator heal` goes on behind it"
)
_INTEGERS = {t.TINY: 1, t.SHORT: 2, t.INT24: 3, t.LONG: 4, t.LONGLONG: 8}
_TRIMMED_DIGITS = (6, 7, 8)  # six show a shorter form too, where there is one
_FEW_DIGITS = range(1, 9)
_NORMAL = 2.0**-126
_DECIMAL_BYTES = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)


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
    number = int.from_bytes(_take(data, at, size), "big")
    return "." + f"{number:0{2 * size}d}"[:digits], at + size


def _take(data: bytes, at: int, size: int) -> bytes:
    part = data[at : at + size]
    if len(part) != size:
        raise IndexError("a cell is cut off")
    return part


def _integer(size: int, unsigned: bool) -> Reader:
    def read(data: bytes, at: int) -> tuple[Value, int]:
        part = _take(data, at, size)
        return int.from_bytes(part, "little", signed=not unsigned), at + size

    return read


def _datetime(digits: int) -> Reader:
    def read(data: bytes, at: int) -> tuple[Value, int]:
        packed = int.from_bytes(_take(data, at, 5), "big") - 0x8000000000
        if packed < 0:
            raise damaged("a DATETIME before year 0", data[at : at + 5].hex())
        fraction, end = fraction_text(data, at + 5, digits)
        return datetime_text(packed, fraction), end

    return read


def _old_datetime(data: bytes, at: int) -> tuple[Value, int]:
    number = int.from_bytes(_take(data, at, 8), "little")
    day, clock = divmod(number, 1_000_000)
    text = (
        f"{day // 10_000:04d}-{day // 100 % 100:02d}-{day % 100:02d}"
        f"T{clock // 10_000:02d}:{clock // 100 % 100:02d}:{clock % 100:02d}"
    )
    return text, at + 8


def _date(data: bytes, at: int) -> tuple[Value, int]:
    number = int.from_bytes(_take(data, at, 3), "little")
    return f"{number >> 9:04d}-{number >> 5 & 15:02d}-{number & 31:02d}", at + 3


def _year(data: bytes, at: int) -> tuple[Value, int]:
    return (1900 + data[at] if data[at] else 0), at + 1


def _float(data: bytes, at: int) -> tuple[Value, int]:
    return shortest_float32(struct.unpack_from("<f", data, at)[0]), at + 4


def _double(data: bytes, at: int) -> tuple[Value, int]:
    return unsigned_zero(struct.unpack_from("<d", data, at)[0]), at + 8


def _bytes(length_size: int, convert: Callable[[bytes], str]) -> Reader:
    def read(data: bytes, at: int) -> tuple[Value, int]:
        size = int.from_bytes(_take(data, at, length_size), "little")
        start = at + length_size
        return convert(_take(data, start, size)), start + size

    return read


def _padded(size: int) -> Reader:
    """BINARY(n): the log leaves out the zeros at its end."""
    convert = text_converter(BINARY)
    return _bytes(1 if size < 256 else 2, lambda data: convert(data.ljust(size, b"\0")))


def _decimal(precision: int, scale: int) -> Reader:
    """decimal2bin: groups of nine digits in four bytes, the sign in the first bit, inverted."""
    whole, broken = precision - scale, scale
    sizes = [_DECIMAL_BYTES[whole % 9], *[4] * (whole // 9)]
    total = sum(sizes) + 4 * (broken // 9) + _DECIMAL_BYTES[broken % 9]

    def read(data: bytes, at: int) -> tuple[Value, int]:
        raw = bytearray(_take(data, at, total))
        negative = not raw[0] & 0x80
        raw[0] ^= 0x80
        if negative:
            raw = bytearray(byte ^ 0xFF for byte in raw)
        place = 0
        digits = ""
        for size, width in zip(sizes, [whole % 9, *[9] * (whole // 9)], strict=True):
            digits += (
                f"{int.from_bytes(raw[place : place + size], 'big'):0{width}d}" if width else ""
            )
            place += size
        digits = digits.lstrip("0") or "0"
        tail = ""
        for width in [*[9] * (broken // 9), broken % 9]:
            size = 4 if width == 9 else _DECIMAL_BYTES[width]
            tail += f"{int.from_bytes(raw[place : place + size], 'big'):0{width}d}" if width else ""
            place += size
        return f"{'-' if negative else ''}{digits}{'.' if scale else ''}{tail}", at + total

    return read


def _timestamp(digits: int) -> Reader:
    def read(data: bytes, at: int) -> tuple[Value, int]:
        seconds = int.from_bytes(_take(data, at, 4), "big")
        fraction, end = fraction_text(data, at + 4, digits)
        return _utc(seconds, fraction), end

    return read


def _old_timestamp(data: bytes, at: int) -> tuple[Value, int]:
    return _utc(int.from_bytes(_take(data, at, 4), "little"), ""), at + 4


def _utc(seconds: int, fraction: str) -> str:
    if seconds == 0 and not fraction.strip(".0"):
        return f"0000-00-00T00:00:00{fraction}Z"
    days, rest = divmod(seconds, 86_400)
    year, month, day = _civil(days)
    return (
        f"{year:04d}-{month:02d}-{day:02d}"
        f"T{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}{fraction}Z"
    )


def _civil(days: int) -> tuple[int, int, int]:
    """Days since 1970-01-01 as year, month, day (Gregorian calendar)."""
    days += 719_468
    era, day_of_era = divmod(days, 146_097)
    year_of_era = day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096
    year_of_era //= 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month, day


def reader(column: t.MappedColumn, charset: str | None, unsigned: bool) -> Reader:
    """The reader of one column's cells. Raises Unsupported for a type that is not decoded yet."""
    kind, meta = column.type, column.meta
    if kind in _INTEGERS:
        return _integer(_INTEGERS[kind], unsigned)
    if kind in _PLAIN:
        return _PLAIN[kind]
    match kind:
        case t.DATETIME2:
            return _datetime(meta)
        case t.TIMESTAMP2:
            return _timestamp(meta)
        case t.NEWDECIMAL:
            return _decimal(meta >> 8, meta & 0xFF)
        case t.STRING if charset == BINARY:
            return _padded(meta)
        case t.VARCHAR | t.VAR_STRING | t.STRING:
            return _bytes(1 if meta < 256 else 2, text_converter(charset or ""))
        case t.BLOB:
            return _bytes(meta, text_converter(charset or ""))
    raise Unsupported("a column type that is not decoded yet", f"type code {kind}")


_PLAIN: dict[int, Reader] = {
    t.FLOAT: _float,
    t.DOUBLE: _double,
    t.DATE: _date,
    t.DATETIME: _old_datetime,
    t.TIMESTAMP: _old_timestamp,
    t.YEAR: _year,
}
