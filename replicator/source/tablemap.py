"""TABLE_MAP events: which columns the row images that follow have.

Layout: https://dev.mysql.com/doc/dev/mysql-server/latest/classbinary__log_1_1Table__map__event.html
"""

from __future__ import annotations

from dataclasses import dataclass

from replicator.errors import Unsupported
from replicator.source import metadata
from replicator.source.metadata import lenenc

TINY, SHORT, LONG, FLOAT, DOUBLE, TIMESTAMP, LONGLONG, INT24 = 1, 2, 3, 4, 5, 7, 8, 9
DATE, TIME, DATETIME, YEAR, VARCHAR, BIT, TIMESTAMP2, DATETIME2, TIME2 = (
    10, 11, 12, 13, 15, 16, 17, 18, 19,
)  # fmt: skip
BLOB_COMPRESSED, VARCHAR_COMPRESSED = 140, 141
"""MariaDB's, enum_field_types in its include/mysql.h."""
VECTOR, JSON, NEWDECIMAL, ENUM, SET, BLOB, VAR_STRING, STRING, GEOMETRY = (
    242, 245, 246, 247, 248, 252, 253, 254, 255,
)  # fmt: skip
_NO_BYTES = frozenset({TINY, SHORT, LONG, TIMESTAMP, LONGLONG, INT24, DATE, TIME, DATETIME, YEAR})
_ONE_BYTE = frozenset(
    {FLOAT, DOUBLE, BLOB, BLOB_COMPRESSED, GEOMETRY, JSON, VECTOR, TIMESTAMP2, DATETIME2, TIME2}
)
_TWO_BYTES = frozenset({VARCHAR, VARCHAR_COMPRESSED, BIT})
_NUMERIC = frozenset({TINY, SHORT, INT24, LONG, LONGLONG, NEWDECIMAL, FLOAT, DOUBLE, YEAR})
_CHARACTER = frozenset({STRING, VAR_STRING, VARCHAR, BLOB})
_CHARACTER_MARIADB = _CHARACTER | {GEOMETRY, VARCHAR_COMPRESSED, BLOB_COMPRESSED}


@dataclass(frozen=True, slots=True)
class MappedColumn:
    """One column as the log describes it.

    ``type``       MySQL type code; for STRING the real type (ENUM and SET come as STRING)
    ``meta``       VARCHAR, STRING: most bytes; BLOB and its like: bytes of the length; DECIMAL:
                   precision << 8 | scale; BIT: bytes << 8 | bits beyond them; ENUM, SET: bytes;
                   temporal types: fractional digits
    ``name``, ``unsigned``, ``collation``, ``labels``  None where the log does not say (no row
                   metadata); labels of ENUM and SET are in the column's character set
    """

    type: int
    meta: int
    nullable: bool
    name: str | None = None
    unsigned: bool | None = None
    collation: int | None = None
    labels: tuple[bytes, ...] | None = None


@dataclass(frozen=True, slots=True)
class TableMap:
    """``schema`` and ``table`` as in the log."""

    schema: str
    table: str
    columns: tuple[MappedColumn, ...]

    @property
    def is_full(self) -> bool:
        """The log itself names its columns (binlog_row_metadata = FULL)."""
        return all(column.name is not None for column in self.columns)


def table_name(body: bytes) -> tuple[str, str]:
    """Schema and table of a TABLE_MAP body (without table id): cheap, before all else.

    Raises IndexError when it is cut off.
    """
    at = 2
    schema = body[at + 1 : at + 1 + body[at]]
    at += 2 + body[at]
    table = body[at + 1 : at + 1 + body[at]]
    if body[at + 1 + body[at]] != 0:
        raise IndexError("a name without an end")
    return schema.decode("utf-8", "replace"), table.decode("utf-8", "replace")


def parse_table_map(body: bytes, *, mariadb: bool = True) -> TableMap:
    """Parse a TABLE_MAP body: from its flags to its end, without table id and checksum.

    ``mariadb``: its writer is; it counts a geometry among the columns that have a character set.
    Raises Unsupported when it does not hold what it announces.
    """
    try:
        return _parse(body, _CHARACTER_MARIADB if mariadb else _CHARACTER)
    except (IndexError, KeyError, ValueError) as error:
        raise Unsupported(
            "a TABLE_MAP event cannot be parsed",
            f"{body[:64].hex()}…: {error!r}",
            "please report it",
        ) from error


