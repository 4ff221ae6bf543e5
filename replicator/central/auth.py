"""Who is asking: the station behind a bearer token."""

from __future__ import annotations

import ipaddress

from sqlalchemy.engine import Connection

from replicator.central import tokens
from replicator.central.problems import Problem
from replicator.central.settings import CentralSettings
from replicator.central.store import Database


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to an address to listen on."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def authenticate(database: Database, settings: CentralSettings, header: str | None) -> str:
    """The station's name for the ``Authorization`` header; "" where none is needed and none came.

    Raises Problem 401. With authentication off a token that came along still names the station.
    """
    token = _bearer(header or "")

    def look(connection: Connection) -> tuple[str | None, bool]:
        station = tokens.station_of(connection, token) if token else None
        return station, station is None and tokens.any_token(connection)

    if settings.authentication == "off" and not token:
        return ""
    station, configured = database.read(look)
    if station is not None:
        return station
    if settings.authentication == "off":
        return ""
    if is_loopback(settings.host) and not configured:
        return ""
    raise Problem(401, "unauthorized", "send a station's token: Authorization: Bearer …")


def _bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
