"""What the rest of the program sees of the configuration: frozen values, every one set.

Durations are seconds (float), sizes bytes (int), paths absolute. Fields are named as the keys of
replicator.ini; ``password_file`` and ``token_file`` have already been read.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from replicator.allowance import Window
from replicator.naming import token

STATION_MARK = "{station}"


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a server listens; port 0 lets the system choose one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class StationConfig:
    """Who we are."""

    name: str


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """The station's database and how it is read."""

    host: str
    port: int
    unix_socket: str | None
    user: str
    password: str = field(repr=False)
    database: str
    server_id: int
    position: Literal["auto", "gtid", "file"]
    ssl_ca: Path | None
    connect_timeout: float
    heartbeat: float
    snapshot: bool
    snapshot_chunk: int
    heal: Literal["automatic", "ask"]
    purge_warning: float

    @property
    def is_of_each_station(self) -> bool:
        """Whether the stations of a fleet have each a database of their own here."""
        named = (self.host, self.unix_socket or "", self.database)
        return any(STATION_MARK in text for text in named)

    def at_station(self, name: str, number: int) -> SourceConfig:
        """Of one station of a fleet: its name, as a token, where the mark stands."""
        written = token(name)
        return replace(
            self,
            host=self.host.replace(STATION_MARK, written),
            unix_socket=self.unix_socket and self.unix_socket.replace(STATION_MARK, written),
            database=self.database.replace(STATION_MARK, written),
            server_id=number,
        )


@dataclass(frozen=True, slots=True)
class StreamUrl:
    """A stream on NATS servers, each as nats://host:port with whoever logs in there.

    ``tls``  the URL begins with tls://
    """

    servers: tuple[str, ...] = field(repr=False)
    stream: str
    tls: bool = False


@dataclass(frozen=True, slots=True)
class OutboxConfig:
    """What lies between capture and delivery: a folder of SQLite files, and perhaps a stream.

    ``path``  the folder; ``url`` None: that is all there is
    """

    path: Path
    url: StreamUrl | None
    ca_file: Path | None
    cert_file: Path | None
    key_file: Path | None
    credentials_file: Path | None
    hub: str
    replicas: int
    reader: str
    synchronous: Literal["FULL", "NORMAL"]
    max_size: int
    keep: float


@dataclass(frozen=True, slots=True)
class DestinationConfig:
    """One central server. ``url`` ends with a slash; ``token`` is "" where none is configured.

    ``daily_bytes``: 0 is no budget; without ``windows`` it is always open.
    """

    name: str
    enabled: bool
    url: str
    token: str = field(repr=False)
    ca_file: Path | None
    timeout: float
    connect_timeout: float
    batch_rows: int
    batch_bytes: int
    retry_blocked: float
    heartbeat: float
    daily_bytes: int
    windows: tuple[Window, ...]


@dataclass(frozen=True, slots=True)
class AlarmConfig:
    """When the backlog warns: seconds, percent of the outbox's budget, rows; 0: never."""

    lag_warning: float
    lag_critical: float
    outbox_warning: int
    outbox_critical: int
    parked_warning: int
    parked_critical: int
    purge_critical: float
    silent_warning: float


@dataclass(frozen=True, slots=True)
class FleetConfig:
    """Sharing stations with other shippers: ``stations`` () is no fleet; seconds.

    ``member``  this is the configuration of one station of a fleet
    """

    stations: tuple[str, ...]
    lease: float
    desk: float
    member: bool = False

    def has(self, station: str) -> bool:
        """Whether a station belongs to the fleet."""
        return any(fnmatchcase(station, pattern) for pattern in self.stations)


@dataclass(frozen=True, slots=True)
class LogConfig:
    """``file`` None: standard error."""

    level: Literal["debug", "info", "warning", "error"]
    format: Literal["text", "json"]
    file: Path | None
    max_bytes: int
    backups: int


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The page of `replicator web`. ``token`` "": nobody may act there; ``hosts``: its names."""

    listen: Listen
    token: str = field(repr=False)
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CentralConfig:
    """The central server of `replicator central`; ``database`` may hold a password."""

    listen: Listen
    database: str = field(repr=False)
    authentication: Literal["required", "off"]
    max_body: int
    max_inflated: int
    threads: int
