"""Runs of rows with the same NULLs and only fixed-size cells: many rows by few calls. Pure.

A row image is a bitmap of NULLs and the cells that are not NULL. Where all of these have a fixed
size, rows with one bitmap stand at one stride, so a run of them is found by comparing every n-th
byte. Few rows are unpacked by one ``struct``, many column by column where numpy is installed
(source.arrays).

Layout: https://dev.mysql.com/doc/dev/mysql-server/latest/classbinary__log_1_1Rows__event.html
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from itertools import chain
from typing import Any, TypeAlias

from replicator.change import Row
from replicator.source.conversions import Conversions

MANY = 200
"""Rows from which on arrays are faster."""


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
        """The rows from an offset to the end. Raises IndexError where the last one is cut off."""
        known = self._layouts.get(body[at : at + self._width])
        if known is not None and len(body) - at == known.size:  # a row alone, as loggers write
            return known.row(body, at)
        (rows,) = made([self.runs(body, at)])
        return rows

    def runs(self, body: bytes, at: int) -> list[Run]:
        """Where in a body which layout begins and ends. Raises IndexError as ``rows``."""
        found: list[Run] = []
        while at < len(body):
            nulls = body[at : at + self._width]
            layout = self._layouts.get(nulls) or self._layout(nulls)
            end = layout.end(body, at)
            found.append((layout, body[at:end]))
            at = end
        return found

    def _layout(self, nulls: bytes) -> Layout:
        if len(nulls) != self._width:
            raise IndexError("a null bitmap is cut off")
        layout = self._layouts[nulls] = Layout(nulls, self._codes, self._conversions)
        return layout


def made(groups: Sequence[Sequence[Run]]) -> list[list[Row]]:
    """The rows of each group. Those of one layout are made together, wherever they stand."""
    images: dict[Layout, list[bytes]] = {}
    for layout, image in chain.from_iterable(groups):
        images.setdefault(layout, []).append(image)
    rows = {layout: layout.rows(b"".join(some)) for layout, some in images.items()}
    if len(groups) == len(rows) == 1:
        return list(rows.values())
    taken = dict.fromkeys(rows, 0)
    return [_taken(group, rows, taken) for group in groups]


def _taken(
    group: Sequence[Run], rows: Mapping[Layout, list[Row]], taken: dict[Layout, int]
) -> list[Row]:
    """A group's rows; ``taken``: how many of each layout's rows have been, counted on here."""
    found: list[Row] = []
    for layout, images in group:
        first = taken[layout]
        taken[layout] = end = first + len(images) // layout.size
        found += rows[layout][first:end]
    return found


class Layout:
    """The images of rows with one bitmap of NULLs; ``size``: bytes of one."""

    def __init__(
        self, nulls: bytes, codes: Sequence[str], conversions: Mapping[int, Conversions]
    ) -> None:
        self._nulls = nulls
        self._codes = codes
        self._places = [i for i in range(len(codes)) if not nulls[i // 8] >> (i % 8) & 1]
        self._conversions = {i: conversions[i] for i in self._places if i in conversions}
        self._row = struct.Struct(self._layout_before(len(codes)))
        self._made = _compiled(len(codes), self._places, self._conversions)
        self._many: Callable[[bytes], list[Row]] | None = None
        self.size = self._row.size

    def _layout_before(self, column: int) -> str:
        cells = "".join(self._codes[place] for place in self._places if place < column)
        return f"<{len(self._nulls)}x{cells}"

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
        return self._made((self._row.unpack_from(body, at),))

    def rows(self, images: bytes) -> list[Row]:
        """The rows of so many whole images."""
        if len(images) < MANY * self.size:
            return self._few(images)
        if self._many is None:
            self._many = self._by_column() if self._places and has_numpy() else self._few
        return self._many(images)

    def _few(self, images: bytes) -> list[Row]:
        return self._made(self._row.iter_unpack(images))

    def _by_column(self) -> Callable[[bytes], list[Row]]:
        from replicator.source.arrays import ColumnArrays  # noqa: PLC0415  # it imports numpy

        places = {
            place: (self._codes[place], struct.calcsize(self._layout_before(place)))
            for place in self._places
        }
        return ColumnArrays(self.size, places, self._conversions, len(self._codes)).rows


Run: TypeAlias = tuple[Layout, bytes]
"""Rows of one layout, as images one behind the other."""


@lru_cache(maxsize=1)
def has_numpy() -> bool:
    """Whether the optional numpy is installed."""
    return find_spec("numpy") is not None


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
