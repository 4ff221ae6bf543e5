"""The station's own description of its replicated tables, and matching it with the log's.

Where the log carries row metadata (binlog_row_metadata = FULL) it is believed; otherwise names,
signedness and character sets come from information_schema (`schema.py` reads it), and only if
every column agrees with the table map in count, type, size and nullability. Anything else is
Unsupported, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from replicator.errors import SourceMisconfigured, Unsupported
from replicator.model import TABLES, split_key
from replicator.source import tablemap as t
from replicator.source.charsets import BINARY, is_known_charset
from replicator.source.decode import DecodedColumn, TableDecoder
from replicator.source.values import Reader, reader

NOT_DECODABLE_HINT = (
    "nothing was skipped; give it a type of docs/values.md, or drop it; then replicator heal"
)

_TIMES = frozenset({t.DATETIME2, t.TIMESTAMP2, t.DATETIME, t.TIMESTAMP})
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
    compressed: bool = False

    @property
    def is_decodable(self) -> bool:
        """Its type, and its character set, are ones that we decode."""
        known = self.charset is None or is_known_charset(self.charset)
        return self.data_type in _TYPES and known and not self.compressed

    @property
    def shown(self) -> str:
        """Its type for a message."""
        charset = f" CHARACTER SET {self.charset}" if self.charset else ""
        return f"{self.data_type}{' COMPRESSED' if self.compressed else charset}"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Columns and primary keys of the replicated tables of one database, and the collations.

    ``cascades``  tables whose rows a foreign key changes without the log: "name ON DELETE CASCADE"
    """

    database: str
    columns: Mapping[str, Sequence[CatalogueColumn]]
    keys: Mapping[str, tuple[str, ...]]
    charsets: Mapping[int, str]
    cascades: Mapping[str, str] = field(default_factory=dict)

    def decoder(self, mapped: t.TableMap) -> TableDecoder:
        """The decoder for a table map of a replicated table. Raises Unsupported."""
        columns = (
            [self._from_log(mapped.table, column) for column in mapped.columns]
            if mapped.is_full
            else self._from_catalogue(mapped)
        )
        names = {column.name for column in columns}
        table = TABLES[mapped.table]
        missing = [name for name in (*table.primary_key, *table.columns) if name not in names]
        if missing:
            raise Unsupported(
                "a replicated table lacks a column",
                f"{mapped.schema}.{mapped.table} has no {', '.join(missing)}",
                "the schema is not that of a cogent-house station; see `replicator check`",
            )
        return TableDecoder(mapped.table, columns, split_key(table))

    def check_complete(self) -> None:
        """Raise SourceMisconfigured where a replicated table is missing: its rows would be too."""
        missing = [table for table in TABLES if not self.columns.get(table)]
        if missing:
            raise SourceMisconfigured(
                "a replicated table is not there, or not ours to see",
                ", ".join(f"{self.database}.{table}" for table in missing),
                f"[source] database; GRANT SELECT ON `{self.database}`.*; see `replicator check`",
            )

    def _from_log(self, table: str, column: t.MappedColumn) -> DecodedColumn:
        assert column.name is not None
        now = next((c for c in self.columns.get(table, ()) if c.name == column.name), None)
        if now is not None and not now.is_decodable:  # UUID and INET6 look like BINARY in the log
            raise _not_decodable(table, now)
        if column.type in (t.DATETIME, t.TIMESTAMP) and (now is None or now.fraction):
            raise Unsupported(
                "a time in the old format, with a fraction that the log does not tell",
                f"{table}.{column.name}",
                f"SET GLOBAL mysql56_temporal_format = ON; ALTER TABLE `{table}` FORCE; "
                "-- then replicator heal",
            )
        charset = None
        if column.collation is not None:
            charset = self.charsets.get(column.collation)
            if charset is None:
                raise Unsupported(
                    "a collation that the server does not name",
                    f"{table}.{column.name}: id {column.collation}",
                    "please report it",
                )
        unsigned = bool(column.unsigned)
        decode = _reader(table, column, charset, unsigned, column.name)
        return DecodedColumn(column, column.name, unsigned, decode)

    def _from_catalogue(self, mapped: t.TableMap) -> list[DecodedColumn]:
        known = self.columns.get(mapped.table, ())
        if len(known) != len(mapped.columns):
            raise _disagree(mapped, f"{len(mapped.columns)} columns in the log, {len(known)} now")
        found = []
        for column, now in zip(mapped.columns, known, strict=True):
            if not now.is_decodable:
                raise _not_decodable(mapped.table, now)
            difference = differs(column, now)
            if difference:
                raise _disagree(mapped, f"column {now.name}: {difference}")
            charset = now.charset
            if "binary" in now.data_type or now.data_type.endswith("blob"):
                charset = BINARY
            decode = _reader(mapped.table, column, charset, now.unsigned, now.name)
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
    if column.type in _TIMES and column.meta != (now.fraction or 0):  # the old types' meta is 0
        return "fractional digits have changed"
    if column.type == t.BLOB and column.meta != _blob_size(now.data_type):
        return "the size of the text or blob has changed"
    return ""


def _blob_size(data_type: str) -> int:
    return {"tiny": 1, "medi": 3, "long": 4}.get(data_type[:4], 2)


def _reader(
    table: str, column: t.MappedColumn, charset: str | None, unsigned: bool, name: str
) -> Reader:
    try:
        return reader(column, charset, unsigned)
    except Unsupported as error:
        raise Unsupported(
            error.message, f"{table}.{name}: {error.detail}", NOT_DECODABLE_HINT
        ) from error


def _not_decodable(table: str, column: CatalogueColumn) -> Unsupported:
    return Unsupported(
        "a column type that is not decoded yet",
        f"{table}.{column.name}: {column.shown}",
        NOT_DECODABLE_HINT,
    )


def _disagree(mapped: t.TableMap, how: str) -> Unsupported:
    return Unsupported(
        "the log's table and today's differ, and the log does not name its columns",
        f"{mapped.schema}.{mapped.table}: {how}",
        "SET GLOBAL binlog_row_metadata = FULL; -- for what comes; then `replicator heal`",
    )
