"""The station's own description of its replicated tables, and matching it with the log's.

Where the log carries row metadata (binlog_row_metadata = FULL) it is believed; otherwise names,
signedness and character sets come from information_schema, and only if every column agrees with
the table map in count, type, size and nullability. Anything else is Unsupported, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pymysql

from replicator.errors import Unsupported
from replicator.model import TABLES, split_key
from replicator.source import tablemap as t
from replicator.source.decode import DecodedColumn, TableDecoder
from replicator.source.endpoint import Endpoint, translate
from replicator.source.values import BINARY, Reader, reader

_COLUMNS = """
SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, CHARACTER_SET_NAME,
       CHARACTER_OCTET_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s
ORDER BY TABLE_NAME, ORDINAL_POSITION
"""
_KEYS = """
SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE
WHERE TABLE_SCHEMA = %s AND CONSTRAINT_NAME = 'PRIMARY' ORDER BY TABLE_NAME, ORDINAL_POSITION
"""
_COLLATIONS = """
SELECT ID, CHARACTER_SET_NAME FROM information_schema.COLLATIONS
WHERE ID IS NOT NULL AND CHARACTER_SET_NAME IS NOT NULL
"""
_TYPES: Mapping[str, frozenset[int]] = {
    "tinyint": frozenset({t.TINY}),
    "smallint": frozenset({t.SHORT}),
    "mediumint": frozenset({t.INT24}),
    "int": frozenset({t.LONG}),
    "bigint": frozenset({t.LONGLONG}),
    "float": frozenset({t.FLOAT}),
    "double": frozenset({t.DOUBLE}),
    "decimal": frozenset({t.NEWDECIMAL}),
    "datetime": frozenset({t.DATETIME2, t.DATETIME}),
    "timestamp": frozenset({t.TIMESTAMP2, t.TIMESTAMP}),
    "date": frozenset({t.DATE}),
    "year": frozenset({t.YEAR}),
    "char": frozenset({t.STRING}),
    "binary": frozenset({t.STRING}),
    "varchar": frozenset({t.VARCHAR, t.VAR_STRING}),
    "varbinary": frozenset({t.VARCHAR, t.VAR_STRING}),
    **{f"{size}text": frozenset({t.BLOB}) for size in ("tiny", "", "medium", "long")},
    **{f"{size}blob": frozenset({t.BLOB}) for size in ("tiny", "", "medium", "long")},
}


@dataclass(frozen=True, slots=True)
class CatalogueColumn:
    """A column of information_schema; ``charset`` None for numbers and times, else its name."""

    name: str
    data_type: str
    unsigned: bool
    nullable: bool
    charset: str | None
    octets: int | None
    precision: int | None
    scale: int | None
    fraction: int | None

    @property
    def is_decodable(self) -> bool:
        """Its type is one that we decode."""
        return self.data_type in _TYPES


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Columns and primary keys of the replicated tables of one database, and the collations."""

    database: str
    columns: Mapping[str, Sequence[CatalogueColumn]]
    keys: Mapping[str, tuple[str, ...]]
    charsets: Mapping[int, str]

    def decoder(self, mapped: t.TableMap) -> TableDecoder:
        """The decoder for a table map of a replicated table. Raises Unsupported."""
        columns = (
            [self._from_log(column) for column in mapped.columns]
            if mapped.is_full
            else self._from_catalogue(mapped)
        )
        names = {column.name for column in columns}
        missing = [name for name in TABLES[mapped.table].columns if name not in names]
        if missing:
            raise Unsupported(
                "a replicated table lacks a column",
                f"{mapped.schema}.{mapped.table} has no {', '.join(missing)}",
                "the schema is not that of a cogent-house station; see `replicator check`",
            )
        return TableDecoder(mapped.table, columns, split_key(TABLES[mapped.table]))

    def _from_log(self, column: t.MappedColumn) -> DecodedColumn:
        charset = None
        if column.collation is not None:
            charset = self.charsets.get(column.collation)
            if charset is None:
                raise Unsupported(
                    "a collation that the server does not name", f"id {column.collation}"
                )
        assert column.name is not None
        unsigned = bool(column.unsigned)
        return DecodedColumn(column, column.name, unsigned, _reader(column, charset, unsigned))

    def _from_catalogue(self, mapped: t.TableMap) -> list[DecodedColumn]:
        known = self.columns.get(mapped.table, ())
        if len(known) != len(mapped.columns):
            raise _disagree(mapped, f"{len(mapped.columns)} columns in the log, {len(known)} now")
        found = []
        for column, now in zip(mapped.columns, known, strict=True):
            difference = differs(column, now)
            if difference:
                raise _disagree(mapped, f"column {now.name}: {difference}")
            charset = now.charset or (BINARY if "binary" in now.data_type else None)
            if now.data_type.endswith("blob"):
                charset = BINARY
            decode = _reader(column, charset, now.unsigned, now.name)
            found.append(DecodedColumn(column, now.name, now.unsigned, decode))
        return found


