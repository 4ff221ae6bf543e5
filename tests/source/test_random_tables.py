"""Random tables with random rows: the log, with names and without, and the table give the same."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pymysql
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demo.mariadbd import PrivateMariaDB
from replicator.change import Change, Row
from replicator.source.snapshot import SnapshotReader
from tests.conftest import create_station
from tests.source.capture import at, captured, endpoint

Cells = st.SearchStrategy[Any]
ALPHABETS = {
    "utf8mb4": "aß€😀 \n'\"\\%\0",
    "utf8mb3": "aß€ é",
    "utf16": "aß€😀",
    "ucs2": "aß€\uffff",
    "utf32": "a😀",
    "latin1": "aéÿ€\x81 ",
    "cp1251": "aжЯё",
    "sjis": "aｶ表ソ\\~",
    "gbk": "a简體€",
    "ujis": "日ｶ丂a",
    "swe7": "ÅÄÖa",
}


@dataclass(frozen=True)
class Column:
    """Its SQL type and values for it."""

    kind: str
    cells: Cells


def integers(name: str, bits: int) -> Iterator[Column]:
    yield Column(name, st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
    yield Column(f"{name} UNSIGNED", st.integers(0, 2**bits - 1))


@st.composite
def decimals(draw: st.DrawFn) -> Column:
    precision = draw(st.integers(1, 65))
    scale = draw(st.integers(0, min(precision, 38)))
    limit = 10**precision - 1
    cells = st.integers(-limit, limit).map(lambda n: f"{n}e-{scale}")
    return Column(f"DECIMAL({precision},{scale})", cells)


@st.composite
def texts(draw: st.DrawFn) -> Column:
    charset = draw(st.sampled_from(sorted(ALPHABETS)))
    size = draw(st.sampled_from([20, 100, 255]))
    kind = draw(st.sampled_from(["CHAR({n})", "VARCHAR({n})", "TEXT", "LONGTEXT"]))
    packed = draw(st.sampled_from(["", " COMPRESSED"])) if not kind.startswith("CHAR") else ""
    cells = st.text(ALPHABETS[charset], max_size=20)
    return Column(f"{kind.format(n=size)} CHARACTER SET {charset}{packed}", cells)


@st.composite
def binaries(draw: st.DrawFn) -> Column:
    size = draw(st.sampled_from([4, 16, 20, 255]))
    kind = draw(st.sampled_from(["BINARY({n})", "VARBINARY({n})", "BLOB", "BLOB COMPRESSED"]))
    cells = st.binary(max_size=min(size, 20)) | st.just(b"a\0\0")
    return Column(kind.format(n=size), cells)


@st.composite
def labelled(draw: st.DrawFn) -> Column:
    kind = draw(st.sampled_from(["ENUM", "SET"]))
    label = st.text("aé'\"\\\n/;Ж ", min_size=1, max_size=4).map(lambda s: s.rstrip() or "x")
    most = draw(st.sampled_from([3, 20, 64]))
    labels = draw(st.lists(label, min_size=1, max_size=most, unique=True))
    quoted = ", ".join(f"'{pymysql.converters.escape_string(v)}'" for v in labels)
    first, last = (1, len(labels)) if kind == "ENUM" else (0, 2 ** len(labels) - 1)
    shape = f"{kind}({quoted}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    return Column(shape, st.integers(first, last))


@st.composite
def times(draw: st.DrawFn) -> Column:
    digits = draw(st.integers(0, 6))
    kind = draw(st.sampled_from(["TIME", "DATETIME", "TIMESTAMP"]))
    fraction = st.integers(0, 10**digits - 1).map(lambda n: f".{n:0{digits}d}" if digits else "")
    clock = st.times().map(lambda t: t.strftime("%H:%M:%S"))
    if kind == "TIME":
        hours = st.integers(0, 837).map(lambda n: f"{n:02d}")
        parts = st.tuples(st.sampled_from(["", "-"]), hours, clock.map(lambda t: t[2:]), fraction)
        return Column(f"TIME({digits})", parts.map("".join))
    days = st.dates(dt.date(1971, 1, 1), dt.date(2037, 12, 31)).map(str)
    if kind == "DATETIME":
        days |= st.dates().map(str) | st.sampled_from(["0000-00-00", "2026-00-00", "2026-02-00"])
    return Column(f"{kind}({digits})", st.tuples(days, st.just(" "), clock, fraction).map("".join))


def points() -> Cells:
    return st.tuples(st.floats(-9, 9), st.floats(-9, 9)).map(list)


columns = st.one_of(
    st.sampled_from([
        *integers("TINYINT", 8), *integers("SMALLINT", 16), *integers("MEDIUMINT", 24),
        *integers("INT", 32), *integers("BIGINT", 64),
        Column("FLOAT", st.floats(width=32, allow_nan=False, allow_infinity=False)),
        Column("DOUBLE", st.floats(allow_nan=False, allow_infinity=False)),
        Column("DATE", st.dates().map(str) | st.just("0000-00-00")),
        Column("YEAR", st.integers(1901, 2155) | st.just(0)),
        Column("UUID", st.uuids().map(str) | st.binary(min_size=16, max_size=16).map(
            lambda data: str(uuid.UUID(bytes=data))
        )),
        Column("INET4", st.ip_addresses(v=4).map(str)),
        Column("INET6", st.ip_addresses(v=6).map(lambda a: a.exploded)),
        Column("POINT", points()),
    ]),
    st.integers(1, 64).map(lambda n: Column(f"BIT({n})", st.integers(0, 2**n - 1))),
    decimals(), texts(), binaries(), labelled(), times(),
)  # fmt: skip
Table = tuple[list[tuple[Column, bool]], list[list[Any]]]


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Columns, each nullable or not, and rows."""
    chosen = draw(st.lists(st.tuples(columns, st.booleans()), min_size=1, max_size=6))
    row = st.tuples(*[c.cells | st.none() if nullable else c.cells for c, nullable in chosen])
    return chosen, [list(r) for r in draw(st.lists(row, min_size=1, max_size=6))]


