"""The replicated schema as data: tables, keys, natural keys, references.

Source: the cogent-house base station and central schemas. Everything that is particular to a table
is said here once; no other module has code for one table alone, save the view of readings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class Identity(Enum):
    """How a local row is found at a destination."""

    SAME_ID = "same id everywhere"
    NATURAL_KEY = "natural key, ids differ"


@dataclass(frozen=True, slots=True)
class Table:
    """One replicated table.

    ``columns``      what is sent, in the destination's spelling (the same as the source's)
    ``primary_key``  at the station
    ``natural_key``  what makes a row the same row at the centre
    ``references``   column → table it points at
    ``meaning``      columns that must agree where ids are the same; a difference is a conflict
    ``stream``       a stream table flows (Reading, NodeState); others are references
    ``shared``       several stations use one row: what the centre already has is not overwritten by
                     a snapshot, only by a change
    ``distinct``     two local rows may not share one remote row
    ``whole_key``    no part of the natural key may be NULL (elsewhere NULL is a value like another)
    ``lane``         columns to follow, reference by reference, to the house that orders the row
    ``node``         column with the node that orders it where no house is known
    ``sent``         the columns in the order in which a body has them; empty: as ``columns``
    """

    name: str
    columns: tuple[str, ...]
    primary_key: tuple[str, ...]
    natural_key: tuple[str, ...]
    references: Mapping[str, str]
    identity: Identity = Identity.NATURAL_KEY
    meaning: tuple[str, ...] = ()
    stream: bool = False
    shared: bool = False
    distinct: bool = False
    whole_key: bool = False
    lane: tuple[str, ...] = ()
    node: str = ""
    sent: tuple[str, ...] = ()

    @property
    def body_columns(self) -> tuple[str, ...]:
        """The columns in the order in which a body has them."""
        return self.sent or self.columns


def _references(**tables: str) -> Mapping[str, str]:
    return MappingProxyType(tables)


_TABLES = (
    Table(
        "Deployment",
        ("id", "name", "description", "startDate", "endDate"),
        ("id",),
        ("name",),
        _references(),
        shared=True,
    ),
    Table(
        "House",
        ("id", "deploymentId", "address", "startDate", "endDate"),
        ("id",),
        ("deploymentId", "address"),
        _references(deploymentId="Deployment"),
        distinct=True,
        lane=("id",),
    ),
    Table("RoomType", ("id", "name"), ("id",), ("name",), _references(), shared=True),
    Table(
        "Room",
        ("id", "roomTypeId", "name"),
        ("id",),
        ("roomTypeId", "name"),
        _references(roomTypeId="RoomType"),
        shared=True,
    ),
    Table(
        "Location",
        ("id", "houseId", "roomId"),
        ("id",),
        ("houseId", "roomId"),
        _references(houseId="House", roomId="Room"),
        lane=("houseId",),
    ),
    Table(
        "NodeType",
        ("id", "name", "time", "seq", "updated_seq", "period", "blink", "configured"),
        ("id",),
        ("id",),
        _references(),
        identity=Identity.SAME_ID,
        shared=True,
    ),
    Table(
        "SensorType",
        ("id", "name", "code", "units", "c0", "c1", "c2", "c3"),
        ("id",),
        ("id",),
        _references(),
        identity=Identity.SAME_ID,
        meaning=("name", "code", "units"),
        shared=True,
    ),
    Table(
        "Node",
        ("id", "locationId", "nodeTypeId"),
        ("id",),
        ("id",),
        _references(locationId="Location", nodeTypeId="NodeType"),
        identity=Identity.SAME_ID,
        lane=("locationId", "houseId"),
        node="id",
    ),
    Table(
        "Sensor",
        ("id", "sensorTypeId", "nodeId", "calibrationSlope", "calibrationOffset"),
        ("id",),
        ("nodeId", "sensorTypeId"),
        _references(nodeId="Node", sensorTypeId="SensorType"),
        whole_key=True,
        lane=("nodeId", "locationId", "houseId"),
        node="nodeId",
    ),
    Table(
        "Reading",
        ("time", "nodeId", "type", "locationId", "value"),
        ("time", "nodeId", "type"),
        ("time", "nodeId", "type"),
        _references(nodeId="Node", type="SensorType", locationId="Location"),
        whole_key=True,
        stream=True,
        lane=("locationId", "houseId"),
        node="nodeId",
        sent=("time", "nodeId", "locationId", "type", "value"),  # so it compresses best
    ),
    Table(
        "NodeState",
        ("time", "nodeId", "parent", "localtime", "seq_num", "rssi"),
        ("id",),
        ("time", "nodeId", "seq_num"),
        _references(nodeId="Node"),
        whole_key=True,
        stream=True,
        lane=("nodeId", "locationId", "houseId"),
        node="nodeId",
    ),
)

# Reference tables first, each after the tables it points at; then the streams.
TABLES: Mapping[str, Table] = MappingProxyType({table.name: table for table in _TABLES})
REFERENCE_TABLES: tuple[str, ...] = tuple(t.name for t in _TABLES if not t.stream)
STREAM_TABLES: tuple[str, ...] = tuple(t.name for t in _TABLES if t.stream)


def split_key(table: Table) -> tuple[str, ...]:
    """Columns whose change makes an update a delete and an insert.

    The primary key, and for a stream its natural key; a reference row keeps its identity when it is
    renamed (that is an update at the destination).
    """
    extra = table.natural_key if table.stream else ()
    return table.primary_key + tuple(c for c in extra if c not in table.primary_key)
