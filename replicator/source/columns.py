"""A column of information_schema, and whether a column of the log can be it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from replicator.source import tablemap as t
from replicator.source.charsets import BINARY, is_known_charset
from replicator.source.labels import Label, enum_size, set_size
from replicator.source.mariadb import ADDRESSES

NOT_DECODABLE_HINT = (
    "nothing was skipped; give it a type of docs/values.md, or drop it; then replicator heal"
)

_TIMES = frozenset({t.DATETIME2, t.TIMESTAMP2, t.TIME2, t.DATETIME, t.TIMESTAMP, t.TIME})
_STRINGS = frozenset({t.VARCHAR, t.VAR_STRING, t.STRING})
_SIGNED = frozenset({t.TINY, t.SHORT, t.INT24, t.LONG, t.LONGLONG, t.NEWDECIMAL, t.FLOAT, t.DOUBLE})
_VECTOR = frozenset({t.VARCHAR, t.VECTOR})
"""MariaDB's is a VARBINARY in the log, MySQL's has a type of its own."""
_GEOMETRIES = (
    "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
    "geometrycollection", "geomcollection",
)  # fmt: skip
_TYPES: Mapping[str, frozenset[int]] = {
    "tinyint": frozenset({t.TINY}),
    "smallint": frozenset({t.SHORT}),
    "mediumint": frozenset({t.INT24}),
    "int": frozenset({t.LONG}),
    "bigint": frozenset({t.LONGLONG}),
    "float": frozenset({t.FLOAT}),
    "double": frozenset({t.DOUBLE}),
    "decimal": frozenset({t.NEWDECIMAL}),
    "bit": frozenset({t.BIT}),
    "datetime": frozenset({t.DATETIME2, t.DATETIME}),
    "timestamp": frozenset({t.TIMESTAMP2, t.TIMESTAMP}),
    "time": frozenset({t.TIME2, t.TIME}),
    "date": frozenset({t.DATE}),
    "year": frozenset({t.YEAR}),
    "char": frozenset({t.STRING}),
    "binary": frozenset({t.STRING}),
    "varchar": frozenset({t.VARCHAR, t.VAR_STRING}),
    "varbinary": frozenset({t.VARCHAR, t.VAR_STRING}),
    "enum": frozenset({t.ENUM}),
    "set": frozenset({t.SET}),
    "json": frozenset({t.JSON}),
    "vector": _VECTOR,
    **{name: frozenset({t.STRING}) for name in ADDRESSES},
    **{name: frozenset({t.GEOMETRY}) for name in _GEOMETRIES},
    **{f"{size}text": frozenset({t.BLOB}) for size in ("tiny", "", "medium", "long")},
    **{f"{size}blob": frozenset({t.BLOB}) for size in ("tiny", "", "medium", "long")},
}
_COMPRESSED = {t.BLOB: t.BLOB_COMPRESSED, t.VARCHAR: t.VARCHAR_COMPRESSED}
_SHORT_YEAR = 2


@dataclass(frozen=True, slots=True)
class CatalogueColumn:
    """A column of information_schema; ``charset`` None for numbers and times, else its name.

    ``precision``  digits of a DECIMAL, bits of a BIT
    ``digits``     digits that a YEAR is shown with
    ``labels``     of ENUM and SET
    """

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
    labels: tuple[Label, ...] = ()
    digits: int = 4

    @property
    def is_decodable(self) -> bool:
        """Its type, and its character set, are ones that we decode."""
        if self.data_type in ("enum", "set"):  # labels that are no text have no canonical form
            return self.charset is not None and self.charset != BINARY and self._has_known_charset
        return self.data_type in _TYPES and self._has_known_charset and self.digits != _SHORT_YEAR

    @property
    def _has_known_charset(self) -> bool:
        return self.charset is None or is_known_charset(self.charset)

    @property
    def address(self) -> str:
        """ "uuid", "inet4" or "inet6" where it is one, which the log does not tell."""
        return self.data_type if self.data_type in ADDRESSES else ""

    @property
    def shown(self) -> str:
        """Its type for a message."""
        charset = f" CHARACTER SET {self.charset}" if self.charset else ""
        digits = "(2)" if self.digits == _SHORT_YEAR else ""
        return f"{self.data_type}{digits}{' COMPRESSED' if self.compressed else charset}"


def may_be_else(column: t.MappedColumn) -> bool:
    """A column whose type the log does not tell, names or not: a BINARY, or a UUID, INET4, INET6.

    Or one of the two with which MariaDB marks the rows of a system-versioned table.
    """
    if column.type == t.STRING:
        return any(column.meta == size for size, _ in ADDRESSES.values())
    return column.type == t.TIMESTAMP2 and column.meta == 6 and not column.nullable


def differs(column: t.MappedColumn, now: CatalogueColumn) -> str:
    """How the log's column contradicts the catalogue's; "" where it does not."""
    kinds = _TYPES.get(now.data_type, frozenset())
    if now.compressed:
        kinds = frozenset(_COMPRESSED[kind] for kind in kinds if kind in _COMPRESSED)
    if column.type not in kinds:
        return f"type code {column.type} in the log, {now.data_type} now"
    if column.nullable != now.nullable:
        return "nullability has changed"
    if column.type in _SIGNED and column.unsigned not in (None, now.unsigned):
        return "signedness has changed"
    return _differs_in_size(column, now)


def _differs_in_size(column: t.MappedColumn, now: CatalogueColumn) -> str:
    kind, meta = column.type, column.meta
    if kind in _STRINGS and meta != now.octets:
        return f"{meta} bytes in the log, {now.octets} now"
    if kind == t.VARCHAR_COMPRESSED and meta != (now.octets or 0) + 1:  # one for the method
        return f"{meta - 1} bytes in the log, {now.octets} now"
    if kind == t.NEWDECIMAL and meta != (now.precision or 0) << 8 | (now.scale or 0):
        return "precision or scale has changed"
    if kind == t.BIT and 8 * (meta >> 8) + (meta & 0xFF) != now.precision:
        return "the number of bits has changed"
    if kind in _TIMES and meta != (now.fraction or 0):  # the old types' meta is 0
        return "fractional digits have changed"
    if kind in (t.BLOB, t.BLOB_COMPRESSED) and meta != _blob_size(now.data_type):
        return "the size of the text or blob has changed"
    if kind in (t.ENUM, t.SET):
        return _differs_in_labels(column, now)
    return ""


def _differs_in_labels(column: t.MappedColumn, now: CatalogueColumn) -> str:
    size = enum_size if column.type == t.ENUM else set_size
    if column.meta != size(len(now.labels)):
        return f"{column.meta} bytes in the log, {len(now.labels)} labels now"
    return ""


def _blob_size(data_type: str) -> int:
    return {"tiny": 1, "medi": 3, "long": 4}.get(data_type[:4], 2)
