"""Dates and times of row images to canonical text. Pure.

Packed types: "Date and Time Data Type Representation" in the MySQL internals manual; the old ones
(before MySQL 5.6, MariaDB 10.1) as Field_datetime, Field_time and Field_timestamp store them.
"""

from __future__ import annotations

from replicator.change import Value
from replicator.source.values import Reader, damaged, datetime_text, fraction_text, take


def read_date(data: bytes, at: int) -> tuple[Value, int]:
    """DATE: 15 bits of year, 4 of month, 5 of day, little-endian."""
    number = int.from_bytes(take(data, at, 3), "little")
    return f"{number >> 9:04d}-{number >> 5 & 15:02d}-{number & 31:02d}", at + 3


def read_year(data: bytes, at: int) -> tuple[Value, int]:
    """YEAR: years since 1900, 0 is 0."""
    return (1900 + data[at] if data[at] else 0), at + 1


def datetime(digits: int) -> Reader:
    """DATETIME(digits)."""

    def read(data: bytes, at: int) -> tuple[Value, int]:
        packed = int.from_bytes(take(data, at, 5), "big") - 0x8000000000
        if packed < 0:
            raise damaged("a DATETIME before year 0", data[at : at + 5].hex())
        fraction, end = fraction_text(data, at + 5, digits)
        return datetime_text(packed, fraction), end

    return read


def timestamp(digits: int) -> Reader:
    """TIMESTAMP(digits): seconds, big-endian; without a sign, as MariaDB 11.5 writes them."""

    def read(data: bytes, at: int) -> tuple[Value, int]:
        seconds = int.from_bytes(take(data, at, 4), "big")
        fraction, end = fraction_text(data, at + 4, digits)
        return _utc(seconds, fraction), end

    return read


def time(digits: int) -> Reader:
    """TIME(digits): 24 bits and the fraction, as one number around the middle of its range.

    Its amount is 10 bits of hours, 6 of minutes, 6 of seconds, and the fraction.
    """
    more = 8 * ((digits + 1) // 2)

    def read(data: bytes, at: int) -> tuple[Value, int]:
        size = 3 + more // 8
        number = int.from_bytes(take(data, at, size), "big") - (0x800000 << more)
        amount = abs(number)
        clock = amount >> more
        rest = (amount & (1 << more) - 1).to_bytes(more // 8, "big")
        fraction, _ = fraction_text(rest, 0, digits)
        return clock_text(number < 0, clock, fraction), at + size

    return read


def clock_text(negative: bool, clock: int, fraction: str) -> str:
    """10 bits of hours, 6 of minutes, 6 of seconds."""
    return (
        f"{'-' if negative else ''}{clock >> 12 & 1023:02d}:{clock >> 6 & 63:02d}:{clock & 63:02d}"
        f"{fraction}"
    )


def read_old_datetime(data: bytes, at: int) -> tuple[Value, int]:
    """The decimal number YYYYMMDDhhmmss in eight bytes."""
    day, clock = divmod(int.from_bytes(take(data, at, 8), "little"), 1_000_000)
    text = (
        f"{day // 10_000:04d}-{day // 100 % 100:02d}-{day % 100:02d}"
        f"T{clock // 10_000:02d}:{clock // 100 % 100:02d}:{clock % 100:02d}"
    )
    return text, at + 8


def read_old_time(data: bytes, at: int) -> tuple[Value, int]:
    """The decimal number hhmmss in three bytes, with a sign."""
    number = int.from_bytes(take(data, at, 3), "little", signed=True)
    amount = abs(number)
    sign = "-" if number < 0 else ""
    clock = f"{amount // 10_000:02d}:{amount // 100 % 100:02d}:{amount % 100:02d}"
    return sign + clock, at + 3


def read_old_timestamp(data: bytes, at: int) -> tuple[Value, int]:
    """Seconds in four bytes."""
    return _utc(int.from_bytes(take(data, at, 4), "little"), ""), at + 4


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
