"""Cells that are not values as they stand in a row image: times and floats, and their memory. Pure.

Times of one packet and counts of a converter recur, so conversions are remembered, boundedly.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from replicator.change import Value
from replicator.source.values import damaged, shortest_float32, unsigned_zero

_REMEMBERED = 65_536
_FLOAT = struct.Struct("<f")
_FLOAT_BITS, _FLOAT_BIAS = 23, 127
_DIGITS, _EXACT_POWER, _DENSE = 7, 22, 8.3
_ROUNDED = 6755399441055744.0  # 1.5 * 2**52: adding it rounds a double to a whole number
_DATE_SIGN = 0x400000
_DATETIME = struct.Struct(">BI")
_CLOCK_BITS, _LOW_DATE_BITS = 17, 15
_MINUTES = tuple(f"T{minute >> 6:02d}:{minute & 63:02d}" for minute in range(1 << 11))
_SECONDS = tuple(f":{second:02d}" for second in range(1 << 6))


class Conversions(dict[Any, Value]):
    """A bounded memory of conversions, for cells one by one.

    ``steady_bytes``  how many of a cell's first bytes must be the same in all rows of ``column``
    ``rest``          the struct code that skips those
    """

    steady_bytes = 0
    rest = ""

    def __init__(self, convert: Callable[[Any], Value]) -> None:
        super().__init__()
        self._convert = convert

    def __missing__(self, raw: Any) -> Value:
        if len(self) >= _REMEMBERED:
            self.clear()
        value = self[raw] = self._convert(raw)
        return value

    def column(self, same: bytes, cells: Sequence[Any]) -> Sequence[Value]:  # noqa: ARG002  # for others
        """Two or more cells of one column: the bytes that are the same in all, and the rest."""
        converted: tuple[Value, ...] = itemgetter(*cells)(self)
        return converted


def floats() -> Conversions:
    """FLOAT cells, as their 32 bits, to the shortest decimal with the same bits."""
    return Conversions(shortest_float)


def doubles() -> Conversions:
    """DOUBLE cells: zero has no sign, as SELECT shows it."""
    return Conversions(unsigned_zero)


class Datetimes(Conversions):
    """DATETIME(0) cells: five bytes to ISO 8601 text.

    One bit for years from 0 on, 17 bits of year * 13 + month, 5 of day, 5 of hour, 6 of minute, 6
    of second. The first three bytes, the same for half a day, leave 16 bits.
    """

    steady_bytes = 3
    rest = "3xH"

    def __init__(self) -> None:
        super().__init__(self._one)
        self._dates = Conversions(_date_text)

    def _one(self, cell: bytes) -> Value:
        high, low = _DATETIME.unpack(cell)
        date = self._dates[high << _LOW_DATE_BITS | low >> _CLOCK_BITS]
        return f"{date}{_MINUTES[low >> 6 & 0x7FF]}{_SECONDS[low & 63]}"

    def column(self, same: bytes, cells: Sequence[int]) -> Sequence[Value]:
        first = int.from_bytes(same, "big")
        date, late = str(self._dates[first >> 1]), first & 1
        clocks = _clocks(late)
        return [date + clocks[cell] for cell in cells]


@lru_cache(maxsize=2)  # two megabytes each, the same for all columns
def _clocks(late: int) -> Sequence[str]:
    """The clock's text for each last two bytes, as a little-endian number."""
    minutes = _MINUTES[late << 10 : (late + 1) << 10]
    return [minute + _SECONDS[low & 63] for low in range(256) for minute in minutes[low >> 6 :: 4]]


def shortest_float(bits: int) -> float:
    """As ``shortest_float32``, faster for most.

    Most values are decimals of up to seven digits. For those the nearest decimal with seven is a
    whole number over a power of ten: multiplied, rounded and divided, all exact in a double where
    ``_SCALES`` has a factor.
    """
    raw = bits.to_bytes(4, "little")
    (value,) = _FLOAT.unpack(raw)
    scale = _SCALES[bits >> _FLOAT_BITS & 0xFF]
    if scale:
        shown = ((value * scale + _ROUNDED) - _ROUNDED) / scale
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


_SCALES = tuple(_scale(exponent) for exponent in range(256))


def _date_text(signed: int) -> str:
    """Of 23 bits, the first of them set for years from 0 on."""
    day = signed - _DATE_SIGN
    if day < 0:
        raise damaged("a DATETIME before year 0", hex(signed))
    year, month = divmod(day >> 5, 13)
    return f"{year:04d}-{month:02d}-{day & 31:02d}"
