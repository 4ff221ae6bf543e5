"""The golden table docs/values.md, line by line, against real servers; every way gives the same."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.row_event import WriteRowsEvent

from demo.mariadbd import PrivateMariaDB
from replicator.change import Change, Position, Value
from replicator.errors import Unsupported
from replicator.source.snapshot import SnapshotReader
from replicator.source.values import shortest_float32
from tests.conftest import create_station
from tests.source.capture import at, captured, endpoint, library_connect, refused, refuses

DOCUMENT = Path(__file__).parents[2] / "docs" / "values.md"
SESSION = "SET time_zone = '+00:00', sql_mode = 'ALLOW_INVALID_DATES'"


def lines(heading: str) -> list[list[str]]:
    """The rows of the table under a heading."""
    section = DOCUMENT.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


DECODED = [(kind, sql, json.loads(told.strip("`"))) for kind, sql, told in lines("Decoded")]
REFUSED = [(kind, sql) for kind, sql in lines("Not decoded")]
# mysql-replication 1.0.17 gives None, 1970, an error or fewer bytes for these.
LIBRARY_ERRS = {
    ("INET6", "'::'"), ("INET4", "'192.0.2.0'"),
    ("DATE", "'0000-00-00'"), ("DATE", "'2026-00-00'"), ("DATETIME", "'0000-00-00'"),
    ("TIMESTAMP NULL", "'0000-00-00'"), ("YEAR", "0"), ("BINARY(5)", "X'6100620000'"),
    ("BINARY(5)", "''"), ("VARCHAR(20) CHARACTER SET latin1", "X'818D8F909D'"),
}  # fmt: skip
# Nor does it give these in a form to compare, or with the right characters, or at all.
LIBRARY_DIFFERS = re.compile(
    r"BIT|TIME( |$|\(\d)|SET\(|POINT|GEOMETRY|UUID|INET|(DATETIME|TIMESTAMP)\([145]\)|"
    r".*CHARACTER SET (macce|keybcs2|swe7|hp8|dec8|armscii8|geostd8|euckr|eucjpms|"
    r"ucs2|utf16|utf16le|utf32)"
)


class Zoo:
    """A RoomType with a column for every line of the table; one row a line, and how it was read."""

    def __init__(self, server: PrivateMariaDB, name: str, leave_out: str = "-") -> None:
        create_station(server, name)
        self.server, self.name = server, name
        lines = [(i, *line) for i, line in enumerate(DECODED) if leave_out not in line[0]]
        columns = ", ".join(f"ADD x{i} {kind}" for i, kind, _, _ in lines)
        server.execute(f"ALTER TABLE RoomType {columns}", database=name)
        self.start = at(server, name)
        connection = server.connect(name, init_command=SESSION)
        with connection.cursor() as cursor:
            for i, _, sql, _ in lines:
                cursor.execute(f"INSERT INTO RoomType (id, x{i}) VALUES ({i + 1}, {sql})")
        connection.close()
        self.end = at(server, name)

    def from_log(self) -> list[list[Value]]:
        events = captured(self.server, self.name, self.start, self.end)
        return [list(r[2:]) for e in events if isinstance(e, Change) for r in e.rows]

    def from_table(self) -> list[list[Value]]:
        with SnapshotReader(endpoint(self.server, self.name)) as reader:
            change = reader.read("RoomType", None, 1_000).change
        assert change is not None
        return [list(row[2:]) for row in change.rows]

    def by_the_library(self) -> dict[str, Any]:
        """Cells by name of their column; each is in one row, that of its line."""
        rows = library_rows(self.server, self.start, self.end)
        return {name: cell for row in rows for name, cell in row.items() if cell is not None}


def library_rows(
    server: PrivateMariaDB, start: Position, end: Position
) -> Iterator[dict[str, Any]]:
    reader = BinLogStreamReader(
        connection_settings=endpoint(server, "").settings(),
        server_id=3999,
        log_file=start.file,
        log_pos=start.offset,
        resume_stream=True,
        blocking=False,
        only_events=[WriteRowsEvent],
        enable_logging=False,
        pymysql_wrapper=library_connect,
    )
    for event in reader:
        if event.packet.log_pos > end.offset:
            break
        try:
            yield event.rows[0]["values"]
        except UnicodeDecodeError:
            yield {}
    reader.close()


@pytest.fixture(scope="module")
def zoo(mariadb: PrivateMariaDB) -> Iterator[Zoo]:
    yield Zoo(mariadb, "zoo")
    mariadb.execute("DROP DATABASE zoo")


@pytest.fixture(scope="module")
def nameless_zoo(no_log: PrivateMariaDB) -> Iterator[Zoo]:
    yield Zoo(no_log, "zoo")
    no_log.execute("DROP DATABASE zoo")


@pytest.fixture(scope="module")
def from_named_log(zoo: Zoo) -> list[list[Value]]:
    return zoo.from_log()


@pytest.fixture(scope="module")
def from_nameless_log(nameless_zoo: Zoo) -> list[list[Value]]:
    return nameless_zoo.from_log()


@pytest.fixture(scope="module")
def from_table(zoo: Zoo) -> list[list[Value]]:
    return zoo.from_table()


@pytest.fixture(scope="module")
def by_the_library(mariadb: PrivateMariaDB) -> Iterator[dict[str, Any]]:
    """Of a table without what the library cannot even read a table map with."""
    yield Zoo(mariadb, "library", leave_out="COMPRESSED").by_the_library()
    mariadb.execute("DROP DATABASE library")


each_line = pytest.mark.parametrize(
    "number", range(len(DECODED)), ids=[f"{kind} {sql}" for kind, sql, _ in DECODED]
)


def check(rows: list[list[Value]], number: int) -> None:
    expected = DECODED[number][2]
    got = rows[number][number]
    assert json.loads(json.dumps(got)) == expected
    assert type(got) is type(expected)


@each_line
def test_from_a_log_that_names_its_columns(from_named_log: list[list[Value]], number: int) -> None:
    check(from_named_log, number)


@each_line
def test_from_a_log_that_does_not(from_nameless_log: list[list[Value]], number: int) -> None:
    check(from_nameless_log, number)


@each_line
def test_from_the_table(from_table: list[list[Value]], number: int) -> None:
    check(from_table, number)


@each_line
def test_as_the_library_decodes(by_the_library: dict[str, Any], number: int) -> None:
    kind, sql, expected = DECODED[number]
    if (
        (kind, sql) not in LIBRARY_ERRS
        and not LIBRARY_DIFFERS.match(kind)
        and "COMPRESSED" not in kind
    ):
        assert canonical(kind, by_the_library.get(f"x{number}")) == expected


def canonical(kind: str, value: Any) -> Value:
    """The library's value in our form."""
    forms: dict[type[Any], Callable[[Any], Value]] = {
        float: lambda v: shortest_float32(v) if kind.startswith("FLOAT") else v,
        decimal.Decimal: lambda v: f"{v:f}",
        dt.datetime: lambda v: _time_text(kind, v),
        dt.date: lambda v: str(v.isoformat()),
        bytes: lambda v: (
            base64.b64encode(v).decode() if "BINARY" in kind or "BLOB" in kind else v.decode()
        ),
    }
    form = forms.get(type(value))
    told: Value = form(value) if form else value
    return told


