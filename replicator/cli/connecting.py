"""Connections to a stream, and what lies beside it, as the configuration says."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from replicator.config import Config
from replicator.config.types import StreamUrl
from replicator.errors import ConfigError

if TYPE_CHECKING:
    from replicator.desk import StationDesk
    from replicator.jetstream.bus import Bus
    from replicator.jetstream.security import Security
    from replicator.jetstream.shelf import Shelf
    from replicator.jetstream.stream import StationStream


def ensure_extra() -> None:
    """Before anything that speaks to NATS is imported. Raises ConfigError where it cannot be."""
    if importlib.util.find_spec("nats") is None:
        raise ConfigError(
            "an outbox on NATS needs the extra jetstream",
            "[outbox] url begins with nats://, and nats-py is not installed",
            "pip install 'replicator[jetstream]'",
        )


def connection(config: Config, url: StreamUrl, *, leaf: bool = False) -> tuple[Bus, StationStream]:
    """To a stream. Raises ConfigError where the extra is missing."""
    ensure_extra()
    from replicator.jetstream.bus import Bus  # noqa: PLC0415
    from replicator.jetstream.stream import StationStream  # noqa: PLC0415

    bus = Bus(url.servers, security_of(config, url))
    return bus, StationStream(bus, url.stream, config.station.name, leaf=leaf)


def hub_of(config: Config) -> tuple[Bus, StationStream]:
    """To the hub's stream, through the station's own server."""
    from replicator.jetstream.bus import Bus  # noqa: PLC0415  # needs the extra jetstream
    from replicator.jetstream.stream import StationStream  # noqa: PLC0415

    url, domain = config.outbox.url, config.outbox.hub
    assert url is not None
    bus = Bus(url.servers, security_of(config, url), domain)
    return bus, StationStream(bus, url.stream, config.station.name)


def security_of(config: Config, url: StreamUrl) -> Security:
    """TLS and login, as [outbox] says."""
    from replicator.jetstream.security import Security  # noqa: PLC0415

    outbox = config.outbox
    tls = url.tls or outbox.ca_file is not None or outbox.cert_file is not None
    return Security(tls, outbox.ca_file, outbox.cert_file, outbox.key_file, outbox.credentials_file)


def shelf_of(config: Config, bus: Bus, stream: StationStream) -> Shelf:
    """What lies beside the stream."""
    from replicator.jetstream.shelf import Shelf  # noqa: PLC0415

    outbox = config.outbox
    return Shelf(bus, stream.name, stream.station, outbox.reader, outbox.replicas)


def desk_of(config: Config, bus: Bus, stream: StationStream, epoch: int = 0) -> StationDesk:
    """What keeps a folder's desk beside the stream."""
    from replicator.desk import StationDesk  # noqa: PLC0415  # needs the extra jetstream
    from replicator.jetstream.desks import Desks  # noqa: PLC0415

    outbox, names = config.outbox, [each.name for each in config.destinations]
    desks = Desks(bus, stream.name, stream.station, outbox.reader, outbox.replicas)
    return StationDesk(desks, stream, outbox.path, names, config.fleet.desk, epoch)
