"""Reads tables by primary key, a chunk at a time, in the same canonical values as the log."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import pymysql
from pymysql.converters import encoders

from replicator.change import Change, Op, Position, Row, Value
from replicator.errors import SourceMisconfigured, Unsupported
from replicator.model import TABLES
from replicator.source.charsets import DOUBLED
from replicator.source.columns import NOT_DECODABLE_HINT, CatalogueColumn
from replicator.source.endpoint import Endpoint, connect, translate
from replicator.source.place import log_status
from replicator.source.ranges import (
    EVERYTHING,
    Key,
    Query,
    Window,
    digest_of,
    key_at,
    rows_of,
    within,
)
from replicator.source.schema import read_catalogue
from replicator.source.shown import INTEGERS, converter, quoted

_KEYS = INTEGERS | {
    "decimal", "date", "datetime", "timestamp", "time", "char", "varchar", "uuid", "inet4", "inet6",
}  # fmt: skip
# Keys whose canonical values have the order that the server gives them.
_ORDERED = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "date", "datetime"})


@dataclass(frozen=True, slots=True)
class Chunk:
    """``change`` None: no row there. ``last_key``: where to go on. ``done``: the table's end."""

    change: Change | None
    last_key: Key | None
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
        after: Key | None,
        limit: int,
        upto: Key | None = None,
        window: Window = EVERYTHING,
    ) -> Chunk:
        """At most ``limit`` rows behind a primary key, in its order, by one SELECT.

        Raises SourceMisconfigured (no such table, no primary key), SourceUnavailable, Unsupported.
        """
        columns = self._columns(table)
        key = self._catalogue.keys[table]
        bounds = within(key, after, upto, window)
        raw = self._ask(rows_of(self._name(table), columns, key, bounds, limit))
        if not raw:
            return Chunk(None, after, True)
        cells = zip(*raw, strict=True)
        converted = [_converted(c, column) for c, column in zip(columns, cells, strict=True)]
        rows: list[Row] = list(zip(*converted, strict=True))
        names = tuple(column.name for column in columns)
        places = [names.index(name) for name in key]
        last = tuple(rows[-1][place] for place in places)
        return Chunk(Change(table, Op.SNAPSHOT, names, rows), last, len(rows) < limit)

    def ordered_here(self, table: str) -> bool:
        """Whether the primary key is the model's, and its order the one that values have here."""
        key = TABLES[table].primary_key
        kinds = {c.name: c.data_type for c in self._columns(table)}
        return self._catalogue.keys[table] == key and all(kinds[n] in _ORDERED for n in key)

    def digest(self, table: str, after: Key | None, upto: Key) -> tuple[int, str]:
        """How many rows a range holds, and the digest of their replicated columns; by one SELECT.

        Raises as ``read``.
        """
        wanted = {*TABLES[table].columns, *self._catalogue.keys[table]}
        columns = [column for column in self._columns(table) if column.name in wanted]
        bounds = within(self._catalogue.keys[table], after, upto)
        ((count, *halves),) = self._ask(digest_of(self._name(table), columns, bounds))
        return int(count), "".join(f"{int(half):016x}" for half in halves)

    def boundary(self, table: str, after: Key | None, rows: int, beyond: int) -> Key | None:
        """The key of the ``rows``-th row behind ``after``; None where fewer than ``beyond`` rows

        come after that one. Raises as ``read``.
        """
        key = self._catalogue.keys[table]
        columns = {column.name: column for column in self._columns(table)}
        behind = within(key, after, None)
        if not self._ask(key_at(self._name(table), key, behind, rows + beyond - 1)):
            return None
        found = self._ask(key_at(self._name(table), key, behind, rows - 1))
        if not found:
            return None
        return tuple(converter(columns[n])(cell) for n, cell in zip(key, found[0], strict=True))

    def find(self, table: str, row: Mapping[str, Value]) -> Mapping[str, Value] | None:
        """The row with the same primary key. Raises as ``read``."""
        self._columns(table)
        names = self._catalogue.keys[table]
        if not set(names) <= set(row):
            return None
        columns = self._columns(table)
        where = " AND ".join(f"{quoted(name)} = %s" for name in names)
        only = (f"WHERE {where}", [row[name] for name in names])
        raw = self._ask(rows_of(self._name(table), columns, names, only, 1))
        if not raw:
            return None
        return {
            column.name: None if cell is None else converter(column)(cell)
            for column, cell in zip(columns, raw[0], strict=True)
        }

    def log_end(self) -> Position:
        """File and offset where the log ends now. Raises SourceUnavailable, SourceMisconfigured."""
        try:
            status = log_status(self._connection)
        except pymysql.MySQLError as error:
            raise translate(error, self._endpoint) from error
        if status is None:
            raise SourceMisconfigured("the binlog is off", str(self._endpoint), "log_bin = binlog")
        file = status[0].decode() if isinstance(status[0], bytes) else str(status[0])
        return Position("", file, int(status[1]))

    def _name(self, table: str) -> str:
        return f"`{self._endpoint.database}`.`{table}`"

    def _ask(self, query: Query) -> Sequence[Sequence[Any]]:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(*query)
                found: Sequence[Sequence[Any]] = cursor.fetchall()
        except pymysql.MySQLError as error:
            raise translate(error, self._endpoint) from error
        return found

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
            if column.name in key and not _comparable(column):
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


def _comparable(column: CatalogueColumn) -> bool:
    """A value of it, put back into a statement, is the same value again."""
    return column.data_type in _KEYS and column.charset not in DOUBLED


def _converted(column: CatalogueColumn, cells: Sequence[bytes | None]) -> list[Value]:
    """One column; equal cells (times, a converter's counts) are converted once."""
    convert = converter(column)
    known: dict[bytes | None, Value] = {c: None if c is None else convert(c) for c in set(cells)}
    return [known[cell] for cell in cells]
