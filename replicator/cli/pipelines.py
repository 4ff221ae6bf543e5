"""Builds the pipelines from the configuration: endpoints, streams, senders."""

from __future__ import annotations

from collections.abc import Sequence

from replicator.change import Position
from replicator.config import Config, DestinationConfig
from replicator.errors import ConfigError
from replicator.outbox.deliveries import Deliveries
from replicator.outbox.mappings import Mappings
from replicator.outbox.reader import OutboxReader
from replicator.outbox.status import StatusBoard
from replicator.ship import Ship, ShipSettings
from replicator.source.binlog import BinlogStream, current_position
from replicator.source.endpoint import Endpoint
from replicator.source.snapshot import SnapshotReader
from replicator.tail import TailSettings


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
    """The station's database as the capture pipeline wants it."""

    def __init__(self, config: Config, heartbeat: float | None = None) -> None:
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
        )

    def tables(self) -> SnapshotReader:
        """The tables."""
        return SnapshotReader(self._endpoint)


def tail_settings(config: Config) -> TailSettings:
    """What the capture pipeline is told."""
    return TailSettings(
        folder=config.outbox.path,
        destinations=tuple(destination.name for destination in config.destinations),
        snapshot=config.source.snapshot,
        snapshot_chunk=config.source.snapshot_chunk,
        max_bytes=config.outbox.max_size,
        keep_seconds=config.outbox.keep,
    )


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
