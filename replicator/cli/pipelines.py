"""Builds the pipelines from the configuration: endpoints, streams, senders."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from replicator.change import Position
from replicator.cli import collector
from replicator.cli.allowing import Allowance
from replicator.cli.beating import Heart
from replicator.cli.sampling import DeliveryWatch
from replicator.config import Config, DestinationConfig
from replicator.delivery import Holder
from replicator.errors import ConfigError, OutboxBusy, OutboxFull
from replicator.notify import Duty, silent
from replicator.outbox.attempts import Attempts
from replicator.outbox.deliveries import Deliveries
from replicator.outbox.mappings import Mappings
from replicator.outbox.orders import Orders
from replicator.outbox.reader import OutboxReader
from replicator.outbox.status import StatusBoard
from replicator.outbox.store import OUTBOX_FILE, open_store
from replicator.outbox.traffic import Traffic
from replicator.outbox.turns import Turns
from replicator.ship import Ship, ShipSettings
from replicator.sink.beat import phase
from replicator.sink.bulk import BulkSender
from replicator.sink.dialect import Dialect
from replicator.sink.directory import Directory
from replicator.sink.express import Express
from replicator.sink.identities import Identities
from replicator.sink.link import Link
from replicator.sink.meter import MeteredRest
from replicator.sink.pace import Pace
from replicator.sink.resolver import RemoteResolver
from replicator.sink.rest import Address
from replicator.sink.speaker import Speaker
from replicator.source.binlog import BinlogStream, current_position
from replicator.source.endpoint import Endpoint
from replicator.source.loss import Loss, assess
from replicator.source.snapshot import SnapshotReader
from replicator.tail import TailSettings

_LOG = logging.getLogger("replicator.ship")
_CHUNKS_A_MARK = 10
_UNFENCED = (
    "this central server does not refuse a shipper whose station another one has taken over;"
    " its late rows may go over newer ones there (docs/scaling.md, Fencing)"
)


def endpoint(config: Config) -> Endpoint:
    """Where the station's database is."""
    source = config.source
    return Endpoint(
        host=source.host,
        port=source.port,
        unix_socket=source.unix_socket,
        user=source.user,
        password=source.password,
        database=source.database,
        connect_timeout=source.connect_timeout,
        read_timeout=3 * source.heartbeat,
        ssl_ca=str(source.ssl_ca) if source.ssl_ca else None,
    )


