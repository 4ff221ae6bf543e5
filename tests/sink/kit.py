"""A sink with everything real but the station's outbox: HTTP, mappings in their file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from replicator.change import Op, Value
from replicator.delivery import Parcel, QueuedRow
from replicator.model import TABLES
from replicator.outbox.deliveries import Deliveries
from replicator.outbox.mappings import Mappings
from replicator.sink.bulk import BulkSender
from replicator.sink.directory import Directory
from replicator.sink.identities import Identities
from replicator.sink.link import Link
from replicator.sink.resolver import RemoteResolver
from replicator.sink.rest import Address, Rest

_NUMBERS = itertools.count(1)


class Station:
    """Reference rows by hand. ``deleted``: gone, but still found."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, int], dict[str, Value]] = {}
        self.deleted: set[tuple[str, int]] = set()

    def put(self, table: str, number: int, **values: Value) -> None:
        """A row of the station; columns not named are NULL."""
        blank = dict.fromkeys(TABLES[table].columns)
        self._rows[table, number] = {**blank, "id": number, **values}
        self.deleted.discard((table, number))

    def reference(self, table: str, local_id: int) -> Mapping[str, Value] | None:
        return self._rows.get((table, local_id))

    def is_deleted(self, table: str, local_id: int) -> bool:
        return (table, local_id) in self.deleted or (table, local_id) not in self._rows

    def born_at(self, table: str, local_id: int) -> int:
        return 0

    def furnish(self) -> None:
        """One house with a room and a node in it, sensor types 0 and 1, nothing else."""
        self.put("Deployment", 1, name="Trial")
        self.put("House", 1, deploymentId=1, address="1 Main St")
        self.put("RoomType", 1, name="Bedroom")
        self.put("Room", 1, roomTypeId=1, name="Front")
        self.put("Location", 1, houseId=1, roomId=1)
        self.put("NodeType", 1, name="base", blink=0)
        self.put("Node", 69, locationId=1, nodeTypeId=1)
        for number in (0, 1):
            self.put("SensorType", number, name=f"type {number}", units="u")


class Kit:
    """One shipper's sink. ``again``: as after a restart, with what was durable."""

    def __init__(self, url: str, folder: Path, station: Station, timeout: float = 10.0) -> None:
        self._made = (url, folder, station, timeout)
        self.station = station
        self.deliveries = Deliveries(folder, "centre")
        self.mappings = Mappings(self.deliveries.database, self.deliveries.path)
        address = Address(f"{url}/", timeout=timeout, connect_timeout=timeout)
        self.rest = Rest(address)
        self.link = Link(self.rest)
        self.directory = Directory(self.link)
        self.bulk = BulkSender(self.link, self.directory)
        self.identities = Identities(
            self.link, self.directory, self.bulk, self.mappings, self.station
        )
        self.resolver = RemoteResolver(
            self.link, self.directory, self.bulk, self.identities, self.station
        )

    def again(self) -> Kit:
        """Another process on the same file."""
        self.close()
        return Kit(*self._made)

    def remote(self, table: str, number: int) -> int:
        """The remote id; it must be known or be found now."""
        found = self.identities.remote(table, number)
        assert isinstance(found, int), found
        return found

    def matched_by(self, table: str, number: int) -> str:
        """How a mapping came about, from its file."""
        rows = self.deliveries.database.query(
            "SELECT matched_by FROM mapping WHERE table_name = ? AND local_id = ?", [table, number]
        )
        return str(next(iter(rows))["matched_by"])

    def parcel(self, table: str, op: Op = Op.INSERT, **values: Value) -> Parcel:
        """A stream row with the body to send."""
        row = queued(table, op, **values)
        body = self.resolver.body(row)
        assert isinstance(body, Mapping), body
        return Parcel(row, body)

    def close(self) -> None:
        self.link.close()
        self.deliveries.close()


@contextmanager
def kit(url: str, folder: Path, station: Station | None = None) -> Iterator[Kit]:
    """A furnished one unless a station is given."""
    if station is None:
        station = Station()
        station.furnish()
    folder.mkdir(exist_ok=True)
    made = Kit(url, folder, station)
    try:
        yield made
    finally:
        made.close()


def queued(table: str, op: Op = Op.INSERT, **values: Value) -> QueuedRow:
    """A row on its way, in a lane of its own."""
    whole = {**dict.fromkeys(TABLES[table].columns), **values}
    key = tuple(whole.get(column) for column in TABLES[table].natural_key)
    return QueuedRow(next(_NUMBERS), 0, table, op, whole, key, f"lane:{key}")


def times(count: int) -> Sequence[str]:
    """Moments a second apart."""
    return [f"2026-03-01T{n // 3600:02d}:{n // 60 % 60:02d}:{n % 60:02d}" for n in range(count)]


def readings(made: Kit, count: int, bad: Sequence[int] = (), **values: Any) -> list[Parcel]:
    """So many readings of node 69; the bad ones have a value that no FLOAT can hold."""
    return [
        made.parcel(
            "Reading",
            **{
                "time": time,
                "nodeId": 69,
                "type": 0,
                "locationId": 1,
                "value": 1e300 if n in bad else n / 2,
                **values,
            },
        )
        for n, time in enumerate(times(count))
    ]
