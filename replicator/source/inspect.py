"""Is the station's database set up for capture? Each finding that is not says how to mend it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pymysql

from replicator.errors import ReplicatorError, SourceMisconfigured
from replicator.model import TABLES
from replicator.source.catalogue import Catalogue
from replicator.source.endpoint import Endpoint, connect, grants, translate
from replicator.source.payload import can_unpack
from replicator.source.place import log_end, log_status
from replicator.source.schema import read_catalogue

# What a server that does not know them has not got is right.
_WANTED = {
    "binlog_row_image": ("FULL", "whole rows are needed"),
    "binlog_row_value_options": ("", "whole rows are needed"),
}
_NO_ZSTD = "no zstd here to unpack transactions with (or: pip install 'replicator[mysql8]')"
_ENOUGH_DAYS = 3.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. ``hint``: the SQL, my.cnf or ini line that mends it; "" when ``ok``.

    ``exit_code``: of the error that it would end capture with.
    """

    name: str
    ok: bool
    message: str
    hint: str = ""
    exit_code: int = SourceMisconfigured.exit_code


def inspect(endpoint: Endpoint, *, server_id: int) -> list[Finding]:
    """All findings, in the order to mend them; a failed check never raises."""
    try:
        connection = connect(endpoint)
    except ReplicatorError as error:
        return [_failed(error)]
    with contextlib.closing(connection):
        try:
            return list(_findings(connection, endpoint, server_id))
        except ReplicatorError as error:
            return [_failed(error)]


def _failed(error: ReplicatorError) -> Finding:
    said = f"{error.message}: {error.detail}"
    return Finding("connection", False, said, error.hint, error.exit_code)


def _findings(
    connection: pymysql.connections.Connection, endpoint: Endpoint, server_id: int
) -> Iterator[Finding]:
    variables = _variables(connection, endpoint)
    yield Finding("connection", True, f"{endpoint}, server {variables.get('version', '?')}")
    yield from binlog_findings(variables, server_id)
    yield from _filter_findings(connection, endpoint)
    yield from _grant_findings(connection, endpoint)
    yield from table_findings(read_catalogue(connection, endpoint))


def _variables(connection: pymysql.connections.Connection, endpoint: Endpoint) -> dict[str, str]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW GLOBAL VARIABLES")
            return {str(name).lower(): str(value) for name, value in cursor.fetchall()}
    except pymysql.MySQLError as error:
        raise translate(error, endpoint) from error


def binlog_findings(variables: Mapping[str, str], server_id: int) -> Iterator[Finding]:
    """Findings on the server's settings. Pure."""
    if variables.get("log_bin", "OFF").upper() != "ON":
        hint = "my.cnf: [mysqld] log_bin = binlog, then restart"
        yield Finding("binlog", False, "the binlog is off: nothing can be captured", hint)
        return
    yield Finding("binlog", True, "on")
    yield _setting(
        "binlog_format", variables.get("binlog_format", "").upper(), "ROW", "no rows in the log"
    )
    for name, (wanted, why) in _WANTED.items():
        if name in variables:
            yield _setting(name, variables[name].upper(), wanted, why)
    if "binlog_transaction_compression" in variables and not can_unpack():
        name = "binlog_transaction_compression"
        yield _setting(name, variables[name].upper(), "OFF", _NO_ZSTD)
    yield _metadata(variables.get("binlog_row_metadata", "").upper())
    yield _retention(variables)
    yield _server_id(variables.get("server_id", "0"), server_id)


def _setting(name: str, value: str, wanted: str, why: str) -> Finding:
    if value == wanted:
        return Finding(name, True, value or "none")
    literal = wanted or "''"
    hint = f"SET GLOBAL {name} = {literal}; -- reconnect the loggers; my.cnf: {name} = {wanted}"
    return Finding(name, False, f"{value}: {why}", hint)


def _metadata(value: str) -> Finding:
    if value == "FULL":
        return Finding("binlog_row_metadata", True, "FULL")
    note = f"{value or 'not known to this server'}: column names come from today's tables; capture"
    return Finding(
        "binlog_row_metadata", True, f"{note} stops where they contradict the log; FULL is better"
    )


