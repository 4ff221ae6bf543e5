"""The central server's tables, on SQLite, with what a strict MariaDB would refuse.

Source: the cogent-house central schema. Ids are never reused (InnoDB's AUTO_INCREMENT); foreign
keys hold at once (InnoDB has no deferred ones).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """``name``: int, bigint, float, time or text (of at most ``length`` characters)."""

    name: str
    length: int = 0


INT, BIGINT, FLOAT, TIME = Kind("int"), Kind("bigint"), Kind("float"), Kind("time")


@dataclass(frozen=True, slots=True)
class Table:
    """``generated``: ids are handed out where none is sent.

    ``keeps_nulls``  a merged row's NULLs overwrite; not on Reading
    ``foreign``      column → table
    """

    name: str
    kinds: dict[str, Kind]
    key: tuple[str, ...] = ("id",)
    generated: bool = True
    keeps_nulls: bool = True
    foreign: tuple[tuple[str, str], ...] = ()
    unique: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.kinds)


def _text(length: int) -> Kind:
    return Kind("text", length)


# In an order in which each table stands behind those it refers to.
_TABLES = (
    Table(
        "Deployment",
        {
            "id": INT,
            "name": _text(255),
            "description": _text(255),
            "startDate": TIME,
            "endDate": TIME,
        },
    ),
    Table(
        "House",
        {
            "id": INT,
            "deploymentId": INT,
            "address": _text(255),
            "startDate": TIME,
            "endDate": TIME,
            "serverid": INT,
        },
        foreign=(("deploymentId", "Deployment"),),
    ),
    Table("RoomType", {"id": INT, "name": _text(20)}),
    Table(
        "Room",
        {"id": INT, "roomTypeId": INT, "name": _text(20)},
        foreign=(("roomTypeId", "RoomType"),),
    ),
    Table(
        "Location",
        {"id": INT, "houseId": INT, "roomId": INT},
        foreign=(("houseId", "House"), ("roomId", "Room")),
        unique=("houseId", "roomId"),
    ),
    Table(
        "NodeType",
        {
            "id": INT,
            "name": _text(20),
            "time": TIME,
            "seq": INT,
            "updated_seq": INT,
            "period": INT,
            "blink": INT,
            "configured": _text(10),
        },
        generated=False,
    ),
    Table(
        "SensorType",
        {
            "id": INT,
            "name": _text(255),
            "code": _text(50),
            "units": _text(20),
            "c0": FLOAT,
            "c1": FLOAT,
            "c2": FLOAT,
            "c3": FLOAT,
        },
        generated=False,
    ),
    Table(
        "Node",
        {"id": INT, "locationId": INT, "nodeTypeId": INT},
        generated=False,
        foreign=(("locationId", "Location"), ("nodeTypeId", "NodeType")),
    ),
    Table(
        "Sensor",
        {
            "id": INT,
            "sensorTypeId": INT,
            "nodeId": INT,
            "calibrationSlope": FLOAT,
            "calibrationOffset": FLOAT,
        },
        foreign=(("sensorTypeId", "SensorType"), ("nodeId", "Node")),
    ),
    Table(
        "Reading",
        {"time": TIME, "nodeId": INT, "type": INT, "locationId": INT, "value": FLOAT},
        key=("time", "nodeId", "type"),
        generated=False,
        keeps_nulls=False,
        foreign=(("nodeId", "Node"), ("type", "SensorType"), ("locationId", "Location")),
    ),
    Table(
        "NodeState",
        {
            "time": TIME,
            "nodeId": INT,
            "parent": INT,
            "localtime": BIGINT,
            "seq_num": INT,
            "rssi": FLOAT,
        },
        key=("time", "nodeId", "seq_num"),
        generated=False,
        foreign=(("nodeId", "Node"),),
    ),
    Table(
        "Pushstatus",
        {"id": INT, "time": TIME, "localtime": TIME, "hostname": _text(25), "version": _text(20)},
    ),
)
TABLES = {table.name: table for table in _TABLES}
_BY_LOWER_NAME = {table.name.lower(): table for table in _TABLES}
_SQL = {"int": "INTEGER", "bigint": "INTEGER", "float": "REAL", "time": "TEXT"}


def table_named(name: str) -> Table:
    """Whatever its case. Raises KeyError."""
    return _BY_LOWER_NAME[name.lower()]


def create_statements() -> list[str]:
    """The schema as SQL."""
    return [_create(table) for table in _TABLES]


def _create(table: Table) -> str:
    parts = [_column(table, name, kind) for name, kind in table.kinds.items()]
    if "id" not in table.kinds:
        parts.append(f"PRIMARY KEY ({', '.join(table.key)})")
    parts += [f'FOREIGN KEY ("{column}") REFERENCES {to} (id)' for column, to in table.foreign]
    if table.unique:
        parts.append(f"UNIQUE ({', '.join(table.unique)})")
    return f"CREATE TABLE IF NOT EXISTS {table.name} ({', '.join(parts)})"


def _column(table: Table, name: str, kind: Kind) -> str:
    if name == "id":
        return f"id INTEGER PRIMARY KEY{' AUTOINCREMENT' if table.generated else ''}"
    null = " NOT NULL" if name in table.key else ""
    if kind.name == "text":
        return f'"{name}" TEXT COLLATE general_ci{null}'
    return f'"{name}" {_SQL[kind.name]}{null}'
