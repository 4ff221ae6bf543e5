"""Which lane a row belongs to: the house it leads to, else its node, else the row itself. Pure.

Rows of one lane arrive in capture order; lanes never wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from replicator.change import Value
from replicator.model import TABLES

Lookup = Callable[[str, int], Mapping[str, Value] | None]


class Lanes:
    """Finds lanes by following reference rows; remembers them for as long as it lives.

    ``lookup(table, local id)`` gives the station's latest reference row. Make a new one for each
    batch: a location may move to another house.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._houses: dict[tuple[str, Value], str] = {}

    def of(self, table: str, values: Mapping[str, Value]) -> str:
        """The lane of a row with the station's ids."""
        model = TABLES[table]
        if model.lane:
            start = (table, values.get(model.lane[0]))
            house = self._houses.get(start)
            if house is None:
                house = self._houses[start] = self._house(table, values)
            if house:
                return house
        if model.node and values.get(model.node) is not None:
            return f"node:{values[model.node]}"
        identity = ",".join(str(values.get(column)) for column in model.primary_key)
        return f"{table.lower()}:{identity}"

    def _house(self, table: str, values: Mapping[str, Value]) -> str:
        row: Mapping[str, Value] | None = values
        *path, last = TABLES[table].lane
        for column in path:
            target = row.get(column) if row else None
            if not isinstance(target, int):
                return ""
            table = TABLES[table].references[column]
            row = self._lookup(table, target)
        house = row.get(last) if row else None
        return "" if house is None else f"house:{house}"
