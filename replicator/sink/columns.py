"""Rows of a batch as columns, so that work is done once a distinct value, not once a row. Pure.

Only for batches that need no look at single rows: stream rows to store, every key whole and there
once. Everything else is for the way row by row (sink.batch, sink.round), which is the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from replicator.change import Op, Row, Value
from replicator.model import TABLES, Table
from replicator.sink.batch import Due, Slice

Known = Callable[[str, int], int | None]
Ids = Mapping[str, Mapping[Value, Value]]

_IDS = ({int}, {int, type(None)}, {type(None)})


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one table, in capture order.

    ``columns``  the model's columns, local ids
    ``places``   the place of each row in the batch; None where this is the only part
    ``keys``     the natural keys, local ids
    """

    table: str
    columns: Mapping[str, Sequence[Value]]
    places: Sequence[int] | None
    keys: frozenset[Row]

    def __len__(self) -> int:
        return len(self.keys)


def parts(batch: Due, stores: Callable[[str, Op], bool]) -> list[Part] | None:
    """A batch by table; None where it has rows to be looked at one by one.

    ``stores(table, op)``: such rows are simply stored, whatever is there already.
    """
    slices: dict[str, list[Slice]] = {}
    for piece in batch.slices:
        entry = piece.entry
        if not TABLES[entry.table].stream or not stores(entry.table, entry.op):
            return None
        slices.setdefault(entry.table, []).append(piece)
    several = len(slices) > 1
    places = _places(batch) if several else {}
    found = []
    for name, pieces in slices.items():
        part = _part(TABLES[name], pieces, places.get(name))
        if part is None:
            return None
        found.append(part)
    return found


def _places(batch: Due) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    first = 0
    for piece in batch.slices:
        behind = first + piece.stop - piece.start
        places.setdefault(piece.entry.table, []).extend(range(first, behind))
        first = behind
    return places


def _part(model: Table, pieces: Sequence[Slice], places: Sequence[int] | None) -> Part | None:
    names = pieces[0].entry.columns
    if any(piece.entry.columns != names for piece in pieces):
        return None
    rows = list(chain.from_iterable(_rows(piece) for piece in pieces))
    cells = dict(zip(names, zip(*rows, strict=True), strict=True))
    absent = (None,) * len(rows)
    columns = {column: cells.get(column, absent) for column in model.body_columns}
    key = [columns[column] for column in model.natural_key]
    if any(None in column for column in key):
        return None
    keys = frozenset(zip(*key, strict=True))
    if len(keys) < len(rows):
        return None
    return Part(model.name, columns, places, keys)


def _rows(piece: Slice) -> Sequence[Row]:
    rows = piece.entry.rows
    whole = piece.start == 0 and piece.stop == len(rows)
    return rows if whole else rows[piece.start : piece.stop]


def interleaved(parts: Sequence[Part]) -> bytes:
    """The number of the part that each row of the batch is in; b"" of a single part."""
    if len(parts) == 1:
        return b""
    order = bytearray(sum(map(len, parts)))
    for number, part in enumerate(parts):
        for place in part.places or ():
            order[place] = number
    return bytes(order)


def translated(part: Part, known: Known) -> Ids | None:
    """Column → local id → the destination's, for all that occur; None where one is not known."""
    ids: dict[str, Mapping[Value, Value]] = {}
    for column, target in TABLES[part.table].references.items():
        cells = part.columns[column]
        if set(map(type, cells)) not in _IDS:
            return None
        mapping: dict[Value, Value] = {}
        for local in set(cells):
            mapping[local] = known(target, local) if isinstance(local, int) else None
            if local is not None and mapping[local] is None:
                return None
        ids[column] = mapping
    return ids


def row_bodies(part: Part, ids: Ids) -> list[dict[str, Value]]:
    """The rows as the original contract wants them, the destination's ids in them."""
    names = ("__table__", *part.columns)
    columns = [
        map(ids[name].__getitem__, cells) if name in ids else cells
        for name, cells in part.columns.items()
    ]
    return [
        dict(zip(names, row, strict=True))
        for row in zip((part.table,) * len(part), *columns, strict=True)
    ]