@pytest.fixture(scope="module", params=["FULL", "NO_LOG"])
def place(request: pytest.FixtureRequest) -> Iterator[tuple[PrivateMariaDB, str]]:
    server = request.getfixturevalue("mariadb" if request.param == "FULL" else "no_log")
    create_station(server, "random")
    yield server, "random"
    server.execute("DROP DATABASE random")


# The same tables in every run; for others: derandomize=False and more examples.
@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(tables())
def test_the_log_and_the_table_give_the_same(
    place: tuple[PrivateMariaDB, str], table: Table
) -> None:
    server, name = place
    chosen, rows = table
    session = "SET time_zone = '+00:00', sql_mode = 'ALLOW_INVALID_DATES'"
    connection = server.connect(name, init_command=session)
    with connection.cursor() as cursor:
        redefine(cursor, chosen)
        start = at(server, name)
        fill(cursor, rows)
    connection.close()
    events = captured(server, name, start)
    logged: list[Row] = [row for e in events if isinstance(e, Change) for row in e.rows]
    with SnapshotReader(endpoint(server, name)) as reader:
        read = reader.read("RoomType", None, 1_000).change
    assert read is not None
    assert repr(logged) == repr(list(read.rows))


def redefine(cursor: pymysql.cursors.Cursor, chosen: list[tuple[Column, bool]]) -> None:
    """RoomType with these columns and without rows; a copy, or dropped columns still have size."""
    cursor.execute("DELETE FROM RoomType")
    cursor.execute("SHOW COLUMNS FROM RoomType LIKE 'x%'")
    parts = [f"DROP COLUMN {row[0]}" for row in cursor.fetchall()]
    parts += [
        f"ADD x{i} {column.kind} {'NULL' if nullable else 'NOT NULL'}"
        for i, (column, nullable) in enumerate(chosen)
    ]
    cursor.execute(f"ALTER TABLE RoomType {', '.join(parts)}, ALGORITHM = COPY")


def fill(cursor: pymysql.cursors.Cursor, rows: list[list[Any]]) -> None:
    """A list is the coordinates of a point."""
    for number, row in enumerate(rows):
        names = ", ".join(f"x{i}" for i in range(len(row)))
        holes = ", ".join("POINT(%s, %s)" if isinstance(cell, list) else "%s" for cell in row)
        cells = [part for cell in row for part in (cell if isinstance(cell, list) else [cell])]
        sql = f"INSERT INTO RoomType (id, {names}) VALUES ({number + 1}, {holes})"
        cursor.execute(sql, cells)
