"""The independent check of these tests: station against centre, joined on natural keys.

Shares no code with the replicator: plain SELECTs on one side, plain rows of the centre's database
on the other. Floats are compared by their 32 bits, ids never.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
Key = tuple[Any, ...]
Rows = Callable[[str], Sequence[Row]]

_PARENTS = {
    "House": (("deploymentId", "Deployment"),),
    "Room": (("roomTypeId", "RoomType"),),
    "Location": (("houseId", "House"), ("roomId", "Room")),
}
_NAMES = {"Deployment": ("name",), "House": ("address",), "RoomType": ("name",), "Room": ("name",)}


@dataclass(frozen=True)
class Difference:
    """Keys of rows that are not as they should be; all empty when the centre is right.

    missing    at the station, not at the centre
    phantom    at the centre under one of the station's nodes, not at the station
    doubled    more than once at the centre
    misplaced  in another deployment, house or room
    different  another value
    references "Kind key" of reference rows missing, doubled or different
    """

    missing: set[Key] = field(default_factory=set)
    phantom: set[Key] = field(default_factory=set)
    doubled: set[Key] = field(default_factory=set)
    misplaced: set[Key] = field(default_factory=set)
    different: set[Key] = field(default_factory=set)
    references: set[str] = field(default_factory=set)


class Side:
    """One database: ``rows(table)`` gives all its rows. ``nodes``: the station's node ids."""

    def __init__(self, rows: Rows, nodes: Iterable[int]) -> None:
        self._nodes = set(nodes)
        tables = ("Deployment", "House", "RoomType", "Room", "Location", "NodeType")
        self.tables = {table: rows(table) for table in (*tables, "SensorType", "Node", "Sensor")}
        self._by_id = {
            table: {row["id"]: row for row in found} for table, found in self.tables.items()
        }
        self.readings = [row for row in rows("Reading") if row["nodeId"] in self._nodes]
        self.states = [row for row in rows("NodeState") if row["nodeId"] in self._nodes]

    def name(self, table: str, number: int | None) -> Key | None:
        """What identifies a row everywhere: its name, its parents' names."""
        if number is None:
            return None
        row = self._by_id[table][number]
        parents = (self.name(parent, row[column]) for column, parent in _PARENTS.get(table, ()))
        return (*parents, *(row[column] for column in _NAMES.get(table, ())))

    def streams(self) -> list[tuple[Key, Any, Any]]:
        """(key, place, content) of each reading and node state."""
        found: list[tuple[Key, Any, Any]] = [
            (
                ("Reading", row["time"], row["nodeId"], row["type"]),
                self.name("Location", row["locationId"]),
                bits(row["value"]),
            )
            for row in self.readings
        ]
        return found + [
            (
                ("NodeState", row["time"], row["nodeId"], row["seq_num"]),
                None,
                (row["parent"], row["localtime"], bits(row["rssi"])),
            )
            for row in self.states
        ]

    def references(self) -> Counter[tuple[str, Key, Key]]:
        """(table, what identifies it, what is compared): how often."""
        named = ("Deployment", "House", "RoomType", "Room", "Location")
        found: Counter[tuple[str, Key, Key]] = Counter()
        for table in named:
            for row in self.tables[table]:
                content = (row["startDate"], row["endDate"]) if table == "House" else ()
                found[table, self.name(table, row["id"]) or (), content] += 1
        for row in self.tables["Node"]:
            if row["id"] in self._nodes:
                content = (self.name("Location", row["locationId"]), row["nodeTypeId"])
                found["Node", (row["id"],), content] += 1
        for row in self.tables["Sensor"]:
            if row["nodeId"] in self._nodes:
                content = (bits(row["calibrationSlope"]), bits(row["calibrationOffset"]))
                found["Sensor", (row["nodeId"], row["sensorTypeId"]), content] += 1
        for table in ("NodeType", "SensorType"):
            for row in self.tables[table]:
                found[table, (row["id"],), (row["name"],)] += 1
        return found


def bits(value: float | None) -> bytes | None:
    """The 32 bits of a FLOAT."""
    return None if value is None else struct.pack("<f", value)


def compare(station: Rows, centre: Rows) -> Difference:
    """What is wrong at the centre."""
    nodes = {row["id"] for row in station("Node")}
    here, there = Side(station, nodes), Side(centre, nodes)
    source = {key: (place, content) for key, place, content in here.streams()}
    found = there.streams()
    central = {key: (place, content) for key, place, content in found}
    both = source.keys() & central.keys()
    return Difference(
        missing=source.keys() - central.keys(),
        phantom=central.keys() - source.keys(),
        doubled={key for key, times in Counter(key for key, *_ in found).items() if times > 1},
        misplaced={key for key in both if source[key][0] != central[key][0]},
        different={key for key in both if source[key][1] != central[key][1]},
        references=_references(here, there),
    )


def _references(here: Side, there: Side) -> set[str]:
    at_centre = there.references()
    times = Counter({(table, key): 0 for table, key, _ in here.references()})
    for (table, key, _), count in at_centre.items():
        times[table, key] += count
    wrong = set()
    for table, key, content in here.references():
        if times[table, key] != 1:
            wrong.add(f"{table} {key} is there {times[table, key]} times")
        elif (table, key, content) not in at_centre:
            wrong.add(f"{table} {key} is different")
    return wrong
