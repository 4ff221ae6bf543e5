"""Places in the source's log: where it ends, whose it is, and whether a position is still in it."""

from __future__ import annotations

import contextlib
from typing import Any, Literal

import pymysql

from replicator.change import Position
from replicator.errors import PositionLost, SourceMisconfigured
from replicator.source.endpoint import Endpoint, connect, translate
from replicator.source.executed import check_executed, executed_at_end, other_log
from replicator.source.gtids import MariaDBGtids

Mode = Literal["auto", "gtid", "file"]


def current_position(endpoint: Endpoint, *, mode: Mode) -> Position:
    """Where the log ends now. Raises SourceUnavailable, SourceMisconfigured.

    ``auto``: by GTID where the server has GTIDs (MySQL: gtid_mode = ON, and none has a tag).
    """
    with contextlib.closing(connect(endpoint)) as connection:
        source = identity(connection, endpoint)
        status = checked_status(connection, endpoint)
        file, offset, gtid = str(status[0]), int(status[1]), ""
        if mode != "file" and source.startswith("mysql-"):
            gtid = executed_at_end(connection, endpoint, status)
        elif mode != "file":
            gtid = _gtid_at(connection, endpoint, file, offset) or ""
    if mode == "gtid" and not gtid:
        raise SourceMisconfigured(
            "the server has no GTID yet that we can go by",
            str(endpoint),
            "[source] position = auto (or file); a GTID comes with the first transaction "
            "(MySQL: with gtid_mode = ON; GTIDs with tags are not kept)",
        )
    return Position(source, file, offset, gtid)


def log_end(connection: pymysql.connections.Connection, endpoint: Endpoint) -> tuple[str, int]:
    """File and offset. Raises SourceMisconfigured where our database is not logged."""
    status = checked_status(connection, endpoint)
    return str(status[0]), int(status[1])


def checked_status(
    connection: pymysql.connections.Connection, endpoint: Endpoint
) -> tuple[Any, ...]:
    """The log's status. Raises SourceMisconfigured where our database is not logged."""
    try:
        status = log_status(connection)
    except pymysql.MySQLError as error:
        raise translate(error, endpoint) from error
    if status is None:
        raise SourceMisconfigured(
            "the binlog is off", str(endpoint), "my.cnf: [mysqld] log_bin = binlog, then restart"
        )
    only, without = str(status[2]), str(status[3])
    if is_filtered(endpoint.database, only, without):
        raise SourceMisconfigured(
            "the server does not log our database",
            f"{endpoint.database}: binlog_do_db is '{only}', binlog_ignore_db '{without}'",
            "my.cnf: no binlog_do_db or binlog_ignore_db that leaves it out, then restart",
        )
    return status


def log_status(connection: pymysql.connections.Connection) -> tuple[Any, ...] | None:
    """File, offset, binlog_do_db and binlog_ignore_db; None without a log. Raises MySQLError."""
    with connection.cursor() as cursor:
        try:
            cursor.execute("SHOW MASTER STATUS")
        except pymysql.err.ProgrammingError:  # MySQL 8.4 has a new word for it
            cursor.execute("SHOW BINARY LOG STATUS")
        return cursor.fetchone()


def is_filtered(database: str, only: str, without: str) -> bool:
    """The server's binlog_do_db and binlog_ignore_db (comma-separated) keep it out of the log."""
    wanted = [name for name in only.split(",") if name]
    return database not in wanted if wanted else database in without.split(",")


def identity(connection: pymysql.connections.Connection, endpoint: Endpoint) -> str:
    """The server's identity: its server_uuid (MySQL), or its server_id (MariaDB)."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('server_uuid','server_id')"
            )
            found = {str(name).lower(): str(value) for name, value in cursor.fetchall()}
    except pymysql.MySQLError as error:
        raise translate(error, endpoint) from error
    if "server_uuid" in found:
        return f"mysql-{found['server_uuid']}"
    return f"mariadb-{found['server_id']}"


def check_start(
    connection: pymysql.connections.Connection, endpoint: Endpoint, start: Position
) -> None:
    """Raise PositionLost where the server, or its log, is not the one ``start`` was taken from.

    A MariaDB's identity is only a number, and RESET MASTER gives the same GTIDs out anew. So the
    GTID state at the file and offset has to be the position's, where both are known.
    """
    found = identity(connection, endpoint)
    if found != start.source:
        raise PositionLost(
            "this is another server than the one captured so far",
            f"captured from {start.source}, found {found}",
            "if it took the old one's place: replicator heal",
        )
    if not start.file and not start.gtid:
        raise PositionLost("the position says no place in the log", str(start), "replicator heal")
    end = Position(found, *log_end(connection, endpoint))
    if not end.has_reached(start):
        raise other_log(f"it ends at {end.file}:{end.offset}", start)
    if start.gtid and found.startswith("mysql-"):
        check_executed(connection, endpoint, start)
    elif start.gtid:
        _check_gtid_at(connection, endpoint, start)


def _check_gtid_at(
    connection: pymysql.connections.Connection, endpoint: Endpoint, start: Position
) -> None:
    gtid = _gtid_at(connection, endpoint, start.file, start.offset)
    if gtid is None:
        if start.file in log_files(connection, endpoint):
            raise other_log(f"no transaction ends at {start.file}:{start.offset}", start)
        return  # purged: the server knows whether the GTID was in it
    there, ours = MariaDBGtids(gtid).last, MariaDBGtids(start.gtid).last
    if not there or any(there[domain] != ours[domain] for domain in there.keys() & ours.keys()):
        raise other_log(f"at {start.file}:{start.offset} it has GTID '{gtid}'", start)


def log_files(connection: pymysql.connections.Connection, endpoint: Endpoint) -> dict[str, int]:
    """The log's files and their bytes, the oldest first. Raises as ``connect``."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW BINARY LOGS")
            return {str(row[0]): int(row[1]) for row in cursor.fetchall()}
    except pymysql.MySQLError as error:
        raise translate(error, endpoint) from error


def _gtid_at(
    connection: pymysql.connections.Connection, endpoint: Endpoint, file: str, offset: int
) -> str | None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT BINLOG_GTID_POS(%s, %s)", (file, offset))
            row = cursor.fetchone()
    except pymysql.MySQLError as error:
        raise translate(error, endpoint) from error
    return None if row is None or row[0] is None else str(row[0])
