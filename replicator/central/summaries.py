"""The small answers: when did a house last sync, how many readings a day."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from replicator.central.schema import TABLES

_HOUSE, _LOCATION, _NODE = (TABLES[n].sql for n in ("House", "Location", "Node"))
_READING, _STATE = TABLES["Reading"].sql, TABLES["NodeState"].sql


def last_reading(connection: Connection, address: str | None) -> str | None:
    """Time of the newest reading at a location of the houses with this address."""
    places = _locations(connection, address)
    return _newest(connection, _READING.c.time, _READING.c.locationId, places)


def last_node_state(connection: Connection, address: str | None) -> str | None:
    """Time of the newest state of the nodes that are now in the houses with this address."""
    there = _NODE.c.locationId.in_(_locations(connection, address))
    nodes = list(connection.execute(sa.select(_NODE.c.id).where(there)).scalars())
    return _newest(connection, _STATE.c.time, _STATE.c.nodeId, nodes)


def readings_per_day(connection: Connection, node: int) -> list[dict[str, object]]:
    """``[{"date": "2015-03-01", "count": 288}, …]``, UTC days with readings, in order."""
    day = sa.func.date(_READING.c.time)
    query = sa.select(day, sa.func.count()).where(_READING.c.nodeId == node)
    rows = connection.execute(query.group_by(day).order_by(day))
    return [{"date": str(date), "count": int(count)} for date, count in rows]


def _locations(connection: Connection, address: str | None) -> list[int]:
    query = sa.select(_LOCATION.c.id, _HOUSE.c.address).join(
        _HOUSE, _HOUSE.c.id == _LOCATION.c.houseId
    )
    found = connection.execute(query.where(_HOUSE.c.address == address))
    return [row.id for row in found if row.address == address]  # exactly, trailing blanks too


def _newest(
    connection: Connection, time: sa.Column[str], by: sa.Column[int], values: list[int]
) -> str | None:
    newest = [
        connection.execute(sa.select(sa.func.max(time)).where(by == value)).scalar()
        for value in values
    ]
    return max((str(found) for found in newest if found is not None), default=None)
