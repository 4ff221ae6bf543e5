"""Packed rows made ready for one statement, if nothing is wrong with any of them. Pure.

Checked by distinct value. A part with anything to refuse or to fold is not for this way: its rows
are then looked at one by one (central.bulk), which is the reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from replicator.central.packed import Column, Packed
from replicator.central.schema import CentralTable
from replicator.central.validate import check_column
from replicator.change import Row, Value


@dataclass(frozen=True, slots=True)
class Quick:
    """Rows in the order of the primary key, none of which occurs twice.

    ``references``  table → the ids that must exist in it
    """

    table: CentralTable
    columns: Sequence[str]
    rows: Sequence[Row]
    references: Mapping[str, frozenset[Value]]


def quick(part: Packed) -> Quick | None:
    """None where a row may be bad, or is there twice."""
    table = part.table
    if any(column not in part.columns for column in table.required):
        return None
    columns: dict[str, Column] = {}
    for name, column in part.columns.items():
        kind = table.kinds[name]
        values, refused = check_column(name, kind, column.values, name in table.required)
        if refused:
            return None
        columns[name] = Column(values, column.places)
    order = _order([columns[name] for name in table.primary_key], part.rows)
    if order is None:
        return None
    cells = [_sorted(column.cells(), order) for column in columns.values()]
    references = {
        target: frozenset(columns[name].values) - {None}
        for name, target in table.references.items()
        if name in columns
    }
    return Quick(table, tuple(columns), list(zip(*cells, strict=True)), references)


def _order(key: Sequence[Column], rows: int) -> Sequence[int] | None:
    """The places of the rows in the order of their key; None where a key occurs twice."""
    combined = [0] * rows
    for column in key:
        ranks, places = _ranks(column)
        size = len(ranks)
        combined = [
            so_far * size + rank
            for so_far, rank in zip(combined, map(ranks.__getitem__, places), strict=True)
        ]
    if len(set(combined)) < rows:
        return None
    return sorted(range(rows), key=combined.__getitem__)


def _ranks(column: Column) -> tuple[Sequence[int], Sequence[int]]:
    """The rank of each value among all values, and each row's place."""
    number = {value: rank for rank, value in enumerate(sorted(set(column.values)))}  # type: ignore[type-var]  # a key column: of one kind, no NULL
    ranks = [number[value] for value in column.values]
    return ranks, range(len(ranks)) if column.places is None else column.places


def _sorted(cells: Sequence[Value], order: Sequence[int]) -> Sequence[Value]:
    return itemgetter(*order)(cells) if len(order) > 1 else cells
