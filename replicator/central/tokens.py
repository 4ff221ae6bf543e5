"""Bearer tokens of stations and of fleets: random, shown once, stored as a hash."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from replicator.central.bulk import now
from replicator.central.problems import Problem
from replicator.central.schema import FLEET_TOKEN, STATION_TOKEN
from replicator.central.store import Database
from replicator.errors import ConfigError, DestinationUnavailable


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is behind a request: a station, or a fleet's shipper; ``name`` "": nobody said so."""

    name: str
    fleet: bool = False

    @property
    def station(self) -> str:
        """The station that the token was made for; "" where that is none."""
        return "" if self.fleet else self.name


def create_token(engine: Engine, station: str) -> str:
    """A new token for ``station`` (it may have several), to be shown once and kept by the station.

    Raises ConfigError (a station name that cannot be stored) and DestinationUnavailable.
    """
    return _created(engine, STATION_TOKEN, "station", station)


def create_fleet_token(engine: Engine, name: str) -> str:
    """A new token for shippers that deliver any station; ``name``: what it is revoked by.

    Raises as create_token.
    """
    return _created(engine, FLEET_TOKEN, "name", name)


def _created(engine: Engine, table: sa.Table, column: str, name: str) -> str:
    if not name.strip() or len(name) > 255:
        raise ConfigError(
            "Not a station name", repr(name[:60]), "use 1 to 255 characters, e.g. house-17"
        )
    token = secrets.token_urlsafe(32)
    row = {"token_hash": _hash(token), column: name, "created_at": now()}
    _write(engine, sa.insert(table).values(row))
    return token


def revoke_tokens(engine: Engine, station: str) -> int:
    """Make all tokens of ``station`` useless; how many there were. Raises as create_token."""
    return _revoked(engine, STATION_TOKEN, STATION_TOKEN.c.station == station)


def revoke_fleet_tokens(engine: Engine, name: str) -> int:
    """Make all fleet tokens of this name useless; how many there were. Raises as create_token."""
    return _revoked(engine, FLEET_TOKEN, FLEET_TOKEN.c.name == name)


def _revoked(engine: Engine, table: sa.Table, named: sa.ColumnElement[bool]) -> int:
    live = named & table.c.revoked_at.is_(None)
    return _write(engine, sa.update(table).where(live).values(revoked_at=now()))


def caller_of(connection: Connection, token: str) -> Caller | None:
    """Who holds this token, None for an unknown or revoked one.

    The look-up is by the hash of a 256 bit random value, so its duration tells nothing useful.
    """
    for column, fleet in ((STATION_TOKEN.c.station, False), (FLEET_TOKEN.c.name, True)):
        table = column.table
        known = (table.c.token_hash == _hash(token)) & table.c.revoked_at.is_(None)
        found = connection.execute(sa.select(column).where(known)).scalar()
        if found is not None:
            return Caller(str(found), fleet)
    return None


def any_token(connection: Connection) -> bool:
    """Whether a token was ever created, revoked ones included."""
    return any(
        connection.execute(sa.select(table.c.token_hash).limit(1)).scalar() is not None
        for table in (STATION_TOKEN, FLEET_TOKEN)
    )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _write(engine: Engine, statement: sa.Insert | sa.Update) -> int:
    try:
        return Database(engine).write(lambda c: c.execute(statement).rowcount, references=False)
    except Problem as problem:
        raise DestinationUnavailable(
            "The central database cannot be written now",
            problem.detail,
            "check that its server runs, then try again",
        ) from problem
