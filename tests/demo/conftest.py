"""A small station, and a central SQLite file that holds the same rows under other ids."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pymysql
import pytest

from demo.conservation import Conservation, conserve
from demo.mariadbd import PrivateMariaDB
from demo.proof import Proof, compare
from demo.scratch import build_scratch
from demo.seed import seed_station
from demo.sides import MariaDBSide, SQLiteSide

# What the check must see through: the centre numbers everything of its own differently.
_SHIFTED = {
    "Deployment": ("id",),
    "House": ("id", "deploymentId"),
    "RoomType": ("id",),
    "Room": ("id", "roomTypeId"),
    "Location": ("id", "houseId", "roomId"),
    "Node": ("locationId",),
    "Sensor": ("id",),
    "Reading": ("locationId",),
    "NodeState": ("id",),
}
_TABLES = (*_SHIFTED, "NodeType", "SensorType")
_SHIFT = 1000


@dataclass(frozen=True)
class Copied:
    """A station and its copy. The copy has no constraints: it can hold any damage."""

    server: PrivateMariaDB
    database: str
    path: Path

    def damage(self, *statements: str) -> None:
        with sqlite3.connect(self.path) as centre:
            for statement in statements:
                assert centre.execute(statement).rowcount > 0
        centre.close()

    def source(self) -> MariaDBSide:
        return MariaDBSide(
            unix_socket=self.server.socket, user=self.server.user, database=self.database
        )

    def proof(self) -> Proof:
        with self.source() as source, SQLiteSide(self.path) as central:
            return compare(source, central)

    def conservation(self) -> Conservation:
        with self.source() as source, SQLiteSide(self.path) as central:
            scratch = build_scratch(source, central)
        try:
            return conserve(scratch)
        finally:
            scratch.close()


@pytest.fixture
def seeded(mariadb: PrivateMariaDB, station: str) -> str:
    """Name of a station database with 600 readings of history."""
    connection = mariadb.connect(station, autocommit=False)
    seed_station(connection, seed=1, readings=600)
    connection.close()
    return station


@pytest.fixture
def copied(mariadb: PrivateMariaDB, seeded: str, tmp_path: Path) -> Copied:
    path = tmp_path / "central.db"
    copy_to_sqlite(mariadb, seeded, path)
    return Copied(mariadb, seeded, path)


def copy_to_sqlite(server: PrivateMariaDB, database: str, path: Path) -> None:
    """Every row of the station, times as SQLAlchemy writes them, ids shifted."""
    station = server.connect(database)
    centre = sqlite3.connect(path)
    try:
        for table in _TABLES:
            _copy_table(station, centre, table)
        centre.commit()
    finally:
        centre.close()
        station.close()


def _copy_table(
    station: pymysql.connections.Connection, centre: sqlite3.Connection, table: str
) -> None:
    with station.cursor() as cursor:
        cursor.execute(f"SHOW COLUMNS FROM {table}")
        kinds = {str(row[0]): str(row[1]) for row in cursor.fetchall()}
        cursor.execute(
            "SELECT "
            + ", ".join(
                f"`{name}`+0e0"
                if kind == "float"
                else f"`{name}`+{_SHIFT}"
                if name in _SHIFTED.get(table, ())
                else f"CAST(`{name}` AS CHAR)"
                if kind == "datetime"
                else f"`{name}`"
                for name, kind in kinds.items()
            )
            + f" FROM {table}"
        )
        rows = cursor.fetchall()
    centre.execute(f"CREATE TABLE {table} ({', '.join(f'`{name}`' for name in kinds)})")
    centre.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(kinds))})", rows)
