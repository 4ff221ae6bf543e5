"""The small answers: when did a house last sync, how many readings a day."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from replicator.central.schema import TABLES

_HOUSE, _LOCATION, _READING = (TABLES[n].sql for n in ("House", "Location", "Reading"))


def last_reading(connection: Connection, address: str | None) -> str | None:
    """Time of the newest reading at a location of the houses with this address."""
    newest = sa.select(sa.func.max(_READING.c.time))
    times = [
        connection.execute(newest.where(_READING.c.locationId == place)).scalar()
        for place in _locations(connection, address)
    ]
    return max((str(time) for time in times if time is not None), default=None)


def last_of_node(connection: Connection, node: int) -> str | None:
    """Time of the newest reading of a node."""
    newest = sa.select(sa.func.max(_READING.c.time)).where(_READING.c.nodeId == node)
    found = connection.execute(newest).scalar()
    return None if found is None else str(found)


def readings_per_day(
    connection: Connection, node: int, kind: int | None = None
) -> list[tuple[str, int]]:
    """``[["2015-03-01", 288], …]``: UTC days with readings (of one type), in order."""
    day = sa.func.date(_READING.c.time)
    query = sa.select(day, sa.func.count()).where(_READING.c.nodeId == node)
    if kind is not None:
        query = query.where(_READING.c.type == kind)
    rows = connection.execute(query.group_by(day).order_by(day))
    return [(str(date), int(count)) for date, count in rows]


def _locations(connection: Connection, address: str | None) -> list[int]:
    if address is None or "\0" in address:
        return []
    query = sa.select(_LOCATION.c.id, _HOUSE.c.address).join(
        _HOUSE, _HOUSE.c.id == _LOCATION.c.houseId
    )
    found = connection.execute(query.where(_HOUSE.c.address == address))
    return [row.id for row in found if row.address == address]  # exactly, trailing blanks too
