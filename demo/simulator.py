"""A made-up station: its houses, nodes and measurements. Seeded; the same seed, the same station.

Pure: nothing here talks to a database. Times are naive and mean UTC, as at a base station.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

HISTORY_END = datetime(2024, 3, 1)  # noqa: DTZ001  # stations keep naive UTC
PERIOD = 300  # seconds between two packets of a node
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # the same

Cell = None | int | float | str
Rows = Sequence[tuple[Cell, ...]]


@dataclass(frozen=True, slots=True)
class Quantity:
    """What one sensor measures: a daily wave of ``swing`` around ``level``, with ``noise``.

    ``step``  its resolution: a node reports counts of its converter (12 bits; 14 bits for
              temperature), so a year of readings has only some thousand distinct values
    """

    type: int
    name: str
    code: str
    units: str
    level: float
    swing: float
    noise: float
    step: float


QUANTITIES = (
    Quantity(0, "Temperature", "Tmp", "deg.C", 19.5, 2.5, 0.2, 0.01),
    Quantity(2, "Humidity", "Hum", "%RH", 48.0, 8.0, 1.5, 0.0405),
    Quantity(4, "Light PAR", "PAR", "Lux", 120.0, 110.0, 6.0, 0.769),
    Quantity(6, "Battery Voltage", "BAT", "V", 2.9, 0.02, 0.01, 3 / 4096),
    Quantity(8, "CO2", "CO2", "ppm", 700.0, 250.0, 25.0, 2000 / 4096),
    Quantity(10, "VOC", "VOC", "ppm", 3.1, 0.6, 0.1, 5 / 4096),
)
TYPES = tuple(quantity.type for quantity in QUANTITIES)

DEPLOYMENTS = ("Retrofit pilot", "Winter survey 2023_24")
# (deployment, address, finished): one address twice, underscores, a wildcard, non-ASCII on purpose.
HOUSES = (
    (1, "12 High Street", False),
    (1, "1_Mill_Lane", False),
    (1, "Café Zoë, 3 rue de l'Église", False),
    (2, "12 High Street", False),
    (2, "Flat 2*B", False),
    (2, "The Old Manor", True),
)
FINISHED_HOUSE = 6
ROOM_TYPES = ("Bedroom", "Living space", "Kitchen", "Wet room", "Other")
ROOMS = (
    (1, "Bedroom 1"),
    (1, "Bedroom 2"),
    (2, "Living Room"),
    (2, "Study"),
    (3, "Kitchen"),
    (4, "Bathroom"),
    (5, "Hallway"),
    (5, "Loft"),
)
NODE_TYPES = ((0, "Base"), (1, "CO2"), (2, "Air Quality"))
ROOMLESS_LOCATION = len(HOUSES) * len(ROOMS) + 1
NODES = 40
FIRST_NODE = 101


@dataclass(frozen=True, slots=True)
class Node:
    """``places``: (from this share of the history on, locationId); the last one is today's."""

    id: int
    type: int
    places: tuple[tuple[float, int | None], ...]
    phase: float
    second: int

    def place(self, share: float) -> int | None:
        """Where the node stands after ``share`` (0 to 1) of the history."""
        return next(place for since, place in reversed(self.places) if share >= since)


@dataclass(frozen=True, slots=True)
class Packet:
    """One radio packet: a node state and its readings. ``readings``: (type, value) pairs."""

    time: datetime
    node: int
    place: int | None
    sequence: int
    rssi: float
    readings: Sequence[tuple[int, float]]

    @property
    def local_time(self) -> int:
        """The node's own clock, ticks of 1/1024 s."""
        return int((self.time - EPOCH).total_seconds()) * 1024


@dataclass(frozen=True, slots=True)
class Station:
    """``tables``: reference table → (columns, rows), parents before children."""

    nodes: Sequence[Node]
    tables: Mapping[str, tuple[tuple[str, ...], Rows]]


