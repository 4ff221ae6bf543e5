"""NULLs that a server takes and ignores: noticed by asking what stayed there.

The original server does not set a reading's value or location to NULL where it has one. An update
may do that, and a row read by a snapshot (the value may have gone inside a gap); an insert cannot,
but for one whose delete that server could not do: ship sends that one as an update.

The rule this file keeps: one question a node and column, not one a row; the filter only narrows,
every row of the answer is compared here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from replicator.change import Op
from replicator.delivery import Parcel, Rejected
from replicator.model import TABLES
from replicator.sink.directory import Directory
from replicator.sink.link import Link

_ASKED = frozenset({Op.UPDATE, Op.SNAPSHOT})
_Key = tuple[Any, ...]


class Blanks:
    """Asks a server after it has stored a batch."""

    def __init__(self, link: Link, directory: Directory) -> None:
        self._link = link
        self._directory = directory

    def kept(self, parcels: Sequence[Parcel]) -> Mapping[int, Rejected]:
        """Place → why, for each row with a NULL that was not applied."""
        tables = self._link.dialect.keeps_on_null
        if not tables:
            return {}
        blank: dict[tuple[Any, str], list[int]] = {}
        for place, parcel in enumerate(parcels):
            row, body = parcel.row, parcel.body
            if row.op in _ASKED and row.table in tables:
                for column in TABLES[row.table].columns:
                    if body[column] is None:
                        blank.setdefault((body["nodeId"], column), []).append(place)
        found: dict[int, list[str]] = {}
        for (node, column), places in blank.items():
            there = self._there(parcels, node, column, places)
            for place in places:
                if _key(parcels[place].body) in there:
                    found.setdefault(place, []).append(column)
        return {place: _rejected(columns) for place, columns in found.items()}

    def _there(
        self, parcels: Sequence[Parcel], node: int, column: str, places: Sequence[int]
    ) -> set[_Key]:
        """The keys of a node's rows with a value in this column, in these rows' stretch of time."""
        times = [str(parcels[place].body["time"]) for place in places]
        rows = self._directory.with_value(TABLES["Reading"], node, (min(times), max(times)), column)
        return {_key(row) for row in rows if row.get(column) is not None}


def _key(row: Mapping[str, Any]) -> _Key:
    return tuple(row.get(column) for column in TABLES["Reading"].natural_key)


def _rejected(columns: Sequence[str]) -> Rejected:
    what = ", ".join(columns)
    return Rejected("null-not-applied", f"this kind of server does not set {what} to NULL")