def differs(column: t.MappedColumn, now: CatalogueColumn) -> str:
    """How the log's column contradicts the catalogue's; "" where it does not."""
    if column.type not in _TYPES.get(now.data_type, frozenset()):
        return f"type code {column.type} in the log, {now.data_type} now"
    if column.nullable != now.nullable:
        return "nullability has changed"
    if column.type in (t.VARCHAR, t.VAR_STRING, t.STRING) and column.meta != now.octets:
        return f"{column.meta} bytes in the log, {now.octets} now"
    if column.type == t.NEWDECIMAL and column.meta != (now.precision or 0) << 8 | (now.scale or 0):
        return "precision or scale has changed"
    if column.type in (t.DATETIME2, t.TIMESTAMP2) and column.meta != (now.fraction or 0):
        return "fractional digits have changed"
    if column.type == t.BLOB and column.meta != _blob_size(now.data_type):
        return "the size of the text or blob has changed"
    return ""


def _blob_size(data_type: str) -> int:
    return {"tiny": 1, "medi": 3, "long": 4}.get(data_type[:4], 2)


def _reader(
    column: t.MappedColumn, charset: str | None, unsigned: bool, name: str | None = None
) -> Reader:
    try:
        return reader(column, charset, unsigned)
    except Unsupported as error:
        raise Unsupported(
            error.message,
            f"column {name or column.name}: {error.detail}",
            "such a column cannot be replicated yet; nothing was skipped",
        ) from error


def _disagree(mapped: t.TableMap, how: str) -> Unsupported:
    return Unsupported(
        "the log's table and today's differ, and the log does not name its columns",
        f"{mapped.schema}.{mapped.table}: {how}",
        "SET GLOBAL binlog_row_metadata = FULL; -- for what comes; then `replicator heal`",
    )


def read_catalogue(connection: pymysql.connections.Connection, endpoint: Endpoint) -> Catalogue:
    """Read ``endpoint.database``'s. Raises SourceUnavailable, SourceMisconfigured."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(_COLUMNS, (endpoint.database,))
            columns: dict[str, list[CatalogueColumn]] = {}
            for row in cursor.fetchall():
                if row[0] in TABLES:
                    columns.setdefault(row[0], []).append(_column(row))
            cursor.execute(_KEYS, (endpoint.database,))
            keys: dict[str, tuple[str, ...]] = {}
            for table, column in cursor.fetchall():
                keys[table] = (*keys.get(table, ()), column)
            cursor.execute(_COLLATIONS)
            charsets = {int(number): str(name) for number, name in cursor.fetchall()}
    except pymysql.MySQLError as error:
        raise translate(error, endpoint) from error
    return Catalogue(endpoint.database, columns, keys, charsets)


def _column(row: Sequence[object]) -> CatalogueColumn:
    _, name, data_type, column_type, nullable, charset, octets, precision, scale, fraction = row
    return CatalogueColumn(
        name=str(name),
        data_type=str(data_type).lower(),
        unsigned="unsigned" in str(column_type).lower(),
        nullable=nullable == "YES",
        charset=None if charset is None else str(charset),
        octets=_number(octets),
        precision=_number(precision),
        scale=_number(scale),
        fraction=_number(fraction),
    )


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, int) else None
