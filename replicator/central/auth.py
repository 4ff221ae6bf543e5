"""Who is asking: the station, or the fleet, behind a bearer token."""

from __future__ import annotations

import ipaddress

from sqlalchemy.engine import Connection

from replicator.central import tokens
from replicator.central.problems import Problem
from replicator.central.settings import CentralSettings
from replicator.central.store import Database
from replicator.central.tokens import Caller


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to an address to listen on."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def authenticate(database: Database, settings: CentralSettings, header: str | None) -> Caller:
    """Who the ``Authorization`` header is of; a nameless one where none is needed and none came.

    Raises Problem 401. With authentication off a token that came along still names its caller.
    """
    token = _bearer(header or "")

    def look(connection: Connection) -> tuple[Caller | None, bool]:
        caller = tokens.caller_of(connection, token) if token else None
        return caller, caller is None and tokens.any_token(connection)

    nobody = Caller("")
    if settings.authentication == "off" and not token:
        return nobody
    caller, configured = database.read(look)
    if caller is not None:
        return caller
    if settings.authentication == "off":
        return nobody
    if is_loopback(settings.host) and not configured:
        return nobody
    raise Problem(401, "unauthorized", "send a station's token: Authorization: Bearer …")


def _bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