class StationSource:
    """The station's database as the capture pipeline wants it.

    ``alive``  called in what may take longer than one timeout, as it goes on
    """

    def __init__(
        self,
        config: Config,
        heartbeat: float | None = None,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._alive = alive
        self._endpoint = endpoint(config)
        self._source = config.source
        self._heartbeat = heartbeat or config.source.heartbeat

    def now(self) -> Position:
        """Where the log ends."""
        return current_position(self._endpoint, mode=self._source.position)

    def stream(self, start: Position) -> BinlogStream:
        """The log from a position on."""
        return BinlogStream(
            self._endpoint,
            server_id=self._source.server_id,
            start=start,
            heartbeat=self._heartbeat,
            alive=self._alive,
        )

    def tables(self) -> SnapshotReader:
        """The tables."""
        return SnapshotReader(self._endpoint)

    def assess(self, start: Position) -> Loss:
        """What became of the log that a position is in."""
        return assess(self._endpoint, start)


def tail_settings(config: Config, *, save_idle_seconds: float = 10.0) -> TailSettings:
    """What the capture pipeline is told."""
    return TailSettings(
        folder=config.outbox.path,
        destinations=tuple(destination.name for destination in config.destinations),
        snapshot=config.source.snapshot,
        snapshot_chunk=config.source.snapshot_chunk,
        max_bytes=config.outbox.max_size,
        keep_seconds=config.outbox.keep,
        heal=config.source.heal,
        mark_rows=_CHUNKS_A_MARK * config.source.snapshot_chunk,
        save_idle_seconds=save_idle_seconds,
    )


def address(destination: DestinationConfig) -> Address:
    """Where a central server is."""
    return Address(
        url=destination.url,
        token=destination.token,
        ca_file=destination.ca_file,
        timeout=destination.timeout,
        connect_timeout=destination.connect_timeout,
    )


class Delivering:
    """One destination at work: its file, the outbox, and a connection that can be made anew.

    ``holder``  who delivers the station, where several shippers may take turns at it. Then all but
                ``close`` may raise HoldingLost: another one is newer, and this one is done.
    ``allowed`` asked before each request; it may raise HoldingLost
    """

    def __init__(
        self,
        config: Config,
        destination: DestinationConfig,
        duty: Duty | None = None,
        holder: Holder | None = None,
        allowed: Callable[[], None] = lambda: None,
    ) -> None:
        collector.calm()
        self._duty = duty = duty or silent()
        folder = config.outbox.path
        self.name = destination.name
        if (folder / OUTBOX_FILE).exists():  # of a tail that is starting it may still be empty
            open_store(folder / OUTBOX_FILE, "outbox", config.outbox.synchronous).close()
        self.outbox = OutboxReader(folder)
        self.deliveries = Deliveries(folder, destination.name, config.outbox.synchronous)
        self.orders = Orders(self.deliveries.database, self.deliveries.path)
        self.board = StatusBoard(
            self.deliveries.database, told=lambda status: duty.say(status.words)
        )
        self.attempts = Attempts(self.deliveries.database, self.deliveries.path)
        self.heart = Heart(config, destination, address(destination), self._kind, holder=holder)
        self.watch = DeliveryWatch(destination.name, self.deliveries, self.outbox, self._look)
        traffic = Traffic(self.deliveries.database, self.deliveries.path)
        self.allowance = Allowance(destination, traffic)
        self._turns = Turns(self.deliveries.database, self.deliveries.path)
        self._mappings = Mappings(self.deliveries.database, self.deliveries.path)
        self._destination = destination
        self._holder = holder
        self._allowed = allowed
        self._told_unfenced = False
        self.phase = phase(config.station.name)
        self._pace = Pace(destination.batch_rows, destination.batch_bytes)
        self._link: Link | None = None
        self._ship: Ship | None = None
        self.said = self.ship().start()

    def ship(self) -> Ship:
        """The pipeline; on a new connection after ``disconnect``. Nothing is sent by asking."""
        if self._ship is None:
            speaker = Speaker(self._holder, self._turns.begin)
            rest = MeteredRest(address(self._destination), self._spend, speaker, self._allowed)
            self._link = link = Link(rest)
            directory = Directory(link)
            bulk = BulkSender(link, directory)
            identities = Identities(link, directory, bulk, self._mappings, self.outbox)
            resolver = RemoteResolver(link, directory, bulk, identities, self.outbox)
            settings = ShipSettings(
                self._destination.batch_rows,
                self._destination.batch_bytes,
                self._destination.retry_blocked,
            )
            self._ship = Ship(
                self.outbox,
                self.deliveries,
                bulk,
                resolver,
                settings,
                express=Express(link, bulk, self._mappings),
                pace=self._pace,
            )
        return self._ship

    def _look(self) -> None:
        """Between two steps, and four times a second while it waits."""
        self._duty.alive()
        self.heart.look()
        self._tell_unfenced()

    def _tell_unfenced(self) -> None:
        """Once: that two shippers of one station would both be heard there."""
        kind = None if self._told_unfenced or self._holder is None else self._kind()
        if kind is not None:
            self._told_unfenced = True
            if not kind.fences:
                _LOG.warning("%s: %s", self.name, _UNFENCED)

    def _spend(self, size: int) -> None:
        """A request goes out, or its answer has come: a step may take many of them."""
        self._duty.alive()
        self.allowance.spend(size)

    def _kind(self) -> Dialect | None:
        link = self._link
        return link.dialect if link is not None and link.is_known else None

    def disconnect(self) -> None:
        """Forget the connection, and what kind of server was at its end."""
        if self._link is not None:
            self._link.close()
        self._link = self._ship = None

    def close(self) -> None:
        """Close everything."""
        self.disconnect()
        with suppress(OutboxFull, OutboxBusy):  # then a little more than a budget may be spent
            self.allowance.count()
        self.outbox.close()
        self.deliveries.close()


def chosen(config: Config, names: Sequence[str]) -> list[DestinationConfig]:
    """The destinations named, or all enabled ones. Raises ConfigError for an unknown name."""
    known = {destination.name: destination for destination in config.destinations}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(
            f"no such destination: {', '.join(unknown)}",
            f"configured are: {', '.join(known) or 'none'}",
            "add a [destination NAME] section with its url",
        )
    found = [known[n] for n in names] if names else [d for d in known.values() if d.enabled]
    if not found:
        raise ConfigError(
            "there is nowhere to deliver to",
            "no [destination NAME] section is enabled",
            "add one with its url, or set enabled = yes",
        )
    return found
