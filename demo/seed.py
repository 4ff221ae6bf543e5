"""Fills a station database with the simulated station and its history, in few large statements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pymysql

from demo.simulator import Packet, Station, history, make_station

_ROWS_PER_STATEMENT = 5000
_READING = "INSERT INTO Reading (time, nodeId, type, locationId, value) VALUES "
_NODE_STATE = "INSERT INTO NodeState (time, nodeId, parent, `localtime`, seq_num, rssi) VALUES "


def create_schema(connection: pymysql.connections.Connection, database: str) -> None:
    """A database with the base station's schema, empty, and the connection in it."""
    statements = (Path(__file__).parent / "station.sql").read_text().split(";")
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {database}")
        cursor.execute(f"USE {database}")
        for statement in filter(str.strip, statements):
            cursor.execute(statement)


def seed_station(
    connection: pymysql.connections.Connection,
    seed: int,
    readings: int,
    progress: Callable[[int], None] = lambda _: None,
) -> Station:
    """Insert the station of ``seed`` and ``readings`` historical readings with their node states.

    The schema must be there and empty. ``progress`` is called with the readings inserted so far.
    """
    station = make_station(seed)
    with connection.cursor() as cursor:
        for table, (columns, rows) in station.tables.items():
            names = ", ".join(columns)
            marks = ", ".join(["%s"] * len(columns))
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)
        connection.commit()
        done = 0
        for states, values in _statements(history(station, readings, seed)):
            cursor.execute(_NODE_STATE + ",".join(states))
            cursor.execute(_READING + ",".join(values))
            connection.commit()
            done += len(values)
            progress(done)
    return station


def _statements(packets: Iterable[Packet]) -> Iterator[tuple[list[str], list[str]]]:
    states: list[str] = []
    values: list[str] = []
    for packet in packets:
        head = f"('{packet.time}',{packet.node},"
        place = "NULL" if packet.place is None else packet.place
        states.append(f"{head}0,{packet.local_time},{packet.sequence},{packet.rssi:.9g})")
        values += [f"{head}{kind},{place},{value:.9g})" for kind, value in packet.readings]
        if len(values) >= _ROWS_PER_STATEMENT:
            yield states, values
            states, values = [], []
    if states:
        yield states, values
