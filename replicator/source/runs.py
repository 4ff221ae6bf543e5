"""Runs of rows with the same NULLs and only fixed-size cells: many rows by few calls. Pure.

A row image is a bitmap of NULLs and the cells that are not NULL. Where all of these have a fixed
size, rows with one bitmap stand at one stride, so a run of them is found by comparing every n-th
byte and unpacked by one ``struct``. What is not a number as it stands there (DATETIME, FLOAT) is
looked up among the conversions made before.

Layout: https://dev.mysql.com/doc/dev/mysql-server/latest/classbinary__log_1_1Rows__event.html
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from replicator.change import Row, Value
from replicator.source.values import damaged, shortest_float32, unsigned_zero

_REMEMBERED = 65_536
_FLOAT = struct.Struct("<f")
_FLOAT_BITS, _FLOAT_BIAS = 23, 127
_DIGITS, _EXACT_POWER, _DENSE = 7, 22, 8.3
_ROUNDED = 6755399441055744.0  # 1.5 * 2**52: adding it rounds a double to a whole number
_DATE_SIGN = 0x400000
_CLOCK_BITS, _CLOCK_MASK = 17, 0x1FFFF


class Conversions(dict[Any, Value]):
    """A bounded memory of conversions: times of one packet and counts of a converter recur."""

    def __init__(self, convert: Callable[[Any], Value]) -> None:
        super().__init__()
        self._convert = convert

    def __missing__(self, raw: Any) -> Value:
        if len(self) >= _REMEMBERED:
            self.clear()
        value = self[raw] = self._convert(raw)
        return value


def floats() -> Conversions:
    """FLOAT cells, as their 32 bits, to the shortest decimal with the same bits."""
    return Conversions(shortest_float)


def doubles() -> Conversions:
    """DOUBLE cells: zero has no sign, as SELECT shows it."""
    return Conversions(unsigned_zero)


class Datetimes(Conversions):
    """DATETIME(0) cells: five bytes to ISO 8601 text, put together from the date and the clock."""

    def __init__(self) -> None:
        super().__init__(self.__missing__)
        self._dates, self._clocks = Texts(_date_text), Texts(_clock_text)

    def __missing__(self, raw: bytes) -> Value:
        if len(self) >= _REMEMBERED:
            self.clear()
        packed = int.from_bytes(raw, "big")
        text = self._dates[packed >> _CLOCK_BITS] + self._clocks[packed & _CLOCK_MASK]
        self[raw] = text
        return text


class Texts(dict[int, str]):
    """A bounded memory of numbers as text."""

    def __init__(self, text: Callable[[int], str]) -> None:
        super().__init__()
        self._text = text

    def __missing__(self, number: int) -> str:
        if len(self) >= _REMEMBERED:
            self.clear()
        text = self[number] = self._text(number)
        return text


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


def _clock_text(clock: int) -> str:
    return f"T{clock >> 12:02d}:{clock >> 6 & 63:02d}:{clock & 63:02d}"


class Run:
    """The rows with one bitmap of NULLs.

    ``places``       of the cells that are not NULL, among ``count`` columns
    ``layout``       their struct codes
    ``conversions``  by place, of those that are not values as they stand there
    """

    def __init__(
        self,
        nulls: bytes,
        count: int,
        places: Sequence[int],
        layout: str,
        conversions: Mapping[int, Conversions],
    ) -> None:
        self._nulls = nulls
        self._row = struct.Struct(f"<{len(nulls)}x{layout}")
        self._rows = _compiled(count, places, conversions)

    def take(self, body: bytes, at: int, rows: list[Row]) -> int:
        """Append the rows from an offset on that have this bitmap; the offset behind them.

        Raises IndexError where not even one is whole.
        """
        stride = self._row.size
        count = min((len(body) - at) // stride, self._alike(body, at))
        if not count:
            raise IndexError("the last row is cut off")
        end = at + count * stride
        rows += self._rows(self._row.iter_unpack(body[at:end]))
        return end

    def _alike(self, body: bytes, at: int) -> int:
        """How many bitmaps from here on, a stride apart, are this one."""
        stride, nulls = self._row.size, self._nulls
        if len(nulls) == 1:
            bitmaps = body[at::stride]
            return len(bitmaps) - len(bitmaps.lstrip(nulls))
        place = at
        while body[place : place + len(nulls)] == nulls:
            place += stride
        return (place - at) // stride


def _compiled(
    count: int, places: Sequence[int], conversions: Mapping[int, Conversions]
) -> Callable[[Iterable[tuple[Any, ...]]], list[Row]]:
    """Code for one layout, as one list comprehension: three times as fast as a loop over cells.

    Made of numbers alone: for columns 0, 2 and 3 of four, the first of them converted,
    ``[(m0[c0], None, c2, c3,) for c0, c2, c3, in unpacked]``.
    """
    if not places:
        nothing = (None,) * count
        return lambda unpacked: [nothing for _ in unpacked]
    taken = "".join(f"c{place:d}, " for place in places)
    present = frozenset(places)
    made = "".join(
        f"m{place:d}[c{place:d}], "
        if place in present and place in conversions
        else (f"c{place:d}, " if place in present else "None, ")
        for place in range(count)
    )
    memories = {f"m{place:d}": conversions[place] for place in places if place in conversions}
    source = f"lambda unpacked: [({made}) for {taken}in unpacked]"
    compiled: Callable[[Iterable[tuple[Any, ...]]], list[Row]] = eval(source, memories)  # noqa: S307  # no text of others in it
    return compiled
