"""Runs of rows with the same NULLs and only fixed-size cells: many rows by few calls. Pure.

A row image is a bitmap of NULLs and the cells that are not NULL. Where all of these have a fixed
size, rows with one bitmap stand at one stride, so a run of them is found by comparing every n-th
byte and unpacked by one ``struct``: a long run column by column, a short one row by row.

Layout: https://dev.mysql.com/doc/dev/mysql-server/latest/classbinary__log_1_1Rows__event.html
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import Any

from replicator.change import Row
from replicator.source.conversions import Conversions

_LONG, _LONGEST = 24, 768  # rows that are taken column by column
_STEP = 32  # a long run is unpacked with some of what follows it: fewer layouts to keep


class Runs:
    """Row images of a table whose columns all have fixed sizes.

    ``codes``        the columns' struct codes
    ``conversions``  by column, for those whose cells are not values as they stand there
    """

    def __init__(self, codes: Sequence[str], conversions: Mapping[int, Conversions]) -> None:
        self._codes = codes
        self._conversions = conversions
        self._width = (len(codes) + 7) // 8
        self._layouts: dict[bytes, Layout] = {}

    def rows(self, body: bytes, at: int) -> list[Row]:
        """The rows from an offset to the end. Raises IndexError where the last one is cut off.

        Rows with the same NULLs are made together, wherever they stand.
        """
        known = self._layouts.get(body[at : at + self._width])
        if known is not None and len(body) - at == known.size:  # a row alone, as loggers write
            return known.row(body, at)
        order: list[tuple[Layout, int]] = []
        parts: dict[Layout, list[bytes]] = {}
        while at < len(body):
            nulls = body[at : at + self._width]
            layout = self._layouts.get(nulls) or self._layout(nulls)
            end = layout.end(body, at)
            part = body[at:end]
            order.append((layout, (end - at) // layout.size))
            parts.setdefault(layout, []).append(part)
            at = end
        if len(order) == 1:
            return layout.rows(part)
        made = {layout: layout.rows(b"".join(some)) for layout, some in parts.items()}
        taken = dict.fromkeys(made, 0)
        rows: list[Row] = []
        for layout, count in order:
            first = taken[layout]
            taken[layout] = first + count
            rows += made[layout][first : first + count]
        return rows

    def _layout(self, nulls: bytes) -> Layout:
        if len(nulls) != self._width:
            raise IndexError("a null bitmap is cut off")
        layout = self._layouts[nulls] = Layout(nulls, self._codes, self._conversions)
        return layout


class Layout:
    """The images of rows with one bitmap of NULLs; ``size``: bytes of one."""

    def __init__(
        self, nulls: bytes, codes: Sequence[str], conversions: Mapping[int, Conversions]
    ) -> None:
        self._nulls = nulls
        self._count = len(codes)
        self._places = [i for i in range(len(codes)) if not nulls[i // 8] >> (i % 8) & 1]
        self._conversions = {i: conversions[i] for i in self._places if i in conversions}
        self._row = struct.Struct(f"<{len(nulls)}x" + "".join(codes[i] for i in self._places))
        self._short = _compiled(self._count, self._places, self._conversions)
        self._in_columns, self._steady = self._column_layout(codes)
        self._long: dict[int, struct.Struct] = {}
        self.size = self._row.size

    def _column_layout(self, codes: Sequence[str]) -> tuple[str, Mapping[int, Sequence[int]]]:
        """Struct codes for columns, and by column the offsets of bytes that must stay the same."""
        layout = f"{len(self._nulls)}x"
        steady = {}
        for place in self._places:
            conversion = self._conversions.get(place)
            if conversion is None or not conversion.steady_bytes:
                layout += codes[place]
                continue
            offset = struct.calcsize("<" + layout)
            steady[place] = range(offset, offset + conversion.steady_bytes)
            layout += conversion.rest
        return layout, steady

    def end(self, body: bytes, at: int) -> int:
        """Behind the rows from an offset on that have this bitmap: one at least, all whole."""
        size, nulls = self.size, self._nulls
        if len(body) - at < size:
            raise IndexError("the last row is cut off")
        if len(nulls) == 1:
            alike = _leading(body[at::size])
        else:
            alike = 1
            while body[at + alike * size : at + alike * size + len(nulls)] == nulls:
                alike += 1
        return at + size * min(alike, (len(body) - at) // size)

    def row(self, body: bytes, at: int) -> list[Row]:
        """The one row at an offset."""
        return self._short((self._row.unpack_from(body, at),))

    def rows(self, images: bytes) -> list[Row]:
        """The rows of so many whole images."""
        made: list[Row] = []
        size, at = self.size, 0
        while at < len(images):
            count = min(self._alike(images, at), _LONGEST) if self._places else 0
            by_column = count >= _LONG
            part = images[at : at + size * (count if by_column else _LONG)]
            made += self._by_column(part) if by_column else self._short(self._row.iter_unpack(part))
            at += len(part)
        return made

    def _alike(self, images: bytes, at: int) -> int:
        """How many rows from here on can be taken by column."""
        if len(images) - at < _LONG * self.size:
            return 0
        offsets = chain.from_iterable(self._steady.values())
        same = (_leading(images[at + offset :: self.size]) for offset in offsets)
        return min(same, default=_LONGEST)

    def _by_column(self, images: bytes) -> Iterable[Row]:
        count = len(images) // self.size
        steps = -(-count // _STEP)
        layout = self._long.get(steps) or self._layout_of(steps)
        cells = layout.unpack_from(images.ljust(layout.size))
        columns: list[Iterable[Any]] = [repeat(None)] * self._count
        step = len(self._places)
        for first, place in enumerate(self._places):
            column = cells[first : count * step : step]
            convert = self._conversions.get(place)
            if convert is not None:
                same = bytes(images[offset] for offset in self._steady.get(place, ()))
                columns[place] = convert.column(same, column)
            else:
                columns[place] = column
        return zip(*columns, strict=False)  # columns of NULLs have no end

    def _layout_of(self, steps: int) -> struct.Struct:
        layout = self._long[steps] = struct.Struct("<" + self._in_columns * (steps * _STEP))
        return layout


def _leading(column: bytes) -> int:
    """How many bytes from the first on are like it."""
    return len(column) - len(column.lstrip(column[:1]))


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