def _parse(body: bytes, character: frozenset[int]) -> TableMap:
    schema, table = table_name(body)
    at = 2 + body[2] + 2
    at += body[at] + 2
    count, at = lenenc(body, at)
    types = body[at : at + count]
    size, at = lenenc(body, at + count)
    shapes = _shapes(types, body[at : at + size])
    at += size
    nulls = body[at : at + (count + 7) // 8]
    at += (count + 7) // 8
    if len(types) != count or len(nulls) != (count + 7) // 8:
        raise IndexError("cut off")
    nullable = [bool(nulls[i // 8] >> (i % 8) & 1) for i in range(count)]
    columns = _columns(shapes, nullable, metadata.fields(body, at), character)
    return TableMap(schema, table, columns)


def _columns(
    shapes: list[tuple[int, int]],
    nullable: list[bool],
    optional: dict[int, bytes],
    character: frozenset[int],
) -> tuple[MappedColumn, ...]:
    def places(kinds: frozenset[int]) -> list[int]:
        return [i for i, (kind, _) in enumerate(shapes) if kind in kinds]

    labelled = places(frozenset({ENUM, SET}))
    enums, sets = places(frozenset({ENUM})), places(frozenset({SET}))
    names = metadata.names(optional.get(metadata.NAMES, b""))
    unsigned = metadata.signedness(places(_NUMERIC), optional.get(metadata.SIGNEDNESS))
    collations = metadata.collations(places(character), optional, metadata.CHARACTER)
    if places(frozenset({VECTOR})):
        _check_with_vectors(collations, places(character | {VECTOR}), optional)
    collations |= metadata.collations(labelled, optional, metadata.LABELLED)
    labels = metadata.labels(enums, optional.get(metadata.ENUM_LABELS))
    labels |= metadata.labels(sets, optional.get(metadata.SET_LABELS))
    return tuple(
        MappedColumn(
            type=kind,
            meta=meta,
            nullable=nullable[i],
            name=names[i] if names else None,
            unsigned=unsigned.get(i),
            collation=collations.get(i),
            labels=labels.get(i),
        )
        for i, (kind, meta) in enumerate(shapes)
    )


def _check_with_vectors(
    collations: dict[int, int], places: list[int], optional: dict[int, bytes]
) -> None:
    """Whether MySQL counts a VECTOR among the character columns is not sure: only where that makes

    no difference to the others are they believed. Raises ValueError.
    """
    counted = metadata.collations(places, optional, metadata.CHARACTER)
    if any(counted.get(place) != collation for place, collation in collations.items()):
        raise ValueError("character sets of other columns beside a VECTOR are not certain")


def _shapes(types: bytes, data: bytes) -> list[tuple[int, int]]:
    """Type and metadata of each column; how long the metadata are depends on the type."""
    found = []
    at = 0
    for kind in types:
        if kind in _NO_BYTES:
            found.append((kind, 0))
        elif kind in _ONE_BYTE:
            found.append((kind, data[at]))
            at += 1
        elif kind in (STRING, VAR_STRING, ENUM, SET):
            found.append(_string(data[at], data[at + 1]))
            at += 2
        elif kind == NEWDECIMAL:
            found.append((kind, data[at] << 8 | data[at + 1]))
            at += 2
        elif kind in _TWO_BYTES:
            found.append((kind, data[at] | data[at + 1] << 8))
            at += 2
        else:
            raise ValueError(f"column type {kind} is not known")
    if at != len(data):
        raise IndexError("the columns' metadata are of another length")
    return found


def _string(high: int, low: int) -> tuple[int, int]:
    """CHAR, ENUM and SET share one code: the real one is in the metadata, and so are two bits of

    the length, inverted (Field_string::do_save_field_metadata in the servers' sources).
    """
    if high in (ENUM, SET):
        return high, low
    return (high | 0x30), ((~high & 0x30) << 4) | low
