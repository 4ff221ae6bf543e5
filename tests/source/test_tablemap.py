"""TABLE_MAP and row events cut off or damaged: Unsupported, or right; never anything else."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.mariadbd import PrivateMariaDB
from replicator.change import Change, Op
from replicator.errors import Unsupported
from replicator.model import TABLES
from replicator.source import tablemap as t
from replicator.source.catalogue import Catalogue
from replicator.source.columns import CatalogueColumn, differs
from replicator.source.decode import ROWS, TableDecoder
from replicator.source.tablemap import MappedColumn, parse_table_map
from replicator.source.wire import names_of
from tests.conftest import create_station
from tests.source.capture import at, raw_events

LATIN1, UTF8 = 8, 45
STATEMENTS = (
    "ALTER TABLE SensorType ADD x DECIMAL(12,3), ADD y TEXT, ADD z TIMESTAMP(3) NULL, "
    "ADD w VARCHAR(300) CHARACTER SET latin1",
    "INSERT INTO SensorType VALUES (1, 'a', 'b', 'c', 1, 2, 3, NULL, 1.5, 'text', NOW(), 'w')",
    "INSERT INTO SensorType (id) VALUES (2), (3)",
    "UPDATE SensorType SET name = 'é', c0 = 9",
    "UPDATE SensorType SET id = id + 10 WHERE id = 1",
    "DELETE FROM SensorType",
)


@pytest.fixture(scope="module")
def recorded(mariadb: PrivateMariaDB) -> list[tuple[int, bytes]]:
    """Real TABLE_MAP and row event bodies, without table id."""
    create_station(mariadb, "recorded")
    mariadb.execute("FLUSH BINARY LOGS")
    start = at(mariadb, "recorded")
    mariadb.execute(*STATEMENTS, database="recorded")
    found = raw_events(mariadb, start, at(mariadb, "recorded"))
    mariadb.execute("DROP DATABASE recorded")
    return [(kind, body[6:]) for kind, body in found if kind == 19 or kind in ROWS]


@pytest.fixture(scope="module")
def table_map(recorded: list[tuple[int, bytes]]) -> bytes:
    return recorded[0][1]


CHARSETS = {LATIN1: "latin1", UTF8: "utf8mb4", 63: "binary"}


def decoder(table_map: bytes) -> TableDecoder:
    return Catalogue("recorded", {}, {}, CHARSETS).decoder(parse_table_map(table_map))


def test_a_table_map(table_map: bytes) -> None:
    mapped = parse_table_map(table_map)
    assert (mapped.schema, mapped.table, mapped.is_full) == ("recorded", "SensorType", True)
    columns = {column.name: column for column in mapped.columns}
    assert columns["id"] == MappedColumn(t.LONG, 0, False, "id", False, None)
    assert columns["name"] == MappedColumn(t.VARCHAR, 1020, True, "name", None, UTF8)
    assert columns["c0"] == MappedColumn(t.FLOAT, 4, True, "c0", False, None)
    assert columns["x"] == MappedColumn(t.NEWDECIMAL, 12 << 8 | 3, True, "x", False, None)
    assert columns["y"] == MappedColumn(t.BLOB, 2, True, "y", None, UTF8)
    assert columns["z"] == MappedColumn(t.TIMESTAMP2, 3, True, "z", None, None)
    assert columns["w"] == MappedColumn(t.VARCHAR, 300, True, "w", None, LATIN1)


def test_every_part_of_a_table_map_is_refused_or_says_less(table_map: bytes) -> None:
    """Row metadata is a list of fields: cut between two, names may be missing, not wrong."""
    whole = parse_table_map(table_map).columns
    bare = tuple(replace(c, name=None, unsigned=None, collation=None) for c in whole)
    for size in range(len(table_map)):
        with suppress(Unsupported):
            part = parse_table_map(table_map[:size])
            assert [c.name for c in part.columns] in ([c.name for c in whole], [None] * len(whole))
            assert bare == tuple(
                replace(c, name=None, unsigned=None, collation=None) for c in part.columns
            )


def test_every_part_of_its_names_is_refused(table_map: bytes) -> None:
    end = table_map.index(b"SensorType\0") + len(b"SensorType\0")
    for size in range(end):
        with pytest.raises(Unsupported):
            names_of(table_map[:size])
    assert names_of(table_map[:end]) == ("recorded", "SensorType")


def test_every_part_of_a_row_event_is_refused_or_ends_with_a_row(
    recorded: list[tuple[int, bytes]], table_map: bytes
) -> None:
    reader = decoder(table_map)
    events = [(kind, body) for kind, body in recorded if kind in ROWS]
    assert len(events) == len(STATEMENTS) - 1
    for kind, body in events:
        whole = rows_of(reader.changes(kind, body))
        for size in range(len(body)):
            with suppress(Unsupported):
                part = rows_of(reader.changes(kind, body[:size]))
                assert part
                assert part == whole[: len(part)]


def rows_of(changes: list[Change]) -> list[tuple[Op, object]]:
    return [(change.op, row) for change in changes for row in change.rows]


@settings(max_examples=500, deadline=None)
@given(which=st.integers(0), place=st.integers(0), byte=st.integers(0, 255))
def test_a_damaged_byte_raises_nothing_but_unsupported(
    recorded: list[tuple[int, bytes]], which: int, place: int, byte: int
) -> None:
    kind, body = recorded[which % len(recorded)]
    damaged = bytearray(body)
    damaged[place % len(body)] = byte
    with suppress(Unsupported):
        if kind in ROWS:
            decoder(recorded[0][1]).changes(kind, bytes(damaged))
        elif names_of(bytes(damaged))[1] in TABLES:
            decoder(bytes(damaged))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_raise_nothing_but_unsupported(data: bytes) -> None:
    with suppress(Unsupported):
        parse_table_map(data)
    with suppress(Unsupported):
        names_of(data)


def test_an_image_without_all_columns_is_refused(
    recorded: list[tuple[int, bytes]], table_map: bytes
) -> None:
    kind, body = next(event for event in recorded if event[0] in ROWS)
    count = len(parse_table_map(table_map).columns)
    place = body.index(bytes([count]), 2) + 1
    partial = bytearray(body)
    partial[place] &= 0xFE
    with pytest.raises(Unsupported, match="binlog_row_image"):
        decoder(table_map).changes(kind, bytes(partial))


def test_spare_bits_of_the_bitmap_may_be_set(
    recorded: list[tuple[int, bytes]], table_map: bytes
) -> None:
    """MySQL sets them, MariaDB does not."""
    kind, body = next(event for event in recorded if event[0] in ROWS)
    count = len(parse_table_map(table_map).columns)
    place = body.index(bytes([count]), 2) + 2
    spare = bytearray(body)
    spare[place] = 0xFF
    reader = decoder(table_map)
    assert reader.changes(kind, bytes(spare)) == reader.changes(kind, body)


def test_a_table_that_lacks_a_replicated_column_is_refused(table_map: bytes) -> None:
    other = table_map.replace(b"\x04code", b"\x04cody")
    with pytest.raises(Unsupported, match="lacks a column"):
        decoder(other)


INT = MappedColumn(t.LONG, 0, True)
NOW = CatalogueColumn("id", "int", False, True, None, None, 10, 0, None)


@pytest.mark.parametrize(
    ("column", "now"),
    [
        (INT, replace(NOW, data_type="bigint")),
        (INT, replace(NOW, nullable=False)),
        (MappedColumn(t.VARCHAR, 80, True), replace(NOW, data_type="varchar", octets=84)),
        (MappedColumn(t.STRING, 80, True), replace(NOW, data_type="char", octets=84)),
        (
            MappedColumn(t.NEWDECIMAL, 10 << 8 | 2, True),
            replace(NOW, data_type="decimal", precision=10, scale=3),
        ),
        (MappedColumn(t.DATETIME2, 0, True), replace(NOW, data_type="datetime", fraction=3)),
        (MappedColumn(t.DATETIME, 0, True), replace(NOW, data_type="datetime", fraction=3)),
        (MappedColumn(t.TIMESTAMP2, 6, True), replace(NOW, data_type="timestamp", fraction=3)),
        (MappedColumn(t.BLOB, 2, True), replace(NOW, data_type="longtext", octets=1)),
        (MappedColumn(t.ENUM, 1, True), replace(NOW, data_type="enum", labels=("a",) * 256)),
        (MappedColumn(t.ENUM, 2, True), replace(NOW, data_type="enum", labels=("a",) * 255)),
        (MappedColumn(t.ENUM, 1, True), replace(NOW, data_type="set", labels=("a",))),
        (MappedColumn(t.SET, 4, True), replace(NOW, data_type="set", labels=("a",) * 33)),
        (MappedColumn(t.BIT, 1 << 8, True), replace(NOW, data_type="bit", precision=9)),
        (MappedColumn(t.TIME2, 3, True), replace(NOW, data_type="time", fraction=0)),
        (MappedColumn(t.GEOMETRY, 4, True), replace(NOW, data_type="longblob")),
        (MappedColumn(t.STRING, 16, True), replace(NOW, data_type="inet4", octets=4)),
        (
            MappedColumn(t.VARCHAR, 80, True),
            replace(NOW, data_type="varchar", octets=80, compressed=True),
        ),
        (
            MappedColumn(t.VARCHAR_COMPRESSED, 80, True),
            replace(NOW, data_type="varchar", octets=80, compressed=True),
        ),
        (MappedColumn(t.LONG, 0, True, unsigned=True), NOW),
    ],
)
def test_a_nameless_column_that_contradicts_the_catalogue(
    column: MappedColumn, now: CatalogueColumn
) -> None:
    assert differs(column, now)
    assert not differs(INT, NOW)
