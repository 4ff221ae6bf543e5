"""The central tables, as SQLAlchemy Core tables and as plain data for the row checks.

Columns are the original central server's. What is ours:

- ``natural_key``: SHA-256 of the natural key's canonical JSON, unique, never shown. It makes keys
  NULL-safe (a location without a room is one location) and exact (case, accents, trailing blanks),
  whatever the database's collation.
- Stream tables carry no foreign keys: their references are checked set-wise, under shared locks, in
  the transaction that stores the rows. A constraint would check the same thing once per row.
- ``central_schema``, ``id_counter``, ``receipt``, ``station_token``, ``fleet_token``, ``station``,
  ``holding``: book-keeping.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from replicator import model
from replicator.central.columns import HASH, TimeText, utf8

# 2: fleet_token, holding; 3: turn. What does not fence must not write beside what does.
SCHEMA_VERSION = 3


@dataclass(frozen=True, slots=True)
class Kind:
    """What a column holds; ``length`` is in characters and only for text."""

    name: Literal["integer", "bigint", "flag", "float", "text", "time"]
    length: int = 0


INTEGER, BIGINT, FLAG = Kind("integer"), Kind("bigint"), Kind("flag")
FLOAT, TIME = Kind("float"), Kind("time")


def _text(length: int) -> Kind:
    return Kind("text", length)


_KINDS: dict[str, dict[str, Kind]] = {
    "Deployment": {
        "id": INTEGER,
        "name": _text(255),
        "description": _text(255),
        "startDate": TIME,
        "endDate": TIME,
    },
    "House": {
        "id": INTEGER,
        "deploymentId": INTEGER,
        "address": _text(255),
        "startDate": TIME,
        "endDate": TIME,
        "serverid": INTEGER,
    },
    "RoomType": {"id": INTEGER, "name": _text(20)},
    "Room": {"id": INTEGER, "roomTypeId": INTEGER, "name": _text(20)},
    "Location": {"id": INTEGER, "houseId": INTEGER, "roomId": INTEGER},
    "NodeType": {
        "id": INTEGER,
        "name": _text(20),
        "time": TIME,
        "seq": INTEGER,
        "updated_seq": INTEGER,
        "period": INTEGER,
        "blink": FLAG,
        "configured": _text(10),
    },
    "SensorType": {
        "id": INTEGER,
        "name": _text(255),
        "code": _text(50),
        "units": _text(20),
        "c0": FLOAT,
        "c1": FLOAT,
        "c2": FLOAT,
        "c3": FLOAT,
    },
    "Node": {"id": INTEGER, "locationId": INTEGER, "nodeTypeId": INTEGER},
    "Sensor": {
        "id": INTEGER,
        "sensorTypeId": INTEGER,
        "nodeId": INTEGER,
        "calibrationSlope": FLOAT,
        "calibrationOffset": FLOAT,
    },
    "Reading": {
        "time": TIME,
        "nodeId": INTEGER,
        "type": INTEGER,
        "locationId": INTEGER,
        "value": FLOAT,
    },
    "NodeState": {
        "time": TIME,
        "nodeId": INTEGER,
        "parent": INTEGER,
        "localtime": BIGINT,
        "seq_num": INTEGER,
        "rssi": FLOAT,
    },
    "Pushstatus": {
        "id": INTEGER,
        "time": TIME,
        "localtime": TIME,
        "hostname": _text(255),
        "version": _text(255),
    },
}

# Keys that must not hold a NULL although the natural key is hashed.
_NOT_NULL_KEY = frozenset({"Sensor"})
# Tables whose ids the stations choose.
_OWN_IDS = frozenset({"Node", "NodeType", "SensorType"})


@dataclass(frozen=True, slots=True)
class CentralTable:
    """One table of the contract.

    ``kinds``        column → what it holds, in the order of the answers
    ``primary_key``  what the database identifies a row by
    ``natural_key``  what makes two sent rows the same row
    ``references``   column → table it must exist in
    ``hashed``       identified by the ``natural_key`` column; ids are handed out here
    ``keeps``        columns that a NULL from a client without receipts does not overwrite
    """

    name: str
    kinds: Mapping[str, Kind]
    primary_key: tuple[str, ...]
    natural_key: tuple[str, ...]
    references: Mapping[str, str]
    hashed: bool
    stream: bool
    sql: sa.Table
    keeps: frozenset[str] = frozenset()

    @property
    def numbers(self) -> bool:
        """Whether ids are handed out here, from 1."""
        return "id" in self.kinds and self.name not in _OWN_IDS

    @property
    def required(self) -> tuple[str, ...]:
        """Natural key columns that must not be NULL."""
        return () if self.hashed and self.name not in _NOT_NULL_KEY else self.natural_key


def _sql_type(kind: Kind) -> Any:
    return {
        "integer": sa.Integer(),
        "bigint": sa.BigInteger(),
        "flag": sa.SmallInteger(),
        "float": sa.Float().with_variant(postgresql.REAL(), "postgresql"),
        "text": utf8(kind.length),
        "time": TimeText(),
    }[kind.name]


# What happens to the rows that refer to a deleted one; everything else refuses the deletion.
_ON_DELETE = {"Location.houseId": "CASCADE", "Node.locationId": "SET NULL"}


def _column(table: str, name: str, kind: Kind, primary: tuple[str, ...]) -> sa.Column[Any]:
    constraints: list[sa.ForeignKey] = []
    reference = None
    if table in model.REFERENCE_TABLES:
        reference = model.TABLES[table].references.get(name)
    if reference is not None:
        on_delete = _ON_DELETE.get(f"{table}.{name}", "RESTRICT")
        constraints.append(sa.ForeignKey(f"{reference}.id", ondelete=on_delete))
    numbered = name == "id" and table not in _OWN_IDS
    return sa.Column(
        name,
        _sql_type(kind),
        *constraints,
        primary_key=primary == (name,),
        nullable=name not in primary,
        autoincrement=numbered,
    )


_OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}

METADATA = sa.MetaData()


def _build(name: str) -> CentralTable:
    entry = model.TABLES.get(name)
    kinds = _KINDS[name]
    stream = entry is not None and entry.stream
    natural = entry.natural_key if entry is not None else ("id",)
    # By node first: what is asked for, compared and counted is a node's stretch of time.
    primary = tuple(sorted(natural, key=lambda c: c != "nodeId")) if stream else ("id",)
    hashed = not stream and natural != ("id",)
    columns: list[Any] = [_column(name, c, kind, primary) for c, kind in kinds.items()]
    options = dict(_OPTIONS)
    if hashed:
        columns.append(sa.Column("natural_key", HASH, nullable=False, unique=True))
    if stream:
        columns.append(sa.PrimaryKeyConstraint(*primary))
        options["sqlite_with_rowid"] = False
    if name == "Reading":
        columns.append(sa.Index("Reading_location_time", "locationId", "time"))
    return CentralTable(
        name=name,
        kinds=MappingProxyType(kinds),
        primary_key=primary,
        natural_key=natural,
        references=entry.references if entry is not None else MappingProxyType({}),
        hashed=hashed,
        stream=stream,
        sql=sa.Table(name, METADATA, *columns, **options),
        keeps=frozenset({"locationId", "value"}) if name == "Reading" else frozenset(),
    )


# Every table of the contract: references before what points at them, then streams, then Pushstatus.
TABLES: Mapping[str, CentralTable] = MappingProxyType({name: _build(name) for name in _KINDS})
BULK_TABLES: tuple[str, ...] = tuple(model.TABLES)
BY_PATH: Mapping[str, CentralTable] = MappingProxyType({n.lower(): t for n, t in TABLES.items()})

CENTRAL_SCHEMA = sa.Table(
    "central_schema",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, nullable=False),
    **_OPTIONS,
)
ID_COUNTER = sa.Table(
    "id_counter",
    METADATA,
    sa.Column("name", sa.String(20), primary_key=True),
    sa.Column("last", sa.Integer, nullable=False),
    **_OPTIONS,
)
RECEIPT = sa.Table(
    "receipt",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("station", utf8(255), nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("rejected", sa.Integer, nullable=False),
    sa.Column("at", TimeText(), nullable=False),
    **_OPTIONS,
)
STATION_TOKEN = sa.Table(
    "station_token",
    METADATA,
    sa.Column("token_hash", HASH, primary_key=True),
    sa.Column("station", utf8(255), nullable=False),
    sa.Column("created_at", TimeText(), nullable=False),
    sa.Column("revoked_at", TimeText(), nullable=True),
    **_OPTIONS,
)
# Of shippers that may speak for any station.
FLEET_TOKEN = sa.Table(
    "fleet_token",
    METADATA,
    sa.Column("token_hash", HASH, primary_key=True),
    sa.Column("name", utf8(255), nullable=False),
    sa.Column("created_at", TimeText(), nullable=False),
    sa.Column("revoked_at", TimeText(), nullable=True),
    **_OPTIONS,
)
# Who delivers a station: the highest epoch seen, and since when.
HOLDING = sa.Table(
    "holding",
    METADATA,
    sa.Column("station", utf8(255), primary_key=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("since", TimeText(), nullable=False),
    **_OPTIONS,
)
# Of each sender the highest turn seen, and since when.
TURN = sa.Table(
    "turn",
    METADATA,
    sa.Column("sender", sa.String(32), primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("since", TimeText(), nullable=False),
    **_OPTIONS,
)
# The last heartbeat of each station; all but its name and when it came is what the station said.
STATION = sa.Table(
    "station",
    METADATA,
    sa.Column("station", utf8(255), primary_key=True),
    sa.Column("seen_at", TimeText(), nullable=False),
    sa.Column("version", utf8(255)),
    sa.Column("sent_at", TimeText()),
    sa.Column("interval", sa.BigInteger),
    sa.Column("waiting_rows", sa.BigInteger),
    sa.Column("lag_seconds", sa.BigInteger),
    sa.Column("parked_rows", sa.BigInteger),
    sa.Column("open_gaps", sa.BigInteger),
    sa.Column("last_commit", TimeText()),
    sa.Column("disk_free", sa.BigInteger),
    sa.Column("outbox_bytes", sa.BigInteger),
    sa.Column("tail", utf8(255)),
    sa.Column("ship", utf8(255)),
    **_OPTIONS,
)
