"""Both databases side by side in one throw-away SQLite database, under natural keys.

``source`` and ``central``: one row for each reading and node state.

    key      "Reading|time|nodeId|type" or "NodeState|time|nodeId|seq_num"; NULL is the text "NULL"
    place    number of (deployment name, house address, room type, room name), NULL-safe; NULL: none
    content  reading: the float32's bits; node state: parent, localtime and rssi's bits

``source_reference`` and ``central_reference``: houses, nodes and sensors the same way. Of the
centre only this station's nodes and what they measured are taken; houses are all taken.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable, Iterator
from typing import Any

from demo.sides import Side

SCHEMA = """
CREATE TABLE source (key TEXT PRIMARY KEY, place INTEGER, content) WITHOUT ROWID;
CREATE TABLE central (key TEXT, place INTEGER, content);
CREATE TABLE source_reference (kind TEXT, key TEXT, content TEXT);
CREATE TABLE central_reference (kind TEXT, key TEXT, content TEXT);
"""
_INDEX = "CREATE INDEX central_key ON central (key)"

_LOCATIONS = """
SELECT Location.id, Deployment.name, House.address, RoomType.name, Room.name
FROM Location
LEFT JOIN House ON House.id = Location.houseId
LEFT JOIN Deployment ON Deployment.id = House.deploymentId
LEFT JOIN Room ON Room.id = Location.roomId
LEFT JOIN RoomType ON RoomType.id = Room.roomTypeId
"""
_HOUSES = """
SELECT Deployment.name, House.address, House.startDate, House.endDate
FROM House LEFT JOIN Deployment ON Deployment.id = House.deploymentId
"""
_NODES = "SELECT id, locationId, nodeTypeId FROM Node"
_SENSORS = """
SELECT nodeId, sensorTypeId, calibrationSlope+0e0, calibrationOffset+0e0 FROM Sensor
"""
_READINGS = "SELECT {time}, nodeId, type, locationId, value+0e0 FROM Reading"
_STATES = "SELECT {time}, nodeId, seq_num, parent, `localtime`, rssi+0e0 FROM NodeState"

Place = tuple[str | None, ...]


def build_scratch(source: Side, central: Side) -> sqlite3.Connection:
    """Read both sides into a new temporary database.

    Where the source holds one natural key twice (two node states of one second and sequence number)
    the later row counts.
    """
    scratch = sqlite3.connect("", isolation_level=None)
    scratch.executescript(SCHEMA)
    scratch.execute("BEGIN")
    places: dict[Place, int] = {}
    ours = sorted(int(row[0]) for row in source.select("SELECT id FROM Node"))
    nodes = ", ".join(map(str, ours)) or "NULL"
    _load(scratch, "source", source, places, "", " ORDER BY id")
    _load(scratch, "central", central, places, f" WHERE nodeId IN ({nodes})", "")
    _load_references(scratch, "source", source, places, ours)
    _load_references(scratch, "central", central, places, ours)
    scratch.execute(_INDEX)
    scratch.execute("COMMIT")
    return scratch


def float_bits(value: float | None) -> int | str | None:
    """The 32 bits of the nearest float32; text for what has none."""
    if value is None:
        return None
    try:
        return int(struct.unpack("<I", struct.pack("<f", value))[0])
    except OverflowError:
        return repr(value)


def text(*cells: object) -> str:
    """Cells as one text; NULL is "NULL"."""
    return "|".join("NULL" if cell is None else str(cell) for cell in cells)


def _load(
    scratch: sqlite3.Connection,
    table: str,
    side: Side,
    places: dict[Place, int],
    where: str,
    order: str,
) -> None:
    located = _located(side, places)
    insert = f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)"
    scratch.executemany(insert, _readings(side.select(_READINGS + where), located))
    scratch.executemany(insert, _states(side.select(_STATES + where + order)))


def _readings(
    rows: Iterable[tuple[Any, ...]], located: dict[int, int]
) -> Iterator[tuple[Any, ...]]:
    for time, node, kind, location, value in rows:
        # A location that does not exist is no place at all: a negative number, equal to none.
        place = None if location is None else located.get(location, -1)
        yield f"Reading|{time or 'NULL'}|{node}|{kind}", place, float_bits(value)


def _states(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    for time, node, sequence, parent, local_time, rssi in rows:
        key = text("NodeState", time, node, sequence)
        yield key, None, text(parent, local_time, float_bits(rssi))


def _located(side: Side, places: dict[Place, int]) -> dict[int, int]:
    """Location id → number of the place; equal places have equal numbers on both sides."""
    return {
        int(row[0]): places.setdefault(tuple(row[1:]), len(places) + 1)
        for row in side.select(_LOCATIONS)
    }


def _load_references(
    scratch: sqlite3.Connection,
    side_name: str,
    side: Side,
    places: dict[Place, int],
    ours: list[int],
) -> None:
    located = _located(side, places)
    mine = set(ours)
    rows: list[tuple[str, str, str]] = []
    for deployment, address, start, end in side.select(_HOUSES):
        rows.append(("House", text(deployment, address), text(_iso(start), _iso(end))))
    for node, location, kind in side.select(_NODES):
        if node in mine:
            place = None if location is None else located.get(location, -1)
            rows.append(("Node", text(node), text(place, kind)))
    for node, kind, slope, offset in side.select(_SENSORS):
        if node in mine:
            content = text(float_bits(slope), float_bits(offset))
            rows.append(("Sensor", text(node, kind), content))
    scratch.executemany(f"INSERT INTO {side_name}_reference VALUES (?, ?, ?)", rows)


def _iso(time: object) -> str | None:
    return None if time is None else str(time)[:19].replace(" ", "T")
