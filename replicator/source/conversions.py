"""Cells that are not values as they stand in a row image: times and floats, and their memory. Pure.

Times of one packet and counts of a converter recur, so conversions are remembered, boundedly.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from replicator.change import Value
from replicator.source.values import damaged, shortest_float32, unsigned_zero

_REMEMBERED = 65_536
_FLOAT = struct.Struct("<f")
FLOAT_BITS, _FLOAT_BIAS = 23, 127
_DIGITS, _EXACT_POWER, _DENSE = 7, 22, 8.3
ROUNDED = 6755399441055744.0  # 1.5 * 2**52: adding it rounds a double to a whole number
_DATE_SIGN = 0x400000
_CLOCK_BITS, _HALF_DAY_BITS = 17, 16
_MINUTES = tuple(f"T{minute >> 6:02d}:{minute & 63:02d}" for minute in range(1 << 11))
_SECONDS = tuple(f":{second:02d}" for second in range(1 << 6))


class Conversions(dict[Any, Value]):
    """A bounded memory of conversions."""

    def __init__(self, convert: Callable[[Any], Value]) -> None:
        super().__init__()
        self._convert = convert

    def __missing__(self, raw: Any) -> Value:
        if len(self) >= _REMEMBERED:
            self.clear()
        value = self[raw] = self._convert(raw)
        return value


class Floats(Conversions):
    """FLOAT cells, as their 32 bits, to the shortest decimal with the same bits."""

    def __init__(self) -> None:
        super().__init__(shortest_float)


class Doubles(Conversions):
    """DOUBLE cells: zero has no sign, as SELECT shows it."""

    def __init__(self) -> None:
        super().__init__(unsigned_zero)


class Datetimes(Conversions):
    """DATETIME(0) cells: five bytes to ISO 8601 text.

    One bit for years from 0 on, 17 bits of year * 13 + month, 5 of day, 5 of hour, 6 of minute, 6
    of second. The first three bytes, the same for half a day, leave 16 bits.
    """

    def __init__(self) -> None:
        super().__init__(self._one)
        self._dates = Conversions(_date_text)

    def _one(self, cell: bytes) -> Value:
        return self._text(int.from_bytes(cell, "big"))

    def _text(self, packed: int) -> str:
        minute = _MINUTES[packed >> 6 & 0x7FF]
        return f"{self._dates[packed >> _CLOCK_BITS]}{minute}{_SECONDS[packed & 63]}"

    def texts(self, packed: Sequence[int]) -> list[Value]:
        """Of one or more cells as numbers; fast where they are of the same half day."""
        half_day = packed[0] >> _HALF_DAY_BITS
        if half_day != min(packed) >> _HALF_DAY_BITS or half_day != max(packed) >> _HALF_DAY_BITS:
            return list(map(self._text, packed))
        date = str(self._dates[packed[0] >> _CLOCK_BITS])
        clocks = _clocks(half_day & 1)
        return [date + clocks[number & 0xFFFF] for number in packed]


@lru_cache(maxsize=2)  # two megabytes each, the same for all columns
def _clocks(late: int) -> Sequence[str]:
    """The clock's text for each last 16 bits."""
    minutes = _MINUTES[late << 10 : (late + 1) << 10]
    return [minute + second for minute in minutes for second in _SECONDS]


def shortest_float(bits: int) -> float:
    """As ``shortest_float32``, faster for most.

    Most values are decimals of up to seven digits. For those the nearest decimal with seven is a
    whole number over a power of ten: multiplied, rounded and divided, all exact in a double where
    ``SCALES`` has a factor.
    """
    raw = bits.to_bytes(4, "little")
    (value,) = _FLOAT.unpack(raw)
    scale = SCALES[bits >> FLOAT_BITS & 0xFF]
    if scale:
        shown = ((value * scale + ROUNDED) - ROUNDED) / scale
        if _FLOAT.pack(shown) == raw:
            return float(shown)
    return _one_float(value)


def _one_float(value: float) -> float:
    if not math.isfinite(value):
        raise damaged("a FLOAT that is no number", repr(value))
    return shortest_float32(value)


def _scale(exponent: int) -> float:
    """The power of ten that leaves seven digits before the point, 0.0 where that is not sure.

    ``exponent``: of a float32, with its bias. Not sure: where the power is inexact in a double, and
    just below a power of ten, where float32 values lie wider apart than decimals of seven digits,
    so that a decimal of six could be missed.
    """
    lowest = 2.0 ** (exponent - _FLOAT_BIAS)
    decade = math.floor(math.log10(lowest))
    places = _DIGITS - 1 - decade
    if not 0 <= places <= _EXACT_POWER or lowest / 10.0**decade > _DENSE:
        return 0.0
    return 10.0**places


SCALES = tuple(_scale(exponent) for exponent in range(256))


def _date_text(signed: int) -> str:
    """Of 23 bits, the first of them set for years from 0 on."""
    day = signed - _DATE_SIGN
    if day < 0:
        raise damaged("a DATETIME before year 0", hex(signed))
    year, month = divmod(day >> 5, 13)
    return f"{year:04d}-{month:02d}-{day & 31:02d}"
