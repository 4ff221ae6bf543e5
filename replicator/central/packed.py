"""Bulk bodies in columns (docs/rest.md): taken apart within bounds, nothing guessed. Pure.

What is wrong with the form is the client's error, a Problem; what is wrong with a row is found
later, as in any other body.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

import orjson

from replicator.central.problems import Problem
from replicator.central.schema import TABLES, CentralTable
from replicator.central.settings import MAX_ROWS
from replicator.central.validate import parse_time
from replicator.change import Value

MAGIC = b"RCB1"
CONTENT_TYPE = "application/x-replicator-columns"

_HEADER = len(MAGIC) + 4
_MOST_PLACES = 1 << 16  # values in a list that places point into
_SCALARS = frozenset({type(None), bool, int, float, str})
_MOST_SECONDS = 1 << 40


@dataclass(frozen=True, slots=True)
class Column:
    """``values[place]`` for each of ``places`` is the column; None: the values themselves are."""

    values: Sequence[Value]
    places: Sequence[int] | None

    def cells(self) -> Sequence[Value]:
        """One a row."""
        if self.places is None:
            return self.values
        return list(map(self.values.__getitem__, self.places))


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows of one table to store."""

    table: CentralTable
    rows: int
    columns: Mapping[str, Column]

    def as_rows(self) -> list[dict[str, Value]]:
        """The same as objects of an ordinary body."""
        names = ("__table__", *self.columns)
        cells = [column.cells() for column in self.columns.values()]
        named = (self.table.name,) * self.rows
        return [dict(zip(names, row, strict=True)) for row in zip(named, *cells, strict=True)]


@dataclass(frozen=True, slots=True)
class PackedBody:
    """``order``: the part that each row of the body belongs to; b"" where it is one part."""

    parts: Sequence[Packed]
    order: bytes

    def as_rows(self) -> list[dict[str, Value]]:
        """All rows in the body's order, as objects of an ordinary body."""
        tables = [iter(part.as_rows()) for part in self.parts]
        if not self.order:
            return [row for table in tables for row in table]
        return [next(tables[number]) for number in self.order]


def unpack(raw: bytes) -> PackedBody:
    """A decompressed body taken apart.

    Raises Problem 400 bad-columns, and 413 for too many rows.
    """
    if raw[: len(MAGIC)] != MAGIC or len(raw) < _HEADER:
        raise _bad("it does not begin as such a body does")
    behind = _HEADER + int.from_bytes(raw[len(MAGIC) : _HEADER], "big")
    if behind > len(raw):
        raise _bad("the header is longer than the body")
    try:
        header = orjson.loads(raw[_HEADER:behind])
    except orjson.JSONDecodeError as error:
        raise _bad(f"the header is not JSON: {error}") from error
    planes = _Planes(memoryview(raw)[behind:])
    match header:
        case {"parts": list(parts)} if len(header) == 1 and parts:
            found = [_part(part, planes) for part in parts]
        case _:
            raise _bad("the header has no list of parts")
    if len({part.table.name for part in found}) < len(found):
        raise _bad("a table occurs twice")
    total = sum(part.rows for part in found)
    if total > MAX_ROWS:
        raise Problem(413, "too-large", f"more than {MAX_ROWS} rows")
    order = planes.take(total) if len(found) > 1 else b""
    if order and any(order.count(number) != part.rows for number, part in enumerate(found)):
        raise _bad("the order of the rows does not fit the parts")
    if planes.left:
        raise _bad(f"{planes.left} bytes are left over")
    return PackedBody(found, order)


class _Planes:
    """The bytes behind the header, handed out in order."""

    def __init__(self, content: memoryview) -> None:
        self._content = content

    @property
    def left(self) -> int:
        return len(self._content)

    def take(self, size: int) -> bytes:
        """The next ones."""
        if size > len(self._content):
            raise _bad("the body ends before its last column")
        part, self._content = self._content[:size], self._content[size:]
        return bytes(part)


def _part(said: Any, planes: _Planes) -> Packed:
    match said:
        case {"table": str(name), "rows": int(rows), "columns": dict(specs)} if len(said) == 3:
            table = TABLES.get(name)
        case _:
            raise _bad("a part is not table, rows, columns")
    if table is None or not table.stream:
        raise _bad(f"{name[:60]!r} is no table that comes in columns")
    if type(rows) is not int or not 1 <= rows <= MAX_ROWS:
        raise _bad("a part has no rows, or too many")
    unknown = [column for column in specs if column not in table.kinds]
    if unknown or not specs:
        raise _bad(f"{name} has no column {str(unknown[:1])[:60]}")
    columns = {column: _column(spec, rows, planes) for column, spec in specs.items()}
    return Packed(table, rows, columns)


def _column(spec: Any, rows: int, planes: _Planes) -> Column:
    match spec:
        case {"all": value} if len(spec) == 1:
            return Column(_scalars([value]), bytes(rows))
        case {"each": list(values)} if len(spec) == 1 and len(values) == rows:
            return Column(_scalars(values), None)
        case {"from": str(start), "each": list(steps)} if len(spec) == 2 and len(steps) == rows:
            return Column(_times(start, steps), None)
        case {"of": list(values)} if len(spec) == 1 and 1 <= len(values) <= _MOST_PLACES:
            return Column(_scalars(values), _places(len(values), rows, planes))
        case {"from": str(start), "of": list(steps)} if (
            len(spec) == 2 and 1 <= len(steps) <= _MOST_PLACES
        ):
            return Column(_times(start, steps), _places(len(steps), rows, planes))
    raise _bad("a column is told in no known way, or has too few or too many values")


def _scalars(values: list[Any]) -> list[Value]:
    if not set(map(type, values)) <= _SCALARS:
        raise _bad("a value is no number, text or null")
    return values


def _times(start: str, steps: list[Any]) -> list[Value]:
    """Times from the seconds between them."""
    if parse_time(start) != start or set(map(type, steps)) != {int}:
        raise _bad("times are told by a first one and whole seconds")
    first = datetime.fromisoformat(start)
    if max(steps) > _MOST_SECONDS or min(steps) < -_MOST_SECONDS:
        raise _bad("a time is out of range")
    try:
        return [(first + timedelta(seconds=step)).isoformat() for step in accumulate(steps)]
    except OverflowError as error:
        raise _bad("a time is out of range") from error


def _places(values: int, rows: int, planes: _Planes) -> Sequence[int]:
    found: bytes | array[int] = planes.take(rows)
    if values > 256:
        both = bytearray(2 * rows)
        both[::2], both[1::2] = found, planes.take(rows)
        found = array("H")
        found.frombytes(both)
        if sys.byteorder == "big":
            found.byteswap()
    if max(found) >= values:
        raise _bad("a place points behind the values")
    return found


def _bad(detail: str) -> Problem:
    return Problem(400, "bad-columns", f"the body in columns cannot be read: {detail}")
