"""Opening the central database: one URL in, a ready SQLAlchemy engine out."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from replicator.central.schema import CENTRAL_SCHEMA, METADATA, SCHEMA_VERSION
from replicator.errors import ConfigError, DestinationUnavailable

# Execution option of a connection that is going to write (SQLite: takes the write lock at BEGIN).
WRITES = "replicator_writes"
BUSY_SECONDS = 10

_SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}",
    "PRAGMA foreign_keys=ON",
)
_MYSQL_SESSION = (
    "SET SESSION sql_mode='STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,"
    "NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO'",
    f"SET SESSION innodb_lock_wait_timeout={BUSY_SECONDS}",
)
_MYSQL_TIMEOUTS = {"connect_timeout": 10, "read_timeout": 120, "write_timeout": 120}


def open_engine(database_url: str) -> Engine:
    """An engine with our tables in place.

    Raises ConfigError (an unusable URL, a database of a newer version) and DestinationUnavailable
    (the database cannot be reached or written now).
    """
    url = _parsed(database_url)
    try:
        engine = _create(url)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigError(
            "No driver for the central database",
            f"{url.render_as_string(hide_password=True)}: {error}",
            "use sqlite:///FILE, mysql+pymysql://…, or install the driver, e.g. psycopg",
        ) from error
    try:
        _prepare(engine)
    except DBAPIError as error:
        engine.dispose()
        raise DestinationUnavailable(
            "The central database cannot be used",
            f"{url.render_as_string(hide_password=True)}: {error.orig}",
            "check [central] database: does the server run, do user and password fit, may the user"
            " create tables there, is there room on the disk?",
        ) from error
    except ConfigError:
        engine.dispose()
        raise
    return engine


def _parsed(database_url: str) -> URL:
    try:
        url = make_url(database_url)
    except ArgumentError as error:
        raise ConfigError(
            "[central] database is not a database URL",
            "",  # the text may hold a password
            "e.g. database = sqlite:////var/lib/replicator/central.db",
        ) from error
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise ConfigError(
            "A central database in memory would forget acknowledged rows",
            url.render_as_string(),
            "name a file: database = sqlite:////var/lib/replicator/central.db",
        )
    return url


def _create(url: URL) -> Engine:
    backend = url.get_backend_name()
    connect: dict[str, Any] = {"timeout": BUSY_SECONDS} if backend == "sqlite" else {}
    if url.get_driver_name() == "pymysql":
        connect = dict(_MYSQL_TIMEOUTS)
    engine = sa.create_engine(url, pool_pre_ping=backend != "sqlite", connect_args=connect)
    if backend == "sqlite":
        event.listen(engine, "connect", _sqlite_connected)
        event.listen(engine, "begin", _sqlite_begins)
    elif backend in ("mysql", "mariadb"):
        event.listen(engine, "connect", _mysql_connected)
    return engine


def _sqlite_connected(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # BEGIN is ours, see _sqlite_begins
    for pragma in _SQLITE_PRAGMAS:
        connection.execute(pragma)


def _sqlite_begins(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _mysql_connected(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        for statement in _MYSQL_SESSION:
            cursor.execute(statement)


def _prepare(engine: Engine) -> None:
    with engine.connect().execution_options(**{WRITES: True}) as connection:
        with connection.begin():
            found = _version(connection)
            if found is not None and found > SCHEMA_VERSION:
                raise ConfigError(
                    "The central database was written by a newer version of replicator",
                    f"{engine.url.render_as_string()}: schema {found}, this is {SCHEMA_VERSION}",
                    "install that version, or name another database in [central] database",
                )
            METADATA.create_all(connection)
        with connection.begin():
            found = _version(connection)
            if found is None:
                row = {"id": 1, "version": SCHEMA_VERSION}
                connection.execute(CENTRAL_SCHEMA.insert().values(row))
            elif found < SCHEMA_VERSION:  # so far an older one lacks tables only, made above
                connection.execute(CENTRAL_SCHEMA.update().values(version=SCHEMA_VERSION))


def _version(connection: Connection) -> int | None:
    if not sa.inspect(connection).has_table(CENTRAL_SCHEMA.name):
        return None
    found = connection.execute(sa.select(CENTRAL_SCHEMA.c.version)).scalar()
    return None if found is None else int(found)
