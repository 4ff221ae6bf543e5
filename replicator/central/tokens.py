"""Bearer tokens of stations: random, shown once, stored as a hash."""

from __future__ import annotations

import hashlib
import secrets

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from replicator.central.bulk import now
from replicator.central.problems import Problem
from replicator.central.schema import STATION_TOKEN
from replicator.central.store import Database
from replicator.errors import ConfigError, DestinationUnavailable


def create_token(engine: Engine, station: str) -> str:
    """A new token for ``station`` (it may have several), to be shown once and kept by the station.

    Raises ConfigError (a station name that cannot be stored) and DestinationUnavailable.
    """
    if not station.strip() or len(station) > 255:
        raise ConfigError(
            "Not a station name", repr(station[:60]), "use 1 to 255 characters, e.g. house-17"
        )
    token = secrets.token_urlsafe(32)
    row = {"token_hash": _hash(token), "station": station, "created_at": now()}
    _write(engine, sa.insert(STATION_TOKEN).values(row))
    return token


def revoke_tokens(engine: Engine, station: str) -> int:
    """Make all tokens of ``station`` useless; how many there were. Raises as create_token."""
    live = (STATION_TOKEN.c.station == station) & STATION_TOKEN.c.revoked_at.is_(None)
    return _write(engine, sa.update(STATION_TOKEN).where(live).values(revoked_at=now()))


def station_of(connection: Connection, token: str) -> str | None:
    """The station that holds this token, None for an unknown or revoked one.

    The look-up is by the hash of a 256 bit random value, so its duration tells nothing useful.
    """
    known = STATION_TOKEN.c.token_hash == _hash(token)
    query = sa.select(STATION_TOKEN.c.station)
    found = connection.execute(query.where(known, STATION_TOKEN.c.revoked_at.is_(None))).scalar()
    return None if found is None else str(found)


def any_token(connection: Connection) -> bool:
    """Whether a token was ever created, revoked ones included."""
    return connection.execute(sa.select(STATION_TOKEN.c.token_hash).limit(1)).scalar() is not None


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
