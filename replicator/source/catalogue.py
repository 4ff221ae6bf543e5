"""The station's own description of its replicated tables, and matching it with the log's.

Where the log carries row metadata (binlog_row_metadata = FULL) it is believed; otherwise names,
signedness and character sets come from information_schema (`schema.py` reads it), and only if
every column agrees with the table map in count, type, size and nullability. Anything else is
Unsupported, never a guess.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from replicator.errors import SourceMisconfigured, Unsupported
from replicator.model import TABLES, split_key
from replicator.source import tablemap as t
from replicator.source.charsets import BINARY, text_converter
from replicator.source.columns import NOT_DECODABLE_HINT, CatalogueColumn, differs, may_be_else
from replicator.source.decode import DecodedColumn, TableDecoder
from replicator.source.labels import Label
from replicator.source.readers import Details, reader


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Columns and primary keys of the replicated tables of one database, and the collations.

    ``cascades``  tables whose rows a foreign key changes without the log: "name ON DELETE CASCADE"
    ``versioned``  tables WITH SYSTEM VERSIONING: their log has old rows too
    """

    database: str
    columns: Mapping[str, Sequence[CatalogueColumn]]
    keys: Mapping[str, tuple[str, ...]]
    charsets: Mapping[int, str]
    cascades: Mapping[str, str] = field(default_factory=dict)
    versioned: frozenset[str] = frozenset()

    def decoder(self, mapped: t.TableMap) -> TableDecoder:
        """The decoder for a table map of a replicated table. Raises Unsupported."""
        if mapped.table in self.versioned:
            raise Unsupported(
                "a system-versioned table",
                f"{mapped.schema}.{mapped.table}: its log has old rows beside the present ones",
                f"ALTER TABLE `{mapped.table}` DROP SYSTEM VERSIONING; -- then replicator heal",
            )
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

    def needs(self, mapped: t.TableMap) -> bool:
        """Decoding this table map's rows needs a catalogue that describes them for certain."""
        return not mapped.is_full or any(may_be_else(column) for column in mapped.columns)

    def _from_log(self, table: str, column: t.MappedColumn) -> DecodedColumn:
        assert column.name is not None
        now = next((c for c in self.columns.get(table, ()) if c.name == column.name), None)
        if now is not None and not now.is_decodable:
            raise _not_decodable(table, now)
        if column.type in (t.DATETIME, t.TIMESTAMP, t.TIME) and (now is None or now.fraction):
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
        address = now.address if now is not None and not differs(column, now) else ""
        with _named(table, column.name):
            details = Details(charset, bool(column.unsigned), _labels(column, charset), address)
            decode = reader(column, details)
        return DecodedColumn(column, column.name, details.unsigned, decode)

    def _from_catalogue(self, mapped: t.TableMap) -> list[DecodedColumn]:
        known = self.columns.get(mapped.table, ())
        if len(known) != len(mapped.columns):
            raise _disagree(mapped, f"{len(mapped.columns)} columns in the log, {len(known)} now")
        found = []
        for column, now in zip(mapped.columns, known, strict=True):
            if not now.is_decodable:
                raise _not_decodable(mapped.table, now)
            difference = differs(column, now) or self._differs_in_text(column, now)
            if difference:
                raise _disagree(mapped, f"column {now.name}: {difference}")
            charset = now.charset or BINARY
            details = Details(charset, now.unsigned, now.labels, now.address)
            with _named(mapped.table, now.name):
                decode = reader(column, details)
            found.append(DecodedColumn(column, now.name, now.unsigned, decode))
        return found

    def _differs_in_text(self, column: t.MappedColumn, now: CatalogueColumn) -> str:
        """As ``differs``, for a log that tells character sets but no names (MINIMAL)."""
        if column.collation is None or column.type == t.GEOMETRY:
            return ""
        then = self.charsets.get(column.collation, f"collation {column.collation}")
        charset = now.charset or BINARY
        return "" if then == charset else f"character set {then} in the log, {charset} now"


def _labels(column: t.MappedColumn, charset: str | None) -> tuple[Label, ...]:
    """Of an ENUM or SET, from the log."""
    if column.type not in (t.ENUM, t.SET):
        return ()
    if column.labels is None or charset in (None, BINARY):
        raise Unsupported("labels without their text or character set", f"{charset}", "")
    convert = text_converter(charset or "")
    return tuple(convert(label) for label in column.labels)


@contextmanager
def _named(table: str, name: str) -> Iterator[None]:
    """What is Unsupported inside says which column."""
    try:
        yield
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
