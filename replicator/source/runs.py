"""Runs of rows with the same NULLs and only fixed-size cells: many rows by few calls. Pure.

A row image is a bitmap of NULLs and the cells that are not NULL. Where all of these have a fixed
size, rows with one bitmap stand at one stride, so a run of them is found by comparing every n-th
byte and unpacked by one ``struct``. What is not a number as it stands there (DATETIME, FLOAT) is
converted column by column, each distinct value once.

Layout: https://dev.mysql.com/doc/dev/mysql-server/latest/classbinary__log_1_1Rows__event.html
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Protocol

from replicator.change import Row, Value
from replicator.source.values import damaged, shortest_float32, unsigned_zero

_REMEMBERED = 65_536
_RELEARN = 32
_FLOAT_BITS, _FLOAT_BIAS = 23, 127
_DIGITS, _EXACT_POWER, _DENSE = 7, 22, 8.3
_ROUNDED = 6755399441055744.0  # 1.5 * 2**52: adding it rounds a double to a whole number
_DATE_SIGN = 0x400000
_CLOCK_BITS, _CLOCK_MASK = 17, 0x1FFFF
_PADDING = bytes(3)  # five bytes to eight


class Conversion(Protocol):
    """From what ``struct`` gives to canonical values."""

    def __getitem__(self, raw: Any, /) -> Value:
        """One cell."""

    def column(self, raw: Sequence[Any]) -> Sequence[Value]:
        """The cells of one column."""


class Floats:
    """FLOAT cells: four bytes to the shortest decimal with the same bits.

    Sensors report counts of a converter, so values recur: a bounded number is remembered. Where
    they do not recur, remembering costs more than converting, and is left off for a while.
    """

    def __init__(self) -> None:
        self._known: dict[bytes | None, Value] = {None: None}
        self._unlearned = 0

    def __getitem__(self, raw: bytes, /) -> Value:
        known = self._known.get(raw)
        return self._learned([raw])[0] if known is None else known

    def column(self, raw: Sequence[bytes | None]) -> Sequence[Value]:
        """All of a column."""
        try:
            return list(map(self._known.__getitem__, raw))
        except KeyError:
            new = [cell for cell in set(raw) if cell not in self._known and cell is not None]
        known = self._known
        fresh: dict[bytes | None, Value] = dict(zip(new, self._learned(new), strict=True))
        return [fresh[cell] if cell in fresh else known[cell] for cell in raw]

    def _learned(self, raw: Sequence[bytes]) -> Sequence[Value]:
        values = shortest_floats(raw)
        if len(self._known) < _REMEMBERED:
            self._known.update(zip(raw, values, strict=True))
            return values
        self._unlearned += len(raw)
        if self._unlearned > _RELEARN * _REMEMBERED:
            self._unlearned = 0
            self._known = {None: None}
        return values


class Datetimes:
    """DATETIME(0) cells: five bytes to ISO 8601 text, put together from the date and the clock."""

    def __init__(self) -> None:
        self._dates = Texts(_date_text)
        self._clocks = Texts(_clock_text)

    def __getitem__(self, raw: bytes, /) -> Value:
        return self._texts([raw])[0]

    def column(self, raw: Sequence[bytes | None]) -> Sequence[Value]:
        """All of a column; readings of one packet share their time."""
        cells = [cell for cell in set(raw) if cell is not None]
        known: dict[bytes | None, Value] = dict(zip(cells, self._texts(cells), strict=True))
        known[None] = None
        return list(map(known.__getitem__, raw))

    def _texts(self, cells: Sequence[bytes]) -> Sequence[str]:
        words = struct.unpack(f">{len(cells)}Q", b"".join([_PADDING + cell for cell in cells]))
        dates, clocks = self._dates, self._clocks
        return [dates[word >> _CLOCK_BITS] + clocks[word & _CLOCK_MASK] for word in words]


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


class Doubles:
    """DOUBLE cells: zero has no sign, as SELECT shows it."""

    def __getitem__(self, raw: float, /) -> Value:
        return unsigned_zero(raw)

    def column(self, raw: Sequence[float | None]) -> Sequence[Value]:
        """All of a column."""
        return [None if cell is None else unsigned_zero(cell) for cell in raw]


def shortest_floats(raw: Sequence[bytes]) -> Sequence[float]:
    """The shortest decimals of FLOAT cells, as ``shortest_float32`` finds them one by one.

    Most values are decimals of up to seven digits. For those the nearest decimal with seven is a
    whole number over a power of ten: multiplied, rounded and divided, all exact in a double where
    ``_SCALES`` has a factor. What does not give the same bits again goes one by one.
    """
    count = len(raw)
    joined = b"".join(raw)
    wide = struct.unpack(f"<{count}f", joined)
    scales = [_SCALES[bits >> _FLOAT_BITS & 0xFF] for bits in struct.unpack(f"<{count}I", joined)]
    if 0.0 in scales:
        return [_one_float(value) for value in wide]
    shown = [
        ((value * scale + _ROUNDED) - _ROUNDED) / scale
        for value, scale in zip(wide, scales, strict=True)
    ]
    again = struct.pack(f"<{count}f", *shown)
    if again != joined:
        for place in range(count):
            if again[4 * place : 4 * place + 4] != raw[place]:
                shown[place] = _one_float(wide[place])
    return shown


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

    ``places``  of the cells that are not NULL, among ``count`` columns
    ``layout``  their struct codes
    """

    def __init__(self, nulls: bytes, count: int, places: Sequence[int], layout: str) -> None:
        self._nulls = nulls
        self._row = struct.Struct(f"<{len(nulls)}x{layout}")
        taken = iter(range(len(places)))
        # The place of each column among the unpacked cells; behind them stands a None.
        order = [next(taken) if place in places else len(places) for place in range(count)]
        self._spread = itemgetter(*order) if len(places) < count > 1 else None

    def take(self, body: bytes, at: int, rows: list[Row]) -> int:
        """Append the rows from an offset on that have this bitmap, as unpacked; the offset behind.

        Raises IndexError where not even one is whole.
        """
        stride = self._row.size
        count = min((len(body) - at) // stride, self._alike(body, at))
        if not count:
            raise IndexError("the last row is cut off")
        end = at + count * stride
        unpacked = self._row.iter_unpack(body[at:end])
        if self._spread is None:
            rows += unpacked
        else:
            rows += [self._spread((*cells, None)) for cells in unpacked]
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


def converted(rows: list[Row], conversions: Sequence[tuple[int, Conversion]]) -> Sequence[Row]:
    """Rows as unpacked with canonical values at the places of the conversions."""
    if len(rows) == 1:
        cells = list(rows[0])
        for place, conversion in conversions:
            if cells[place] is not None:
                cells[place] = conversion[cells[place]]
        return [tuple(cells)]
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    for place, conversion in conversions:
        columns[place] = conversion.column(columns[place])
    return list(zip(*columns, strict=True))
