"""Row events to rows. Pure: bytes in, rows out; what does not parse raises Unsupported.

Layout: https://dev.mysql.com/doc/dev/mysql-server/latest/classbinary__log_1_1Rows__event.html

A table's decoder is made once for each table map. Where a row has only fixed-size columns (given
which of them are NULL), one precompiled struct takes the whole row; else each cell its reader.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from replicator.change import Change, Op, Row, Value
from replicator.errors import Unsupported
from replicator.source import tablemap as t
from replicator.source.values import Reader, datetime_text, shortest_float32, unsigned_zero

WRITE = frozenset({23, 30})
UPDATE = frozenset({24, 31})
DELETE = frozenset({25, 32})
ROWS = WRITE | UPDATE | DELETE
_VERSION_2 = frozenset({30, 31, 32})
_REMEMBERED = 65_536
_FLOAT = struct.Struct("<f")

_FIXED = {
    (t.TINY, False): "b", (t.TINY, True): "B", (t.SHORT, False): "h", (t.SHORT, True): "H",
    (t.LONG, False): "i", (t.LONG, True): "I", (t.LONGLONG, False): "q", (t.LONGLONG, True): "Q",
    (t.FLOAT, False): "4s", (t.FLOAT, True): "4s", (t.DOUBLE, False): "d", (t.DOUBLE, True): "d",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DecodedColumn:
    """A column ready to decode: its description in the log, name, signedness, reader."""

    mapped: t.MappedColumn
    name: str
    unsigned: bool
    reader: Reader


class Remembering(dict[Any, Any]):
    """A bounded memory of conversions: neighbouring rows repeat times and values."""

    def __init__(self, convert: Callable[[Any], Value]) -> None:
        super().__init__()
        self._convert = convert

    def __missing__(self, key: Any) -> Value:
        if len(self) >= _REMEMBERED:
            self.clear()
        value = self[key] = self._convert(key)
        return value


def _packed_float(raw: bytes) -> Value:
    return shortest_float32(_FLOAT.unpack(raw)[0])


def _packed_datetime(raw: bytes) -> Value:
    packed = int.from_bytes(raw, "big") - 0x8000000000
    if packed < 0:
        raise Unsupported("a DATETIME before year 0", raw.hex())
    return datetime_text(packed, "")


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
        self._datetimes = Remembering(_packed_datetime)
        self._floats = Remembering(_packed_float)
        self._doubles = Remembering(unsigned_zero)
        self._plans: dict[bytes, Callable[[bytes, int], tuple[Row, int]]] = {}

    def changes(self, kind: int, body: bytes) -> list[Change]:
        """The changes of one rows event (body without table id and checksum).

        Raises Unsupported: a partial row image, or bytes that do not hold what they announce.
        """
        try:
            images = self._images(kind, body)
        except (IndexError, KeyError, struct.error, ValueError) as error:
            raise Unsupported(
                "a row event cannot be decoded",
                f"table {self.table}, event type {kind}: {error!r}",
                "this may be a damaged binlog; see `mariadb-binlog --verify-binlog-checksum`",
            ) from error
        if kind in WRITE:
            return [Change(self.table, Op.INSERT, self.names, images)]
        if kind in DELETE:
            return [Change(self.table, Op.DELETE, self.names, images)]
        return self._updates(images)

    def _images(self, kind: int, body: bytes) -> list[Row]:
        at = 2
        if kind in _VERSION_2:
            at += int.from_bytes(body[2:4], "little")
        count, at = t.lenenc(body, at)
        if count != len(self._columns):
            raise IndexError(f"{count} columns, the table map has {len(self._columns)}")
        for _ in range(2 if kind in UPDATE else 1):
            at = self._check_whole(body, at)
        rows: list[Row] = []
        end = len(body)
        plans, width = self._plans, self._width
        while at < end:
            nulls = body[at : at + width]
            plan = plans.get(nulls) or self._plan(nulls)
            row, at = plan(body, at + width)
            rows.append(row)
        if at != end or not rows:
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
            raise Unsupported("an update without its after-image", f"table {self.table}")
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

    def _plan(self, nulls: bytes) -> Callable[[bytes, int], tuple[Row, int]]:
        if len(nulls) != self._width:
            raise IndexError("a null bitmap is cut off")
        present = [i for i in range(len(self._columns)) if not nulls[i // 8] >> (i % 8) & 1]
        plan = self._fixed_plan(present) or self._cell_plan(present)
        self._plans[nulls] = plan
        return plan

    def _fixed_plan(self, present: Sequence[int]) -> Callable[[bytes, int], tuple[Row, int]] | None:
        layout = "<"
        converted: list[tuple[int, Remembering]] = []
        for place in present:
            column = self._columns[place]
            kind = column.mapped.type
            if kind == t.DATETIME2 and column.mapped.meta == 0:
                layout += "5s"
                converted.append((place, self._datetimes))
            elif (kind, column.unsigned) in _FIXED:
                layout += _FIXED[kind, column.unsigned]
                if kind == t.FLOAT:
                    converted.append((place, self._floats))
                elif kind == t.DOUBLE:
                    converted.append((place, self._doubles))
            else:
                return None
        packed = struct.Struct(layout)
        unpack, size, count = packed.unpack_from, packed.size, len(self._columns)
        whole = len(present) == count

        def plan(body: bytes, at: int) -> tuple[Row, int]:
            cells: list[Value]
            if whole:
                cells = list(unpack(body, at))
            else:
                cells = [None] * count
                for place, cell in zip(present, unpack(body, at), strict=True):
                    cells[place] = cell
            for place, memory in converted:
                cells[place] = memory[cells[place]]
            return tuple(cells), at + size

        return plan

    def _cell_plan(self, present: Sequence[int]) -> Callable[[bytes, int], tuple[Row, int]]:
        count = len(self._columns)
        readers = [(place, self._columns[place].reader) for place in present]

        def plan(body: bytes, at: int) -> tuple[Row, int]:
            cells: list[Value] = [None] * count
            for place, read in readers:
                cells[place], at = read(body, at)
            return tuple(cells), at

        return plan


def _partial(table: str) -> Unsupported:
    return Unsupported(
        "a row event does not hold the whole row",
        f"table {table}: some session writes with binlog_row_image MINIMAL or NOBLOB",
        "SET GLOBAL binlog_row_image = FULL; -- then reconnect the loggers, and `replicator heal`",
    )
