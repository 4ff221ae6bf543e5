"""Builds an audit of one destination from the configuration."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from replicator.audit.centre import Centre
from replicator.audit.look import Looker
from replicator.audit.pending import Pending
from replicator.audit.periods import bounds
from replicator.audit.places import Chart, chart
from replicator.audit.repair import Repair
from replicator.audit.station import Station
from replicator.audit.verify import Audit
from replicator.audit.walk import Scope
from replicator.change import Position, Value
from replicator.cli.pipelines import StationSource, address
from replicator.config import Config, DestinationConfig
from replicator.errors import ConfigError
from replicator.outbox.deliveries import Deliveries
from replicator.outbox.lock import RoleLock
from replicator.outbox.mappings import Mappings
from replicator.outbox.reader import OutboxReader
from replicator.outbox.store import destination_file, open_readonly
from replicator.sink.bulk import BulkSender
from replicator.sink.directory import Directory
from replicator.sink.identities import Identities
from replicator.sink.link import Link
from replicator.sink.meter import MeteredRest
from replicator.sink.resolver import RemoteResolver
from replicator.source.snapshot import SnapshotReader

_CHUNK = 1_000

ReferenceRow = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Selection:
    """What the operator asked for. ``house``: an address or id; ``since`` ≤ time < ``until``."""

    house: str | None = None
    since: str | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True)
class House:
    """A house of the station."""

    id: int
    address: str


class _Log:
    """The station's log and how far capture has come in it."""

    def __init__(self, source: StationSource, outbox: OutboxReader) -> None:
        self.now = source.now
        self.captured_to: Callable[[], Position | None] = outbox.captured_to
        self.is_capturing = outbox.is_capturing


@dataclass(frozen=True, slots=True)
class Auditing:
    """One destination's audit, wired. ``house``: None where all are audited."""

    name: str
    folder: Path
    audit: Audit
    station: Station
    pending: Pending
    outbox: OutboxReader
    log: _Log
    chart: Chart
    scope: Scope
    rest: MeteredRest
    link: Link
    house: House | None

    @contextmanager
    def repairing(self, *, delete_extra: bool) -> Iterator[Repair]:
        """Ship's role, and what sends rows again. Raises OutboxBusy while ship runs."""
        lock = RoleLock(self.folder, f"ship-{self.name}")
        try:
            deliveries = Deliveries(self.folder, self.name)
            try:
                mappings = Mappings(deliveries.database, deliveries.path)
                directory = Directory(self.link)
                bulk = BulkSender(self.link, directory)
                identities = Identities(self.link, directory, bulk, mappings, self.outbox)
                resolver = RemoteResolver(self.link, directory, bulk, identities, self.outbox)
                yield Repair(
                    self.station,
                    self.pending,
                    self.link,
                    bulk,
                    resolver,
                    delete_extra=delete_extra,
                )
            finally:
                deliveries.close()
        finally:
            lock.release()


@contextmanager
def auditing(
    config: Config,
    destination: DestinationConfig,
    selection: Selection,
    progress: Callable[[int], None],
) -> Iterator[Auditing]:
    """Open what an audit needs; nothing is written. Raises ConfigError for an unknown house."""
    with ExitStack() as stack:
        outbox = OutboxReader(config.outbox.path)
        stack.callback(outbox.close)
        pending = Pending(config.outbox.path, destination.name, outbox)
        stack.callback(pending.close)
        source = StationSource(config)
        tables = stack.enter_context(source.tables())
        houses = list(all_rows(tables, "House"))
        remote = _mappings(config.outbox.path, destination.name)
        places = chart(houses, all_rows(tables, "Location"), lambda t, i: remote.get((t, i)))
        house = None if selection.house is None else _house(houses, selection.house)
        scope = _scope(tables, places, house, selection)
        rest = MeteredRest(address(destination))
        link = Link(rest)
        stack.callback(link.close)
        station = Station(tables, places, pending, progress)
        log = _Log(source, outbox)
        centre = Centre(link, places)
        looker = Looker(station, centre, pending, log, places, scope, time.sleep)
        yield Auditing(
            destination.name,
            config.outbox.path,
            Audit(station, centre, pending, looker, places, scope),
            station,
            pending,
            outbox,
            log,
            places,
            scope,
            rest,
            link,
            house,
        )


def all_rows(tables: SnapshotReader, table: str) -> Iterator[ReferenceRow]:
    """Every row of a small table, by primary key."""
    after: tuple[Value, ...] | None = None
    while True:
        chunk = tables.read(table, after, _CHUNK)
        if chunk.change is not None:
            for row in chunk.change.rows:
                yield dict(zip(chunk.change.columns, row, strict=True))
        if chunk.done:
            return
        after = chunk.last_key


def _mappings(folder: Path, name: str) -> Mapping[tuple[str, int], int]:
    """Of locations; what is not mapped has no counterpart at the centre."""
    path = folder / destination_file(name)
    if not path.exists():
        return {}
    database = open_readonly(path, "destination")
    try:
        rows = database.conn.execute(
            "SELECT table_name, local_id, remote_id FROM mapping WHERE table_name = 'Location'"
        )
        return {(table, local): there for table, local, there in rows}
    finally:
        database.close()


def _house(houses: Sequence[ReferenceRow], wanted: str) -> House:
    """By address; by id where no address is like that, or several are."""
    found = [row for row in houses if row["address"] == wanted]
    if len(found) != 1:
        by_id = [row for row in houses if str(row["id"]) == wanted]
        if len(found) > 1:
            numbers = ", ".join(str(row["id"]) for row in found)
            raise ConfigError(
                "several houses have this address", f"{wanted}: {numbers}", "name one by its id"
            )
        found = by_id
    if not found:
        known = ", ".join(f"{row['id']} ({row['address']})" for row in houses[:20])
        raise ConfigError("there is no such house", wanted, f"the station has {known or 'none'}")
    number = found[0]["id"]
    assert isinstance(number, int)
    return House(number, str(found[0]["address"]))


def _scope(
    tables: SnapshotReader, places: Chart, house: House | None, selection: Selection
) -> Scope:
    every = range(len(places.places))
    inside = [i for i in every if house is None or places.places[i].house == house.id]
    locations = {here for i in inside for here in places.places[i].locations}
    nodes, there = [], []
    for row in all_rows(tables, "Node"):
        number = row["id"]
        assert isinstance(number, int)
        nodes.append(number)
        if row["locationId"] in locations:
            there.append(number)
    states = None if house is None else there
    return Scope(selection.since, selection.until, inside, nodes, states)


def period_bounds(since: str | None, until: str | None) -> tuple[str | None, str | None]:
    """From the first moment of one period to the last of another, both as the operator wrote them.

    A year, a month, a day, an hour (2026, 2026-03, 2026-03-01, 2026-03-01T14), each meant with all
    of it. Raises ConfigError for anything else.
    """
    first = None if since is None else _bounds(since)[0]
    last = None if until is None else _bounds(until)[1]
    if first is not None and last is not None and first >= last:
        raise ConfigError("the period ends before it begins", f"{since} to {until}", "--from --to")
    return first, last


def _bounds(period: str) -> tuple[str, str]:
    since, until = bounds(period)
    if len(period) not in (4, 7, 10, 13) or until.startswith(period + "~"):
        raise ConfigError(
            "not a period", period, "a year, month, day or hour: 2026, 2026-03, 2026-03-01T14"
        )
    return since, until