def _time_text(kind: str, value: dt.datetime) -> str:
    digits = int(kind[kind.index("(") + 1]) if "(" in kind else 0
    text = value.strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{value.microsecond:06d}"[: digits + 1] if digits else ""
    return text + fraction + ("Z" if kind.startswith("TIMESTAMP") else "")


def test_null_in_every_position(zoo: Zoo, from_named_log: list[list[Value]]) -> None:
    """Each row of the zoo has NULL everywhere but in its own column and the computed ones."""
    computed = {i for i, (kind, _, _) in enumerate(DECODED) if " AS " in kind}
    for number, row in enumerate(from_named_log):
        filled = {i for i, cell in enumerate(row) if cell is not None}
        assert filled == {number} | computed


def test_null_patterns_of_a_fixed_row(mariadb: PrivateMariaDB, station: str) -> None:
    """Rows with only fixed-size columns take the fast path: every pattern of NULL through it."""
    columns = ("time", "nodeId", "parent", "localtime", "seq_num", "rssi")
    full = ("2026-01-02T03:04:05", 7, 1, 1234567890123, 3, -80.5)
    rows = [
        tuple(cell if pattern >> i & 1 else None for i, cell in enumerate(full))
        for pattern in range(64)
    ]
    start = at(mariadb, station)
    connection = mariadb.connect(station)
    with connection.cursor() as cursor:
        cursor.execute("SET foreign_key_checks = 0")
        names = ", ".join(f"`{name}`" for name in columns)
        cursor.executemany(f"INSERT INTO NodeState ({names}) VALUES (%s,%s,%s,%s,%s,%s)", rows)
    connection.close()
    events = captured(mariadb, station, start)
    assert [row[1:] for e in events if isinstance(e, Change) for row in e.rows] == rows


