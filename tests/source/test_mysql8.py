"""MySQL 8's row metadata, VECTOR and rows of partitions, constructed after its sources.

rows_event.cpp and rows_event.h in libs/mysql/binlog/event, has_signedess_information_type in
sql/field_common_properties.h: no MySQL 8 is here to ask.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence

import pytest

from replicator.change import Op, Row
from replicator.errors import Unsupported
from replicator.source import tablemap as t
from replicator.source.catalogue import Catalogue
from replicator.source.columns import CatalogueColumn
from replicator.source.decode import TableDecoder
from replicator.source.tablemap import TableMap, parse_table_map
from tests.source.jsonbytes import packed

LATIN1, BINARY, UTF8MB4 = 8, 63, 255
CHARSETS = {LATIN1: "latin1", BINARY: "binary", UTF8MB4: "utf8mb4"}
(
    SIGNEDNESS, DEFAULT_CHARSET, COLUMN_CHARSET, NAMES, SET_LABELS, ENUM_LABELS, GEOMETRY_TYPE,
    SIMPLE_KEY, PREFIX_KEY, LABEL_DEFAULT, LABEL_CHARSET, VISIBILITY, DIMENSIONS,
) = range(1, 14)  # fmt: skip

TYPES: Sequence[tuple[str, int, bytes]] = (
    ("id", t.LONG, b""),
    ("name", t.VARCHAR, b"\x50\0"),
    ("built", t.YEAR, b""),
    ("count", t.LONG, b""),
    ("kind", t.STRING, bytes([t.ENUM, 1])),
    ("place", t.GEOMETRY, b"\4"),
    ("tags", t.STRING, bytes([t.SET, 1])),
    ("note", t.BLOB, b"\2"),
    ("extra", t.JSON, b"\4"),
    ("data", t.VARCHAR, b"\x09\0"),
    ("big", t.LONGLONG, b""),
)
VECTOR = ("v", t.VECTOR, b"\4")


def number(value: int) -> bytes:
    return bytes([value]) if value < 251 else b"\xfc" + value.to_bytes(2, "little")


def sized(data: bytes) -> bytes:
    return number(len(data)) + data


def labels(*columns: Sequence[bytes]) -> bytes:
    return b"".join(number(len(c)) + b"".join(sized(label) for label in c) for c in columns)


def bits(*flags: bool) -> bytes:
    text = "".join("1" if flag else "0" for flag in flags)
    return int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")


METADATA: Mapping[int, bytes] = {
    # id, built, count, big: MySQL writes a bit for YEAR too, and 0
    SIGNEDNESS: bits(False, False, True, True),
    # name, note, data: a JSON and a geometry do not count
    DEFAULT_CHARSET: number(UTF8MB4) + bytes([1, LATIN1, 2, BINARY]),
    NAMES: b"".join(sized(name.encode()) for name, _, _ in TYPES),
    SET_LABELS: labels(["ü".encode(), b"b"]),
    ENUM_LABELS: labels(["é".encode("latin1"), b"x"]),
    GEOMETRY_TYPE: number(1),
    PREFIX_KEY: bytes([0, 0, 1, 10]),
    LABEL_DEFAULT: number(UTF8MB4) + bytes([0, LATIN1]),
    VISIBILITY: bits(*[name != "extra" for name, _, _ in TYPES]),
}


def table_map(
    types: Sequence[tuple[str, int, bytes]] = TYPES, optional: Mapping[int, bytes] = METADATA
) -> bytes:
    """Body behind the table id."""
    shapes = b"".join(shape for _, _, shape in types)
    nulls = b"\xff" * ((len(types) + 7) // 8)
    codes = bytes(code for _, code, _ in types)
    fields = b"".join(bytes([kind]) + sized(content) for kind, content in optional.items())
    head = b"\1\0\2ch\0\x08RoomType\0"
    return head + number(len(types)) + codes + sized(shapes) + nulls + fields


def mapped(body: bytes) -> TableMap:
    return parse_table_map(body, mariadb=False)


def decoder(body: bytes) -> TableDecoder:
    return Catalogue("ch", {}, {}, CHARSETS).decoder(mapped(body))


POINT = struct.pack("<IBIdd", 0, 1, 1, 1.0, 2.0)
CELLS = (
    struct.pack("<i", -1)
    + b"\4" + "é€"[:1].encode() + b"ab"
    + bytes([126])
    + struct.pack("<I", 4294967295)
    + b"\1"
    + struct.pack("<I", len(POINT)) + POINT
    + b"\3"
    + struct.pack("<H", 2) + "é€".encode("cp1252")
    + struct.pack("<I", len(packed({"a": [1, None]}))) + packed({"a": [1, None]})
    + b"\3\0\xff\0"
    + struct.pack("<Q", 2**64 - 1)
)  # fmt: skip
ROW: Row = (
    -1, "éab", 2026, 4294967295, "é", base64.b64encode(POINT).decode(), "ü,b", "é€",
    '{"a": [1, null]}', "AP8A", 2**64 - 1,
)  # fmt: skip


def row_event(cells: bytes, columns: int, extra: bytes = b"") -> bytes:
    """A WRITE_ROWS event of version 2, behind the table id."""
    width = (columns + 7) // 8
    head = b"\1\0" + struct.pack("<H", 2 + len(extra)) + extra + number(columns)
    return head + b"\xff" * width + bytes(width) + cells


def test_a_table_map_with_all_of_its_metadata() -> None:
    columns = {c.name: c for c in mapped(table_map()).columns}
    assert list(columns) == [name for name, _, _ in TYPES]
    assert {name: c.unsigned for name, c in columns.items() if c.unsigned is not None} == {
        "id": False, "built": False, "count": True, "big": True,
    }  # fmt: skip
    assert {name: c.collation for name, c in columns.items() if c.collation is not None} == {
        "name": UTF8MB4, "note": LATIN1, "data": BINARY, "kind": LATIN1, "tags": UTF8MB4,
    }  # fmt: skip
    assert columns["kind"].labels == ("é".encode("latin1"), b"x")
    assert columns["tags"].labels == ("ü".encode(), b"b")


EACH_COLUMN = {
    **{k: v for k, v in METADATA.items() if k not in (DEFAULT_CHARSET, PREFIX_KEY, LABEL_DEFAULT)},
    COLUMN_CHARSET: number(UTF8MB4) + bytes([LATIN1, BINARY]),
    SIMPLE_KEY: b"\0",
    LABEL_CHARSET: bytes([LATIN1]) + number(UTF8MB4),
}


def test_a_character_set_for_each_column_says_the_same() -> None:
    assert mapped(table_map(optional=EACH_COLUMN)) == mapped(table_map())


PARTITION = struct.pack("<BH", 1, 7)


@pytest.mark.parametrize("extra", [b"", PARTITION], ids=["plain", "partition"])
@pytest.mark.parametrize("optional", [METADATA, EACH_COLUMN], ids=["default", "each column"])
def test_a_row(extra: bytes, optional: Mapping[int, bytes]) -> None:
    """The partition that a row is in stands before it from MySQL 8.0.16 on."""
    (change,) = decoder(table_map(optional=optional)).changes(
        30, row_event(CELLS, len(TYPES), extra)
    )
    assert (change.op, change.rows) == (Op.INSERT, [ROW])


@pytest.mark.parametrize("kind", [SIGNEDNESS, DEFAULT_CHARSET, SET_LABELS, ENUM_LABELS])
@pytest.mark.parametrize("change", [b"\0", None], ids=["longer", "shorter"])
def test_metadata_of_another_number_of_columns(kind: int, change: bytes | None) -> None:
    ill = METADATA[kind] + change if change else METADATA[kind][:-1]
    with pytest.raises(Unsupported):
        decoder(table_map(optional={**METADATA, kind: ill}))


def test_a_bit_missing_for_the_year_would_be_noticed() -> None:
    """Nine numbers are two bytes of signs, eight are one."""
    types = [("built", t.YEAR, b""), *[(f"n{i}", t.LONG, b"") for i in range(8)]]
    with pytest.raises(Unsupported, match="1 bytes of signs for 9 numeric columns"):
        mapped(table_map(types, {SIGNEDNESS: bits(*[True] * 8)}))


FLOATS = struct.pack("<3f", 1.0, -2.5, 1e-45)


def with_vector(types: Sequence[tuple[str, int, bytes]], charset: bytes) -> bytes:
    kept = {SIGNEDNESS: bits(False), DEFAULT_CHARSET: charset, DIMENSIONS: number(3)}
    names = b"".join(sized(name.encode()) for name, _, _ in types)
    return table_map(types, {**kept, NAMES: names})


def test_a_vector() -> None:
    """Its floats as they are, in base64; where the log tells names and where it does not."""
    types = [TYPES[0], TYPES[1], VECTOR]
    cells = struct.pack("<i", 1) + b"\1a" + struct.pack("<I", len(FLOATS)) + FLOATS
    row = (1, "a", base64.b64encode(FLOATS).decode())
    event = row_event(cells, 3)
    named = decoder(with_vector(types, number(UTF8MB4)))
    assert [change.rows for change in named.changes(30, event)] == [[row]]

    def now(name: str, kind: str, charset: str | None, octets: int | None) -> CatalogueColumn:
        return CatalogueColumn(name, kind, False, True, charset, octets, None, None, None)

    known = [
        now("id", "int", None, None), now("name", "varchar", "utf8mb4", 80),
        now("v", "vector", None, 12),
    ]  # fmt: skip
    nameless = mapped(table_map(types, {}))
    unnamed = Catalogue("ch", {"RoomType": known}, {}, CHARSETS).decoder(nameless)
    assert [change.rows for change in unnamed.changes(30, event)] == [[row]]


def test_character_sets_beside_a_vector_are_certain_or_refused() -> None:
    """Is it one of the columns with a character set? Behind it that would shift the others."""
    types = [TYPES[0], VECTOR, TYPES[1], ("note", t.BLOB, b"\2")]
    with pytest.raises(Unsupported, match="beside a VECTOR"):
        mapped(with_vector(types, number(UTF8MB4) + bytes([1, LATIN1])))
    first = [TYPES[0], TYPES[1], ("note", t.BLOB, b"\2"), VECTOR]
    columns = mapped(with_vector(first, number(UTF8MB4) + bytes([1, LATIN1]))).columns
    assert [c.collation for c in columns[1:3]] == [UTF8MB4, LATIN1]
