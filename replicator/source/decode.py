"""Row events to rows. Pure: bytes in, rows out; what does not parse raises Unsupported.

Layout: https://dev.mysql.com/doc/dev/mysql-server/latest/classbinary__log_1_1Rows__event.html

A table's decoder is made once for each table map, a plan once for each bitmap of NULLs: where all
columns have fixed sizes, whole runs of rows at once (source.runs), else cell by cell.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from replicator.change import Change, Op, Row, Value
from replicator.errors import Unsupported
from replicator.source import tablemap as t
from replicator.source.conversions import Conversions, Datetimes, Doubles, Floats
from replicator.source.metadata import lenenc
from replicator.source.runs import Run, Runs, made
from replicator.source.values import Reader, damaged

WRITE = frozenset({23, 30})
UPDATE = frozenset({24, 31})
DELETE = frozenset({25, 32})
ROWS = WRITE | UPDATE | DELETE
_VERSION_2 = frozenset({30, 31, 32})
_FIXED = {
    (t.TINY, False): "b", (t.TINY, True): "B", (t.SHORT, False): "h", (t.SHORT, True): "H",
    (t.LONG, False): "i", (t.LONG, True): "I", (t.LONGLONG, False): "q", (t.LONGLONG, True): "Q",
    (t.FLOAT, False): "I", (t.FLOAT, True): "I", (t.DOUBLE, False): "d", (t.DOUBLE, True): "d",
    (t.DATETIME2, False): "5s", (t.DATETIME2, True): "5s",
}  # fmt: skip

_ILL = (IndexError, KeyError, struct.error, ValueError, Unsupported)
_BULK = 4_096  # bytes of an event: a server that has more rows to tell fills it to 8,192

Plan = Callable[[bytes, int, list[Row]], int]
"""Appends rows from an offset on that have one bitmap of NULLs; the offset behind them."""


@dataclass(frozen=True, slots=True)
class DecodedColumn:
    """A column ready to decode: its description in the log, name, signedness, reader."""

    mapped: t.MappedColumn
    name: str
    unsigned: bool
    reader: Reader


@dataclass(frozen=True, slots=True)
class Held:
    """Rows that an event inserts, to be decoded together with those of other events."""

    decoder: TableDecoder
    runs: Sequence[Run]

    @property
    def count(self) -> int:
        """How many rows."""
        return sum(len(images) // layout.size for layout, images in self.runs)


def _code(column: DecodedColumn) -> str | None:
    """The struct code of a column whose cells have a fixed size."""
    if column.mapped.type == t.DATETIME2 and column.mapped.meta:
        return None
    return _FIXED.get((column.mapped.type, column.unsigned))


def _conversions(columns: Sequence[DecodedColumn]) -> Mapping[int, Conversions]:
    """By place: what is to be made of the unpacked cells that are not yet values."""
    of_type = {t.DATETIME2: Datetimes(), t.FLOAT: Floats(), t.DOUBLE: Doubles()}
    return {
        place: of_type[column.mapped.type]
        for place, column in enumerate(columns)
        if column.mapped.type in of_type
    }


class TableDecoder:
    """Decodes the row events of one table map."""

    def __init__(
        self, table: str, columns: Sequence[DecodedColumn], split_key: Sequence[str]
    ) -> None:
        self.table = table
        self.names = tuple(column.name for column in columns)
        self._columns = columns
        self._key = [self.names.index(name) for name in split_key]
        self._width = (len(columns) + 7) // 8
        self._everything = (1 << len(columns)) - 1
        self._heads: set[tuple[int, bytes]] = set()  # kinds and heads found to be as usual
        self._head_sizes = {kind: self._head_size(kind) for kind in ROWS}
        codes = [code for code in map(_code, columns) if code]
        fixed = len(codes) == len(columns)
        self._runs = Runs(codes, _conversions(columns)) if fixed else None
        self._plans: dict[bytes, Plan] = {}

    def changes(self, kind: int, body: bytes) -> list[Change]:
        """The changes of one rows event (body without table id and checksum).

        Raises Unsupported: a partial row image, or bytes that do not hold what they announce.
        """
        try:
            at = self._begin(kind, body)
            images = self._runs.rows(body, at) if self._runs else self._rows(body, at)
        except _ILL as error:
            raise self._ill(error) from error
        if kind in WRITE:
            return [Change(self.table, Op.INSERT, self.names, images)]
        if kind in DELETE:
            return [Change(self.table, Op.DELETE, self.names, images)]
        return self._updates(images)

    def held(self, kind: int, body: bytes) -> Held | None:
        """Rows of a bulk insert, found but not decoded yet; None: nothing to gain by that.

        Raises as ``changes``.
        """
        if self._runs is None or kind not in WRITE or len(body) < _BULK:
            return None
        try:
            return Held(self, self._runs.runs(body, self._begin(kind, body)))
        except _ILL as error:
            raise self._ill(error) from error

    def inserts(self, groups: Sequence[Sequence[Held]]) -> list[Change]:
        """A change for each group of what was held. Raises as ``changes``."""
        try:
            rows = made([[run for held in group for run in held.runs] for group in groups])
        except _ILL as error:
            raise self._ill(error) from error
        return [Change(self.table, Op.INSERT, self.names, some) for some in rows]

    def _ill(self, error: Exception) -> Unsupported:
        if not isinstance(error, Unsupported):
            return damaged("a row event cannot be decoded", f"table {self.table}: {error!r}")
        if self.table in error.detail:
            return error
        return Unsupported(error.message, f"table {self.table}: {error.detail}", error.hint)

    def _begin(self, kind: int, body: bytes) -> int:
        """Where the rows begin."""
        at = 2 + self._head_sizes[kind]
        if (kind, body[2:at]) not in self._heads:
            at = self._behind_head(kind, body)
        if at >= len(body):
            raise IndexError("an event without rows")
        return at

    def _head_size(self, kind: int) -> int:
        """Between flags and rows, where there is no extra data: as in nearly every event."""
        bitmaps = self._width * (2 if kind in UPDATE else 1)
        return (2 if kind in _VERSION_2 else 0) + 1 + bitmaps

    def _behind_head(self, kind: int, body: bytes) -> int:
        """Where the rows begin; remembered when it is at the usual place."""
        at = 2
        if kind in _VERSION_2:
            at += int.from_bytes(body[2:4], "little")
        count, at = lenenc(body, at)
        if count != len(self._columns):
            raise IndexError(f"{count} columns, the table map has {len(self._columns)}")
        for _ in range(2 if kind in UPDATE else 1):
            at = self._check_whole(body, at)
        if at == 2 + self._head_sizes[kind]:
            self._heads.add((kind, body[2:at]))
        return at

    def _rows(self, body: bytes, at: int) -> list[Row]:
        """Cell by cell."""
        rows: list[Row] = []
        end = len(body)
        plans, width = self._plans, self._width
        while at < end:
            nulls = body[at : at + width]
            plan = plans.get(nulls) or self._plan(nulls)
            at = plan(body, at, rows)
        if at != end:
            raise IndexError("the last row is cut off")
        return rows

    def _check_whole(self, body: bytes, at: int) -> int:
        """The bitmap of columns present must have all of them; MySQL sets the spare bits too."""
        present = body[at : at + self._width]
        if len(present) != self._width:
            raise IndexError("the bitmap of columns is cut off")
        if int.from_bytes(present, "little") & self._everything != self._everything:
            raise _partial(self.table)
        return at + self._width

    def _updates(self, images: Sequence[Row]) -> list[Change]:
        """Before and after images in turn; a changed key is a delete and an insert."""
        if len(images) % 2:
            raise damaged("an update without its after-image", f"table {self.table}")
        found: list[Change] = []
        plain: list[Row] = []
        for before, after in zip(images[::2], images[1::2], strict=True):
            if all(before[place] == after[place] for place in self._key):
                plain.append(after)
                continue
            if plain:
                found.append(Change(self.table, Op.UPDATE, self.names, plain))
                plain = []
            found.append(Change(self.table, Op.DELETE, self.names, [before]))
            found.append(Change(self.table, Op.INSERT, self.names, [after]))
        if plain:
            found.append(Change(self.table, Op.UPDATE, self.names, plain))
        return found

    def _plan(self, nulls: bytes) -> Plan:
        if len(nulls) != self._width:
            raise IndexError("a null bitmap is cut off")
        present = [i for i in range(len(self._columns)) if not nulls[i // 8] >> (i % 8) & 1]
        plan = self._plans[nulls] = self._cell_plan(present)
        return plan

    def _cell_plan(self, present: Sequence[int]) -> Plan:
        count, width = len(self._columns), self._width
        readers = [(place, self._columns[place].reader) for place in present]

        def take(body: bytes, at: int, rows: list[Row]) -> int:
            cells: list[Value] = [None] * count
            at += width
            for place, read in readers:
                cells[place], at = read(body, at)
            rows.append(tuple(cells))
            return at

        return take


def _partial(table: str) -> Unsupported:
    return Unsupported(
        "a row event does not hold the whole row",
        f"table {table}: some session writes with binlog_row_image MINIMAL or NOBLOB",
        "SET GLOBAL binlog_row_image = FULL; -- then reconnect the loggers, and `replicator heal`",
    )