@pytest.mark.parametrize(("kind", "sql"), REFUSED)
def test_a_type_that_is_not_decoded_stops_before_its_rows(
    mariadb: PrivateMariaDB, station: str, kind: str, sql: str
) -> None:
    start = at(mariadb, station)
    put(mariadb, station, "RoomType", kind, sql)
    events = refuses(mariadb, station, start, Unsupported, "RoomType.x")
    assert [e for e in events if isinstance(e, Change)] == []
    with SnapshotReader(endpoint(mariadb, station)) as reader, refused(Unsupported, "RoomType.x"):
        reader.read("RoomType", None, 10)


@pytest.mark.parametrize(("kind", "sql"), REFUSED)
def test_nor_without_row_metadata(
    no_log: PrivateMariaDB, no_log_station: str, kind: str, sql: str
) -> None:
    no_log.execute(f"ALTER TABLE RoomType ADD x {kind}", database=no_log_station)
    start = at(no_log, no_log_station)
    no_log.execute(f"INSERT INTO RoomType (x) VALUES ({sql})", database=no_log_station)
    refuses(no_log, no_log_station, start, Unsupported, "not decoded yet")


def test_types_that_are_not_decoded_do_no_harm_elsewhere(
    mariadb: PrivateMariaDB, station: str
) -> None:
    start = at(mariadb, station)
    mariadb.execute("CREATE TABLE mine (id INT PRIMARY KEY)", database=station)
    for number, (kind, sql) in enumerate(REFUSED):
        mariadb.execute(
            f"ALTER TABLE mine ADD x{number} {kind}",
            f"INSERT INTO mine (id, x{number}) VALUES ({number}, {sql})",
            database=station,
        )
    mariadb.execute("INSERT INTO RoomType VALUES (1, 'a')", database=station)
    events = captured(mariadb, station, start)
    assert [e.rows for e in events if isinstance(e, Change)] == [[(1, "a")]]


def put(server: PrivateMariaDB, name: str, table: str, kind: str, sql: str) -> None:
    server.execute(
        f"ALTER TABLE {table} ADD x {kind}",
        f"INSERT INTO {table} (x) VALUES ({sql})",
        database=name,
    )


def test_old_times_with_a_fraction_are_refused(spare: PrivateMariaDB, spare_station: str) -> None:
    """Before MariaDB 10.1's format nothing in the log tells the fraction of a DATETIME(3)."""
    spare.execute(
        "SET GLOBAL mysql56_temporal_format = OFF",
        "ALTER TABLE RoomType ADD x DATETIME(3)",
        "SET GLOBAL mysql56_temporal_format = ON",
        database=spare_station,
    )
    start = at(spare, spare_station)
    spare.execute("INSERT INTO RoomType (x) VALUES (NOW(3))", database=spare_station)
    refuses(spare, spare_station, start, Unsupported, "RoomType.x")


def test_old_times_without_a_fraction(spare: PrivateMariaDB, spare_station: str) -> None:
    spare.execute(
        "SET GLOBAL mysql56_temporal_format = OFF",
        "ALTER TABLE RoomType ADD x DATETIME, ADD y TIMESTAMP NULL",
        "SET GLOBAL mysql56_temporal_format = ON",
        database=spare_station,
    )
    start = at(spare, spare_station)
    spare.execute(
        "SET time_zone = '+00:00'",
        "INSERT INTO RoomType VALUES (1, 'a', '2026-02-03 04:05:06', '2026-02-03 04:05:06')",
        database=spare_station,
    )
    events = captured(spare, spare_station, start)
    assert [e.rows for e in events if isinstance(e, Change)] == [
        [(1, "a", "2026-02-03T04:05:06", "2026-02-03T04:05:06Z")]
    ]
