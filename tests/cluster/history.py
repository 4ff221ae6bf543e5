"""What a station's database commits: transaction n of a station, from a seed. Pure.

Nothing is remembered, so a station that has died goes on with any number, and the truth is known
to whoever knows how many there were. Ids of houses, rooms and locations are the same at all
stations, and mean others; ids of nodes are a station's own, as at the centre.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from replicator.change import Change, Commit, Op, Position, Row

BEGAN = datetime(2026, 1, 1, tzinfo=timezone.utc)
NODES = 4  # one in each room of two houses
NODES_A_STATION = 100
TYPES = (0, 2, 4, 6, 8, 10)
READING = ("time", "nodeId", "type", "locationId", "value")
STATE = ("id", "time", "nodeId", "parent", "localtime", "seq_num", "rssi")
SENSOR = ("id", "sensorTypeId", "nodeId", "calibrationSlope", "calibrationOffset")
_CYCLE = 20  # of so many transactions, one corrects, one deletes, one calibrates


@dataclass(frozen=True, slots=True)
class Committed:
    """A source transaction."""

    number: int
    changes: Sequence[Change]

    @property
    def commit(self) -> Commit:
        """Its end."""
        place = Position("mariadb-17", "binlog.000001", self.number, f"0-17-{self.number}")
        return Commit(place, BEGAN + timedelta(seconds=self.number))


@dataclass(frozen=True, slots=True)
class History:
    """One station's."""

    seed: int
    station: int

    @property
    def name(self) -> str:
        """What the station is called in the stream."""
        return f"station {self.station}"

    def transaction(self, number: int) -> Committed:
        """The ``number``-th, from 1: the reference rows."""
        if number == 1:
            return Committed(1, self._furniture())
        slot = (number + self.station) % _CYCLE
        if slot == 7 and number > 5:
            return Committed(number, self._corrected(number, number - 4))
        if slot == 13 and number > 5:
            return Committed(number, self._deleted(number - 2))
        if slot == 17:
            return Committed(number, self._calibrated(number))
        return Committed(number, self._packet(number, self._node(number)))

    def closing(self, number: int) -> Committed:
        """The last one: a packet of each node, so that each lane has an end."""
        changes = [c for n in range(NODES) for c in self._packet(number, n)]
        return Committed(number, changes)

    def closing_states(self, number: int) -> list[tuple[str, int]]:
        """(time, node) of the node states with which the lanes end."""
        return [(_time(number), self._id(node)) for node in range(NODES)]

    def all(self, count: int) -> Iterator[Committed]:
        """``count`` transactions, the last of them the closing one."""
        for number in range(1, count):
            yield self.transaction(number)
        yield self.closing(count)

    # --- their contents ------------------------------------------------------------------------

    def _rng(self, number: int, what: str = "") -> random.Random:
        return random.Random(f"{self.seed}/{self.station}/{number}/{what}")

    def _node(self, number: int) -> int:
        return self._rng(number, "node").randrange(NODES)

    def _id(self, node: int) -> int:
        return self.station * NODES_A_STATION + node + 1

    def _furniture(self) -> list[Change]:
        began, name = "2025-12-01T00:00:00", self.name
        houses: list[Row] = [(n, 1, f"{name}, house {n}", began, None) for n in (1, 2)]
        nodes = range(NODES)
        kinds: list[Row] = [(t, f"type {t}", f"T{t}", "u", 0.0, 1.0, 0.0, 0.0) for t in TYPES]
        sensors: list[Row] = [
            (node * len(TYPES) + n + 1, kind, self._id(node), 1.0, 0.0)
            for node in nodes
            for n, kind in enumerate(TYPES)
        ]
        state = ("id", "name", "time", "seq", "updated_seq", "period", "blink", "configured")
        rows: list[tuple[str, tuple[str, ...], list[Row]]] = [
            (
                "Deployment",
                ("id", "name", "description", "startDate", "endDate"),
                [(1, f"survey {self.station % 3}", None, began, None)],
            ),
            ("House", ("id", "deploymentId", "address", "startDate", "endDate"), houses),
            ("RoomType", ("id", "name"), [(1, "Kitchen"), (2, "Bedroom")]),
            ("Room", ("id", "roomTypeId", "name"), [(1, 1, "Kitchen"), (2, 2, "Bed 1")]),
            (
                "Location",
                ("id", "houseId", "roomId"),
                [(n + 1, n // 2 + 1, n % 2 + 1) for n in nodes],
            ),
            ("NodeType", state, [(0, "Base", None, 0, 0, 300, 0, "")]),
            ("SensorType", ("id", "name", "code", "units", "c0", "c1", "c2", "c3"), kinds),
            ("Node", ("id", "locationId", "nodeTypeId"), [(self._id(n), n + 1, 0) for n in nodes]),
            ("Sensor", SENSOR, sensors),
        ]
        return [Change(table, Op.INSERT, columns, found) for table, columns, found in rows]

    def _state(self, number: int, node: int) -> Row:
        rssi = -float(self._rng(number, "rssi").randint(40, 90))
        key = number * NODES + node
        return (key, _time(number), self._id(node), 1, number, number % 65536, rssi)

    def _reading(self, number: int, node: int, kind: int, version: int = 0) -> Row:
        value = self._rng(number, f"{node} {kind} {version}").randrange(1 << 16) / 64
        return (_time(number), self._id(node), kind, node + 1, value)

    def _packet(self, number: int, node: int) -> list[Change]:
        return [
            Change("NodeState", Op.INSERT, STATE, [self._state(number, node)]),
            Change("Reading", Op.INSERT, READING, [self._reading(number, node, t) for t in TYPES]),
        ]

    def _corrected(self, number: int, of: int) -> list[Change]:
        node = self._node(of)
        rows = [self._reading(of, node, kind, number) for kind in TYPES[:3]]
        return [Change("Reading", Op.UPDATE, READING, rows)]

    def _deleted(self, of: int) -> list[Change]:
        node = self._node(of)
        return [
            Change("Reading", Op.DELETE, READING, [self._reading(of, node, t) for t in TYPES]),
            Change("NodeState", Op.DELETE, STATE, [self._state(of, node)]),
        ]

    def _calibrated(self, number: int) -> list[Change]:
        node, slope = self._node(number), 1 + number / 4096
        row: Row = (node * len(TYPES) + 1, TYPES[0], self._id(node), slope, 0.5)
        return [Change("Sensor", Op.UPDATE, SENSOR, [row])]


def _time(number: int) -> str:
    return (BEGAN + timedelta(seconds=number)).replace(tzinfo=None).isoformat()
