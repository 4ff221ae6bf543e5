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
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from replicator.change import Row, Value
from replicator.source.values import damaged, shortest_float32, unsigned_zero

_REMEMBERED = 65_536
_DATETIME_SIGN = 0x8000000000
_CLOCK_BITS = 17
_ODD = ("e-3", "e-4", "n")  # maybe less than six digits, inf, nan: rare enough to go one by one


class Conversion(Protocol):
    """From what ``struct`` gives to canonical values."""

    def __getitem__(self, raw: Any, /) -> Value:
        """One cell."""

    def column(self, raw: Sequence[Any]) -> Sequence[Value]:
        """The cells of one column."""


class Memory(dict[bytes, Value]):
    """A bounded memory of conversions: neighbouring rows repeat times and values."""

    def __init__(self, convert: Callable[[Sequence[bytes]], Sequence[Value]]) -> None:
        super().__init__()
        self._convert = convert

    def __missing__(self, raw: bytes) -> Value:
        self._learn([raw])
        return self[raw]

    def column(self, raw: Sequence[bytes]) -> Sequence[Value]:
        """The values of a column; what is new is converted at once."""
        known = list(map(self.get, raw))
        if None not in known:
            return known
        if len(self) + len(raw) > _REMEMBERED:
            self.clear()
        self._learn([cell for cell in set(raw) if cell not in self])
        return list(map(self.get, raw))

    def _learn(self, new: Sequence[bytes]) -> None:
        if len(self) + len(new) > _REMEMBERED:
            self.clear()
        self.update(zip(new, self._convert(new), strict=True))


class Doubles:
    """DOUBLE cells: zero has no sign, as SELECT shows it."""

    def __getitem__(self, raw: float, /) -> Value:
        return unsigned_zero(raw)

    def column(self, raw: Sequence[float]) -> Sequence[Value]:
        """All of a column."""
        return list(map(unsigned_zero, raw))


def float_memory() -> Memory:
    """For FLOAT cells: four bytes to the shortest decimal with the same bits."""
    return Memory(shortest_floats)


def datetime_memory() -> Memory:
    """For DATETIME(0) cells: five bytes to ISO 8601 text."""
    dates: dict[int, str] = {}
    clocks: dict[int, str] = {}

    def convert(raw: Sequence[bytes]) -> Sequence[Value]:
        return [_datetime(cell, dates, clocks) for cell in raw]

    return Memory(convert)


def shortest_floats(raw: Sequence[bytes]) -> Sequence[float]:
    """The shortest decimals of FLOAT cells: all with six digits, then what that did not give."""
    count = len(raw)
    joined = b"".join(raw)
    wide = struct.unpack(f"<{count}f", joined)
    text = ("%.6g " * count) % wide
    if any(part in text for part in _ODD):
        return [_one_float(value) for value in wide]
    shown = [float(part) + 0.0 for part in text.split()]  # + 0.0: zero has no sign
    try:
        again = struct.pack(f"<{count}f", *shown)
    except OverflowError:  # rounded up beyond the largest FLOAT
        return [_one_float(value) for value in wide]
    if again != joined:
        for place in range(count):
            if again[4 * place : 4 * place + 4] != raw[place]:
                shown[place] = _one_float(wide[place])
    return shown


def _one_float(value: float) -> float:
    if not math.isfinite(value):
        raise damaged("a FLOAT that is no number", repr(value))
    return shortest_float32(value)


def _datetime(raw: bytes, dates: dict[int, str], clocks: dict[int, str]) -> str:
    packed = int.from_bytes(raw, "big") - _DATETIME_SIGN
    if packed < 0:
        raise damaged("a DATETIME before year 0", raw.hex())
    day, clock = packed >> _CLOCK_BITS, packed & (1 << _CLOCK_BITS) - 1
    date, time = dates.get(day), clocks.get(clock)
    if date is None:
        date = _remember(dates, day, _date_text(day))
    if time is None:
        time = _remember(clocks, clock, _clock_text(clock))
    return date + time


def _remember(memory: dict[int, str], key: int, text: str) -> str:
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[key] = text
    return text


def _date_text(day: int) -> str:
    year, month = divmod(day >> 5, 13)
    return f"{year:04d}-{month:02d}-{day & 31:02d}"


def _clock_text(clock: int) -> str:
    return f"T{clock >> 12:02d}:{clock >> 6 & 63:02d}:{clock & 63:02d}"


class Run:
    """The rows with one bitmap of NULLs.

    ``places``     of the cells that are not NULL, among ``count`` columns
    ``layout``     their struct codes
    ``converted``  (place among them, conversion) of those that are not numbers as they stand there
    """

    def __init__(
        self,
        nulls: bytes,
        count: int,
        places: Sequence[int],
        layout: str,
        converted: Sequence[tuple[int, Conversion]],
    ) -> None:
        self._nulls = nulls
        self._count = count
        self._places = None if len(places) == count else places
        self._converted = converted
        self._row = struct.Struct(f"<{len(nulls)}x{layout}")

    def take(self, body: bytes, at: int, rows: list[Row]) -> int:
        """Append the rows from an offset on that have this bitmap; the offset behind them.

        Raises IndexError where not even one is whole.
        """
        stride = self._row.size
        count = min((len(body) - at) // stride, self._alike(body, at))
        if not count:
            raise IndexError("the last row is cut off")
        end = at + count * stride
        if count == 1:
            rows.append(self._one(self._row.unpack_from(body, at)))
        else:
            rows += self._many(body[at:end], count)
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

    def _one(self, unpacked: Sequence[Any]) -> Row:
        cells = list(unpacked)
        for place, conversion in self._converted:
            cells[place] = conversion[cells[place]]
        if self._places is None:
            return tuple(cells)
        row: list[Value] = [None] * self._count
        for place, cell in zip(self._places, cells, strict=True):
            row[place] = cell
        return tuple(row)

    def _many(self, images: bytes, count: int) -> Iterator[Row]:
        columns: list[Iterable[Value]] = list(zip(*self._row.iter_unpack(images), strict=True))
        for place, conversion in self._converted:
            columns[place] = conversion.column(columns[place])  # type: ignore[arg-type]  # a tuple
        if self._places is not None:
            spread: list[Iterable[Value]] = [[None] * count] * self._count
            for place, column in zip(self._places, columns, strict=True):
                spread[place] = column
            columns = spread
        return zip(*columns, strict=True)
