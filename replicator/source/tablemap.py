"""TABLE_MAP events: which columns the row images that follow have.

Layout: https://dev.mysql.com/doc/dev/mysql-server/latest/classbinary__log_1_1Table__map__event.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from replicator.errors import Unsupported

TINY, SHORT, LONG, FLOAT, DOUBLE, TIMESTAMP, LONGLONG, INT24 = 1, 2, 3, 4, 5, 7, 8, 9
DATE, DATETIME, YEAR, VARCHAR, BIT, TIMESTAMP2, DATETIME2, TIME2 = 10, 12, 13, 15, 16, 17, 18, 19
JSON, NEWDECIMAL, ENUM, SET, BLOB, VAR_STRING, STRING, GEOMETRY = (
    245, 246, 247, 248, 252, 253, 254, 255,
)  # fmt: skip
_ONE_BYTE = frozenset({FLOAT, DOUBLE, BLOB, GEOMETRY, JSON, TIMESTAMP2, DATETIME2, TIME2})
_TWO_BYTES = frozenset({VARCHAR, BIT, NEWDECIMAL, VAR_STRING, STRING, ENUM, SET})
_NUMERIC = frozenset({TINY, SHORT, INT24, LONG, LONGLONG, NEWDECIMAL, FLOAT, DOUBLE, YEAR})
_CHARACTER = frozenset({STRING, VAR_STRING, VARCHAR, BLOB})
_SIGNEDNESS, _DEFAULT_CHARSET, _COLUMN_CHARSET, _COLUMN_NAME = 1, 2, 3, 4


@dataclass(frozen=True, slots=True)
class MappedColumn:
    """One column as the log describes it.

    ``type``       MySQL type code; for STRING the real type (ENUM and SET come as STRING)
    ``meta``       VARCHAR, STRING: most bytes; BLOB: bytes of the length; DECIMAL: precision << 8 |
                   scale; temporal types: fractional digits
    ``name``, ``unsigned``, ``collation``  None where the log does not say (no row metadata)
    """

    type: int
    meta: int
    nullable: bool
    name: str | None = None
    unsigned: bool | None = None
    collation: int | None = None


@dataclass(frozen=True, slots=True)
class TableMap:
    """``schema`` and ``table`` as in the log."""

    schema: str
    table: str
    columns: tuple[MappedColumn, ...]

    @property
    def is_full(self) -> bool:
        """The log itself says all that decoding needs (binlog_row_metadata = FULL)."""
        return all(column.name is not None for column in self.columns)


def lenenc(data: bytes, at: int) -> tuple[int, int]:
    """A length-encoded integer and the offset behind it."""
    first = data[at]
    if first < 251:
        return first, at + 1
    size = {252: 2, 253: 3, 254: 8}[first]
    if at + 1 + size > len(data):
        raise IndexError("a length is cut off")
    return int.from_bytes(data[at + 1 : at + 1 + size], "little"), at + 1 + size


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


def parse_table_map(body: bytes) -> TableMap:
    """Parse a TABLE_MAP body: from its flags to its end, without table id and checksum.

    Raises Unsupported when it does not hold what it announces.
    """
    try:
        return _parse(body)
    except (IndexError, KeyError, ValueError) as error:
        raise Unsupported(
            "a TABLE_MAP event cannot be parsed",
            f"{body[:64].hex()}…: {error!r}",
            "please report it",
        ) from error


def _parse(body: bytes) -> TableMap:
    schema, table = table_name(body)
    at = 2 + body[2] + 2
    at += body[at] + 2
    count, at = lenenc(body, at)
    types = body[at : at + count]
    size, at = lenenc(body, at + count)
    metas = _metas(types, body[at : at + size])
    at += size
    nulls = body[at : at + (count + 7) // 8]
    at += (count + 7) // 8
    if len(types) != count or len(nulls) != (count + 7) // 8:
        raise IndexError("cut off")
    optional = _optional(body, at)
    names = _names(optional.get(_COLUMN_NAME, b""))
    unsigned = _signedness(types, optional.get(_SIGNEDNESS))
    real = [kind for kind, _ in metas]
    collations = _collations(real, optional)
    columns = tuple(
        MappedColumn(
            type=real[i],
            meta=metas[i][1],
            nullable=bool(nulls[i // 8] >> (i % 8) & 1),
            name=names[i] if names else None,
            unsigned=unsigned[i],
            collation=collations[i],
        )
        for i in range(count)
    )
    return TableMap(schema, table, columns)


def _metas(types: bytes, data: bytes) -> list[tuple[int, int]]:
    found = []
    at = 0
    for kind in types:
        if kind in _ONE_BYTE:
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
            found.append((kind, 0))
    return found


def _string(high: int, low: int) -> tuple[int, int]:
    """CHAR, ENUM and SET share one code: the real one is in the metadata, and so are two bits of

    the length, inverted (Field_string::do_save_field_metadata in the servers' sources).
    """
    if high in (ENUM, SET):
        return high, low
    return (high | 0x30), ((~high & 0x30) << 4) | low


def _optional(body: bytes, at: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while at < len(body):
        kind = body[at]
        size, at = lenenc(body, at + 1)
        if at + size > len(body):
            raise IndexError("row metadata is cut off")
        found[kind] = body[at : at + size]
        at += size
    return found


def _names(data: bytes) -> list[str]:
    names = []
    at = 0
    while at < len(data):
        size, at = lenenc(data, at)
        names.append(data[at : at + size].decode("utf-8"))
        at += size
    return names


def _signedness(types: Sequence[int], bits: bytes | None) -> list[bool | None]:
    """One bit for each numeric column, from the highest bit on; 1 is unsigned."""
    found: list[bool | None] = []
    place = 0
    for kind in types:
        if bits is None or kind not in _NUMERIC:
            found.append(None)
            continue
        found.append(bool(bits[place // 8] >> (7 - place % 8) & 1))
        place += 1
    return found


def _collations(types: Sequence[int], optional: dict[int, bytes]) -> list[int | None]:
    """Collation ids of the character columns, in either of the two packings."""
    places = [i for i, kind in enumerate(types) if kind in _CHARACTER]
    found: list[int | None] = [None] * len(types)
    if _COLUMN_CHARSET in optional:
        listed = _integers(optional[_COLUMN_CHARSET])
        if len(listed) != len(places):  # MariaDB gives a geometry a character set, MySQL does not
            places = [i for i, kind in enumerate(types) if kind in _CHARACTER | {GEOMETRY}]
        for place, collation in zip(places, listed, strict=True):
            found[place] = collation
    elif _DEFAULT_CHARSET in optional:
        default, *others = _integers(optional[_DEFAULT_CHARSET])
        for place in places:
            found[place] = default
        for index, collation in zip(others[::2], others[1::2], strict=True):
            found[places[index]] = collation
    return found


def _integers(data: bytes) -> list[int]:
    found = []
    at = 0
    while at < len(data):
        number, at = lenenc(data, at)
        found.append(number)
    return found
