"""Bulk statements: many rows a statement, for each kind of database the form it is fastest with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter

import orjson
from sqlalchemy.engine import Connection, Dialect

from replicator.central.schema import CentralTable
from replicator.change import Row

_CHUNK = 5_000  # rows a statement
_PARAMETERS = 30_000  # parameters a statement (PostgreSQL allows 65,535)
_KEYS = 500  # keys of one DELETE
# JSON's list of lists becomes a list of SQL rows; see _literals.
_TO_SQL = bytes.maketrans(b'[]"', b"()'")


def upsert(
    connection: Connection,
    table: CentralTable,
    columns: Sequence[str],
    rows: Sequence[Row],
    *,
    keep: frozenset[str] = frozenset(),
    in_order: bool = False,
) -> None:
    """Insert ``rows`` (cells in the order of ``columns``); where the primary key exists, overwrite.

    ``keep``: columns that a NULL does not overwrite. ``in_order``: stream rows already are in the
    order of their primary key. No primary key may occur twice in ``rows``;
    they must have passed validate.check_rows.
    """
    dialect = connection.dialect
    if (
        table.stream and not in_order
    ):  # in the order of the key: neighbours on disk, and no deadlock with others
        rows = sorted(rows, key=itemgetter(*map(columns.index, table.primary_key)))
    into = f"{_name(dialect, table.name)} ({_names(dialect, columns)})"
    head = f"INSERT INTO {into} VALUES "  # noqa: S608  # names of the schema, quoted
    tail = _on_conflict(dialect, table, columns, keep)
    if dialect.name == "sqlite":
        marks = ",".join("?" * len(columns))
        connection.exec_driver_sql(f"{head}({marks}){tail}", [tuple(row) for row in rows])
        return
    if dialect.name in ("mysql", "mariadb") and table.stream:
        for chunk in _chunks(rows, _CHUNK):
            connection.exec_driver_sql(head + _literals(chunk) + tail)
        return
    marks = "(" + ",".join(["%s"] * len(columns)) + ")"
    for chunk in _chunks(rows, _PARAMETERS // len(columns)):
        values = tuple(cell for row in chunk for cell in row)
        connection.exec_driver_sql(head + ",".join([marks] * len(chunk)) + tail, values)


def delete(connection: Connection, table: CentralTable, keys: Sequence[Row]) -> None:
    """Delete stream rows by natural key; unknown ones are fine."""
    dialect = connection.dialect
    mark = "?" if dialect.name == "sqlite" else "%s"
    one = " AND ".join(f"{_name(dialect, c)}={mark}" for c in table.natural_key)
    head = f"DELETE FROM {_name(dialect, table.name)} WHERE "  # noqa: S608  # as above
    if dialect.name == "sqlite":
        connection.exec_driver_sql(head + one, [tuple(key) for key in keys])
        return
    for chunk in _chunks(keys, _KEYS):
        values = tuple(cell for key in chunk for cell in key)
        connection.exec_driver_sql(head + " OR ".join([f"({one})"] * len(chunk)), values)


def _literals(rows: Sequence[Row]) -> str:
    """``(…),(…)`` of rows that hold nothing but numbers, NULL and checked times.

    Stream tables only: none of their cells can hold a quote, a bracket or a backslash, because
    validate lets only integers, finite floats and digits-and-dashes times through.
    """
    return orjson.dumps(rows).translate(_TO_SQL)[1:-1].decode()


def _on_conflict(
    dialect: Dialect, table: CentralTable, names: Sequence[str], keep: frozenset[str]
) -> str:
    mysql = dialect.name in ("mysql", "mariadb")
    settings = []
    for name in names:
        if name in table.primary_key:
            continue
        column = _name(dialect, name)
        new = f"VALUES({column})" if mysql else f"excluded.{column}"
        if name in keep:
            old = column if mysql else f"{_name(dialect, table.name)}.{column}"
            new = f"COALESCE({new},{old})"
        settings.append(f"{column}={new}")
    if mysql:
        key = _name(dialect, table.primary_key[0])
        return " ON DUPLICATE KEY UPDATE " + (",".join(settings) or f"{key}={key}")
    keys = _names(dialect, table.primary_key)
    action = f"UPDATE SET {','.join(settings)}" if settings else "NOTHING"
    return f" ON CONFLICT ({keys}) DO {action}"


def _name(dialect: Dialect, name: str) -> str:
    return dialect.identifier_preparer.quote_identifier(name)


def _names(dialect: Dialect, names: Sequence[str]) -> str:
    return ",".join(_name(dialect, name) for name in names)


def _chunks(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