def _retention(variables: Mapping[str, str]) -> Finding:
    seconds = float(variables.get("binlog_expire_logs_seconds") or 0)
    days = seconds / 86_400 or float(variables.get("expire_logs_days") or 0)
    if days == 0 or days >= _ENOUGH_DAYS:
        shown = f"{days:g} days" if days else "the log is never purged by age"
        return Finding("retention", True, shown)
    return Finding(
        "retention",
        False,
        f"the log is purged after {days:g} days: a longer pause of capture loses rows",
        "SET GLOBAL expire_logs_days = 14; -- and in my.cnf",
    )


def _server_id(theirs: str, ours: int) -> Finding:
    if theirs == "0":
        hint = "my.cnf: [mysqld] server_id = 1, then restart"
        return Finding("server_id", False, "the server has no server_id", hint)
    if theirs == str(ours):
        hint = "[source] server_id: any number no server or replica uses"
        return Finding("server_id", False, f"we use the server's own server_id {ours}", hint)
    return Finding("server_id", True, f"server {theirs}, replicator {ours}")


def _filter_findings(
    connection: pymysql.connections.Connection, endpoint: Endpoint
) -> Iterator[Finding]:
    try:
        log_end(connection, endpoint)
    except SourceMisconfigured as error:
        if "binlog_" in error.detail:
            yield Finding("binlog filter", False, f"{error.message}: {error.detail}", error.hint)


def _grant_findings(
    connection: pymysql.connections.Connection, endpoint: Endpoint
) -> Iterator[Finding]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW GRANTS")
            text = " ".join(str(row[0]).upper() for row in cursor.fetchall())
            yield _granted(text, endpoint)
    except pymysql.MySQLError as error:
        raise translate(error, endpoint) from error
    try:
        log_status(connection)
        yield Finding("grant BINLOG MONITOR", True, "the log's end can be asked for")
    except pymysql.MySQLError as error:
        yield Finding("grant BINLOG MONITOR", False, str(error), grants(endpoint))


def _granted(text: str, endpoint: Endpoint) -> Finding:
    name = "grant REPLICATION SLAVE"
    if re.search(r"REPLICATION SLAVE(?! ADMIN)|ALL PRIVILEGES ON \*\.\*", text):
        return Finding(name, True, "given")
    return Finding(name, False, "missing: the log cannot be read", grants(endpoint))


def table_findings(catalogue: Catalogue) -> Iterator[Finding]:
    """Findings on the replicated tables. Pure."""
    for name, table in TABLES.items():
        columns = catalogue.columns.get(name, ())
        where = f"{catalogue.database}.{name}"
        if not columns:
            hint = f"[source] database; GRANT SELECT ON `{catalogue.database}`.*"
            yield Finding(f"table {name}", False, f"{where} is not there, or not ours to see", hint)
            continue
        if not catalogue.keys.get(name):
            hint = f"ALTER TABLE {where} ADD PRIMARY KEY ({', '.join(table.primary_key)});"
            yield Finding(f"table {name}", False, f"{where} has no primary key", hint)
            continue
        wanted = {*table.columns, *table.primary_key} - {column.name for column in columns}
        odd = [f"{c.name} ({c.shown})" for c in columns if not c.is_decodable]
        if wanted:
            shown = ", ".join(sorted(wanted))
            hint = "is this a cogent-house station's schema? [source] database"
            yield Finding(f"table {name}", False, f"{where} lacks {shown}", hint)
        elif name in catalogue.cascades:
            message = f"{where}: {catalogue.cascades[name]} changes rows that are not in the log"
            hint = f"ALTER TABLE {where} DROP FOREIGN KEY …, ADD FOREIGN KEY …; -- without actions"
            yield Finding(f"table {name}", False, message, hint)
        elif name in catalogue.versioned:
            message = f"{where} is system-versioned: its log has old rows too"
            hint = f"ALTER TABLE {where} DROP SYSTEM VERSIONING;"
            yield Finding(f"table {name}", False, message, hint)
        elif odd:
            hint = f"ALTER TABLE {where} MODIFY … a type of docs/values.md"
            yield Finding(f"table {name}", False, f"not decoded: {', '.join(odd)}", hint)
        else:
            yield Finding(f"table {name}", True, f"{len(columns)} columns")