def make_station(seed: int) -> Station:
    """The station of a seed: 2 deployments, 6 houses (one finished), 49 locations, 40 nodes."""
    rng = random.Random(seed)
    nodes = _nodes(rng)
    finished = (HISTORY_END - timedelta(days=30)).isoformat(sep=" ")
    started = (HISTORY_END - timedelta(days=400)).isoformat(sep=" ")
    tables: dict[str, tuple[tuple[str, ...], Rows]] = {
        "Deployment": (
            ("id", "name", "description", "startDate", "endDate"),
            [
                (i, name, f"{name}, field work", started, None)
                for i, name in enumerate(DEPLOYMENTS, 1)
            ],
        ),
        "House": (
            ("id", "deploymentId", "address", "startDate", "endDate", "serverid"),
            [
                (i, deployment, address, started, finished if over else None, None)
                for i, (deployment, address, over) in enumerate(HOUSES, 1)
            ],
        ),
        "RoomType": (("id", "name"), list(enumerate(ROOM_TYPES, 1))),
        "Room": (
            ("id", "roomTypeId", "name"),
            [(i, kind, name) for i, (kind, name) in enumerate(ROOMS, 1)],
        ),
        "Location": (("id", "houseId", "roomId"), _locations()),
        "NodeType": (
            ("id", "name", "time", "seq", "updated_seq", "period", "blink", "configured"),
            [(i, name, started, 1, 1, PERIOD * 1024, 0, "0101") for i, name in NODE_TYPES],
        ),
        "SensorType": (
            ("id", "name", "code", "units", "c0", "c1", "c2", "c3"),
            [(q.type, q.name, q.code, q.units, 0.0, 1.0, 0.0, 0.0) for q in QUANTITIES],
        ),
        "Node": (
            ("id", "locationId", "nodeTypeId"),
            [(node.id, node.place(1.0), node.type) for node in nodes],
        ),
        "Sensor": (
            ("sensorTypeId", "nodeId", "calibrationSlope", "calibrationOffset"),
            [
                (kind, node.id, rng.uniform(0.95, 1.05), rng.uniform(-0.5, 0.5))
                for node in nodes
                for kind in TYPES
            ],
        ),
    }
    return Station(nodes, tables)


def _locations() -> Rows:
    pairs = [(h, r) for h in range(1, len(HOUSES) + 1) for r in range(1, len(ROOMS) + 1)]
    return [(i, *pair) for i, pair in enumerate(pairs, 1)] + [(ROOMLESS_LOCATION, 2, None)]


def _nodes(rng: random.Random) -> list[Node]:
    last = (FINISHED_HOUSE - 1) * len(ROOMS)  # locations 1..last are the houses still lived in
    plans: list[tuple[tuple[float, int | None], ...]] = [
        ((0.0, 1 + (index * 7) % last),) for index in range(NODES - 10)
    ]
    plans += [((0.0, 1 + rng.randrange(last)), (0.5, 1 + rng.randrange(last))) for _ in range(3)]
    plans += [((0.0, last + 1), (0.4, None)), ((0.0, last + 2), (0.4, None))]  # taken down
    plans += [((0.0, last + 3),), ((0.0, ROOMLESS_LOCATION),)]
    plans += [((0.0, None),)] * (NODES - len(plans))  # not placed yet
    return [
        Node(
            FIRST_NODE + index,
            index % len(NODE_TYPES),
            places,
            phase=rng.uniform(0, 2 * math.pi),
            # A few nodes always send in the same second.
            second=rng.randrange(PERIOD) if index % 8 else 17,
        )
        for index, places in enumerate(plans)
    ]


def measure(rng: random.Random, node: Node, time: datetime) -> list[tuple[int, float]]:
    """Six values that a node could measure at a time."""
    angle = ((time - EPOCH).total_seconds() % 86400) / 86400 * 2 * math.pi + node.phase
    wave = math.sin(angle)
    return [
        (q.type, round((q.level + q.swing * wave + rng.gauss(0, q.noise)) / q.step) * q.step)
        for q in QUANTITIES
    ]


def history(station: Station, readings: int, seed: int) -> Iterator[Packet]:
    """Packets with exactly ``readings`` readings, up to HISTORY_END, in the order of arrival.

    One in a hundred comes late, and one in two hundred is two packets of the same second.
    """
    rng = random.Random(f"history {seed}")
    rounds = math.ceil(readings / (len(QUANTITIES) * len(station.nodes)))
    start = HISTORY_END - timedelta(seconds=rounds * PERIOD)
    left = readings
    late: list[Packet] = []
    for number in range(rounds):
        for node in station.nodes:
            if left <= 0:
                break
            time = start + timedelta(seconds=number * PERIOD + node.second)
            values = measure(rng, node, time)[:left]
            left -= len(values)
            place = node.place(number / rounds)
            parts = split(values) if rng.random() < 0.005 else [values]
            for part, some in enumerate(parts):
                sequence = (number * 2 + part) % 65536
                rssi = float(rng.randint(-90, -40))
                packet = Packet(time, node.id, place, sequence, rssi, some)
                if rng.random() < 0.01:
                    late.append(packet)
                else:
                    yield packet
        if number % 50 == 49:
            yield from late
            late.clear()
    yield from late


def split(values: list[tuple[int, float]]) -> list[list[tuple[int, float]]]:
    """One packet's values as two packets' of the same second."""
    return [values[:3], values[3:]] if len(values) > 3 else [values]
