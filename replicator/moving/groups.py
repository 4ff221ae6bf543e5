"""The station's stream rows by house, node and day, summed up as the centre does. Pure.

A group has two digests: of the rows as they are, and of the rows as the old pusher sent
them, whose SELECT gave FLOATs with six digits.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from replicator.audit.digest import NOTHING, Digester, Key, Tally
from replicator.audit.places import Chart
from replicator.change import Row, Value
from replicator.model import STREAM_TABLES, TABLES

_FLOAT = struct.Struct("<f")

GroupKey = tuple[str, int, int, str]  # table, place (an index into the chart), node, day


@dataclass(frozen=True, slots=True)
class Mine:
    """What the station has of one group."""

    exact: Tally = NOTHING
    six_digits: Tally = NOTHING

    def __add__(self, other: Mine) -> Mine:
        return Mine(self.exact + other.exact, self.six_digits + other.six_digits)


class Groups:
    """Adds rows up. Memory grows with nodes times days, not with rows."""

    def __init__(self, chart: Chart) -> None:
        self._chart = chart
        places = [place.stands_for for place in chart.places]
        self._sides = {
            table: (Digester(table, "node", places), Digester(table, "node", places))
            for table in STREAM_TABLES
        }
        self.placeless: dict[tuple[int, str], int] = {}

    def add(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Rows with the station's own ids, whatever the order of their columns.

        Rows without an identity are left out: no centre can have them.
        """
        model = TABLES[table]
        picked = [columns.index(column) for column in model.columns]
        key = [model.columns.index(column) for column in model.natural_key]
        whole = (tuple(row[place] for place in picked) for row in rows)
        there = [self._translated(table, r) for r in whole if None not in [r[k] for k in key]]
        exact, six_digits = self._sides[table]
        exact.add(there)
        six_digits.add((*row[:-1], six(row[-1])) for row in there)

    def _translated(self, table: str, row: Row) -> Row:
        """With the centre's id of its location."""
        if table != "Reading":
            return row
        if row[3] is None:
            spot = (int(row[1]), str(row[0])[:10])  # type: ignore[arg-type]  # of a whole key
            self.placeless[spot] = self.placeless.get(spot, 0) + 1
        return (*row[:3], self._chart.there(row[3]), row[4])

    def found(self) -> dict[GroupKey, Mine]:
        """All groups so far."""
        return {
            (table, int(place), int(node), str(day)): Mine(tally, rounded[place, node, day])
            for table, (exact, six_digits) in self._sides.items()
            for rounded in [six_digits.tallies()]
            for (place, node, day), tally in exact.tallies().items()
        }


@lru_cache(maxsize=65_536)
def six(value: Value) -> Value:
    """A FLOAT as one that was read with six digits and stored again."""
    if not isinstance(value, float):
        return value
    try:
        return float(_FLOAT.unpack(_FLOAT.pack(float(f"{value:.6g}")))[0])
    except OverflowError:  # just below the largest FLOAT
        return value


def by_month(groups: Mapping[GroupKey, Mine]) -> dict[tuple[str, int, str], Mine]:
    """(table, place, month) → all days and nodes."""
    found: dict[tuple[str, int, str], Mine] = {}
    for (table, place, _, day), mine in groups.items():
        key = (table, place, day[:7])
        found[key] = found.get(key, Mine()) + mine
    return found


def days_of(key: Key) -> tuple[int, int, str]:
    """A digest's key at the level of node and day."""
    place, node, day = key
    return int(place), int(node), str(day)
