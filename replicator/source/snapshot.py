"""Reads tables by primary key, a chunk at a time, in the same canonical values as the log."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

import pymysql
from pymysql.converters import encoders

from replicator.change import Change, Op, Row, Value
from replicator.errors import SourceMisconfigured, Unsupported
from replicator.source.columns import NOT_DECODABLE_HINT, CatalogueColumn
from replicator.source.endpoint import Endpoint, connect, translate
from replicator.source.schema import read_catalogue
from replicator.source.shown import INTEGERS, converter, expression, quoted

_KEYS = INTEGERS | {
    "decimal", "date", "datetime", "timestamp", "time", "char", "varchar", "uuid", "inet4", "inet6",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Window:
    """Rows with ``since`` ≤ time < ``until`` (ISO 8601, no zone), of these nodes; None: all."""

    since: str | None = None
    until: str | None = None
    nodes: Sequence[int] | None = None

    def conditions(self) -> tuple[list[str], list[Value]]:
        """As SQL, with its values."""
        bounds = [("`time` >= %s", self.since), ("`time` < %s", self.until)]
        found = [(sql, value) for sql, value in bounds if value is not None]
        parts, values = [sql for sql, _ in found], list[Value](value for _, value in found)
        if self.nodes is not None:
            parts.append(f"`nodeId` IN ({', '.join(['%s'] * len(self.nodes)) or 'NULL'})")
            values += self.nodes
        return parts, values


EVERYTHING = Window()


@dataclass(frozen=True, slots=True)
class Chunk:
    """``change`` None: no row there. ``last_key``: where to go on. ``done``: the table's end."""

    change: Change | None
    last_key: tuple[Value, ...] | None
    done: bool


class SnapshotReader:
    """Reads on a connection of its own, without locks; a context manager."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        # Cells come as the server writes them, zero dates included, and text as it is stored: the
        # server would show '?' for what it cannot convert.
        self._connection = connect(
            endpoint,
            conv=dict(encoders),
            use_unicode=False,
            init_command="SET time_zone = '+00:00', sql_mode = '', character_set_results = NULL",
        )
        with contextlib.closing(connect(endpoint)) as plain:
            self._catalogue = read_catalogue(plain, endpoint)

    def read(
        self,
        table: str,
        after: tuple[Value, ...] | None,
        limit: int,
        window: Window = EVERYTHING,
    ) -> Chunk:
        """At most ``limit`` rows behind a primary key, in its order, by one SELECT.

        Raises SourceMisconfigured (no such table, no primary key), SourceUnavailable, Unsupported.
        """
        columns = self._columns(table)
        key = self._catalogue.keys[table]
        where = _where(key, after, window)
        sql, values = _select(f"`{self._endpoint.database}`.`{table}`", columns, key, where, limit)
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql, values)
                raw = cursor.fetchall()
        except pymysql.MySQLError as error:
            raise translate(error, self._endpoint) from error
        if not raw:
            return Chunk(None, after, True)
        cells = zip(*raw, strict=True)
        converted = [_converted(c, column) for c, column in zip(columns, cells, strict=True)]
        rows: list[Row] = list(zip(*converted, strict=True))
        names = tuple(column.name for column in columns)
        places = [names.index(name) for name in key]
        last = tuple(rows[-1][place] for place in places)
        return Chunk(Change(table, Op.SNAPSHOT, names, rows), last, len(rows) < limit)

    def _columns(self, table: str) -> Sequence[CatalogueColumn]:
        columns = self._catalogue.columns.get(table)
        if not columns:
            raise SourceMisconfigured(
                "a replicated table is not there",
                f"{self._endpoint.database}.{table}",
                "[source] database must be a cogent-house station's; GRANT SELECT on it",
            )
        if table not in self._catalogue.keys:
            raise SourceMisconfigured(
                "a replicated table has no primary key",
                f"{self._endpoint.database}.{table}",
                f"ALTER TABLE `{table}` ADD PRIMARY KEY (…)",
            )
        key = self._catalogue.keys[table]
        for column in columns:
            if column.name in key and column.data_type not in _KEYS:
                raise Unsupported(
                    "a primary key that cannot be compared exactly",
                    f"{table}.{column.name}: {column.shown}",
                    "give the table a primary key of numbers, times or text",
                )
            if not column.is_decodable:
                raise Unsupported(
                    "a column type that is not decoded yet",
                    f"{table}.{column.name}: {column.shown}",
                    NOT_DECODABLE_HINT,
                )
        return columns

    def close(self) -> None:
        """End the connection."""
        if self._connection.open:
            self._connection.close()

    def __enter__(self) -> SnapshotReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _converted(column: CatalogueColumn, cells: Sequence[bytes | None]) -> list[Value]:
    """One column; equal cells (times, a converter's counts) are converted once."""
    convert = converter(column)
    known: dict[bytes | None, Value] = {c: None if c is None else convert(c) for c in set(cells)}
    return [known[cell] for cell in cells]


def _select(
    table: str,
    columns: Sequence[CatalogueColumn],
    key: Sequence[str],
    where: tuple[str, list[Value]],
    limit: int,
) -> tuple[str, list[Value]]:
    shown = ", ".join(expression(column) for column in columns)
    order = ", ".join(quoted(name) for name in key)
    condition, values = where
    sql = f"SELECT {shown} FROM {table} {condition} ORDER BY {order} LIMIT %s"  # noqa: S608  # own names
    return sql, [*values, limit]


def _where(
    key: Sequence[str], after: tuple[Value, ...] | None, window: Window
) -> tuple[str, list[Value]]:
    parts, values = window.conditions()
    if after is not None:
        behind, more = _behind(key, after)
        parts, values = [*parts, behind], [*values, *more]
    return f"WHERE {' AND '.join(parts)}" if parts else "", values


def _behind(key: Sequence[str], after: tuple[Value, ...]) -> tuple[str, list[Value]]:
    """The first key column bounds the range: `a >= x AND (a > x OR (a = x AND …))`."""
    condition, values = "", list[Value]()
    for name, value in reversed(list(zip(key, after, strict=True))):
        if condition:
            condition = f"({quoted(name)} > %s OR ({quoted(name)} = %s AND {condition}))"
            values = [value, value, *values]
        else:
            condition, values = f"{quoted(name)} > %s", [value]
    if len(key) == 1:
        return condition, values
    return f"{quoted(key[0])} >= %s AND {condition}", [after[0], *values]
