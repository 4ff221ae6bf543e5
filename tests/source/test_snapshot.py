"""SnapshotReader: every row once whatever the chunk, in the values that the log has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.mariadbd import PrivateMariaDB
from replicator.change import Change, Op, Row, Value
from replicator.errors import Unsupported
from replicator.source.snapshot import SnapshotReader
from tests.conftest import create_station
from tests.source.capture import at, captured, endpoint, refused


def read_all(reader: SnapshotReader, table: str, limit: int) -> list[Row]:
    """The table by chunks of at most ``limit`` rows."""
    found: list[Row] = []
    after: tuple[Value, ...] | None = None
    while True:
        chunk = reader.read(table, after, limit)
        if chunk.change is not None:
            assert chunk.change.op is Op.SNAPSHOT
            assert len(chunk.change.rows) <= limit
            found += chunk.change.rows
        if chunk.done:
            return found
        after = chunk.last_key


@pytest.fixture(scope="module")
def filled(mariadb: PrivateMariaDB) -> Iterator[SnapshotReader]:
    """Readings with many equal first key columns, a zero date, and gaps between ids."""
    create_station(mariadb, "filled")
    mariadb.execute(
        "SET sql_mode = '', foreign_key_checks = 0",
        "INSERT INTO Reading SELECT FROM_UNIXTIME(1700000000 + seq DIV 12 * 300), "
        "seq DIV 3 MOD 4, seq MOD 3, NULL, seq / 7 FROM seq_0_to_59",
        "INSERT INTO Reading VALUES ('0000-00-00', 1, 0, NULL, 1), ('0000-00-00', 1, 1, NULL, 2)",
        "INSERT INTO RoomType SELECT seq * 3, seq FROM seq_1_to_23",
        database="filled",
    )
    with SnapshotReader(endpoint(mariadb, "filled")) as reader:
        yield reader
    mariadb.execute("DROP DATABASE filled")


@settings(max_examples=60, deadline=None)
@given(limit=st.integers(1, 70), table=st.sampled_from(["Reading", "RoomType"]))
def test_chunks_of_any_size_cover_the_table_once(
    filled: SnapshotReader, limit: int, table: str
) -> None:
    rows = read_all(filled, table, limit)
    assert rows == read_all(filled, table, 1_000)
    width = 3 if table == "Reading" else 1
    keys = [row[:width] for row in rows]
    assert len(set(keys)) == len(keys) == (62 if table == "Reading" else 23)
    assert keys == sorted(keys)


def test_an_empty_table_is_done_at_once(mariadb: PrivateMariaDB, station: str) -> None:
    with SnapshotReader(endpoint(mariadb, station)) as reader:
        chunk = reader.read("Reading", None, 10)
    assert (chunk.change, chunk.last_key, chunk.done) == (None, None, True)


def test_a_full_last_chunk_is_followed_by_an_empty_one(
    mariadb: PrivateMariaDB, station: str
) -> None:
    mariadb.execute("INSERT INTO RoomType VALUES (1, 'a'), (2, 'b')", database=station)
    with SnapshotReader(endpoint(mariadb, station)) as reader:
        chunk = reader.read("RoomType", None, 2)
        assert not chunk.done
        assert chunk.last_key == (2,)
        last = reader.read("RoomType", chunk.last_key, 2)
    assert (last.change, last.last_key, last.done) == (None, (2,), True)


def test_a_long_composite_key(mariadb: PrivateMariaDB, station: str) -> None:
    mariadb.execute(
        "ALTER TABLE NodeState MODIFY id INT, DROP PRIMARY KEY",
        "UPDATE NodeState SET nodeId = 1, seq_num = 1, parent = 1",
        "ALTER TABLE NodeState DROP FOREIGN KEY NodeState_ibfk_1, "
        "ADD PRIMARY KEY (time, nodeId, seq_num, parent)",
        "INSERT INTO NodeState (id, time, nodeId, seq_num, parent) "
        "SELECT seq, '2026-01-01' + INTERVAL seq DIV 8 DAY, seq DIV 4 MOD 2, seq DIV 2 MOD 2, "
        "seq MOD 2 FROM seq_0_to_31",
        database=station,
    )
    with SnapshotReader(endpoint(mariadb, station)) as reader:
        for limit in (1, 3, 5, 31, 32, 33):
            ids = [row[0] for row in read_all(reader, "NodeState", limit)]
            assert ids == list(range(32))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("TIMESTAMP NOT NULL", ["'2026-01-01'", "'2026-01-02'", "'2026-01-03'"]),
        ("TIMESTAMP(3) NOT NULL", ["'2026-01-01 00:00:00.001'", "'2026-01-01 00:00:00.002'"]),
        ("DATETIME(6) NOT NULL", ["'0000-00-00'", "'2026-01-01 00:00:00.000001'"]),
        ("DATE NOT NULL", ["'0000-00-00'", "'2026-01-01'"]),
        ("VARCHAR(20) CHARACTER SET latin1", ["'a'", "'b%'", "'é'", "'z'"]),
        ("VARCHAR(20) CHARACTER SET utf8mb4", ["''", "'a'", "'B'", "'c''d'", "'😀'"]),
        ("DECIMAL(20,10)", ["-1.5", "0", "1.0000000001", "1.0000000002"]),
        ("BIGINT UNSIGNED", ["1", "18446744073709551614", "18446744073709551615"]),
        ("BIGINT", ["-9223372036854775808", "-9223372036854775807", "9223372036854775807"]),
        (
            "DECIMAL(65,30)",
            [
                "-12345678901234567890.000000000000000000000000000002",
                "-12345678901234567890.000000000000000000000000000001",
                "12345678901234567890.000000000000000000000000000001",
                "12345678901234567890.000000000000000000000000000002",
            ],
        ),
        ("DECIMAL(30,0)", ["123456789012345678901234567890", "123456789012345678901234567891"]),
        (
            "TIME",
            ["'-838:59:59'", "'-00:00:01'", "'00:00:00'", "'00:00:01'", "'100:00:00'"],
        ),
        (
            "TIME(6)",
            [
                "'-838:59:59.999999'", "'-838:59:59.999998'", "'-00:00:00.000001'", "'00:00:00'",
                "'00:00:00.000001'", "'838:59:59.999998'", "'838:59:59.999999'",
            ],
        ),
        ("YEAR", ["0", "1901", "2155"]),
        ("BIT(64)", ["0", "1", "9223372036854775808", "18446744073709551615"]),
        (
            "DATETIME(6)",
            [
                "'0000-00-00'", "'2026-00-00 00:00:00.5'", "'2026-01-01 00:00:00.000001'",
                "'2026-01-01 00:00:00.000002'", "'9999-12-31 23:59:59.999999'",
            ],
        ),
        (
            "TIMESTAMP(6) NOT NULL",
            [
                "'1970-01-01 00:00:01'", "'2026-01-01 00:00:00.000001'",
                "'2026-01-01 00:00:00.000002'", "'2038-01-19 03:14:07.999999'",
            ],
        ),
        (
            "UUID",
            [
                "'00000000-0000-0000-0000-000000000000'", "'00000000-0000-0000-0000-000000000001'",
                "'123e4567-e89b-12d3-a456-426655440000'", "'123e4567-e89b-12d3-a456-426655440001'",
                "'223e4567-e89b-12d3-a456-426655440000'", "'f47ac10b-58cc-4372-a567-0e02b2c3d479'",
            ],
        ),
        ("INET6", ["'::'", "'::1'", "'::1:0'", "'::ffff:1.2.3.4'", "'2001:db8::'", "'ffff::'"]),
        ("INET4", ["'0.0.0.0'", "'9.255.0.0'", "'10.0.0.0'", "'192.0.2.1'", "'255.255.255.255'"]),
        ("CHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", ["''", "'A'", "'a'", "'é'", "'😀'"]),
        ("VARCHAR(9) CHARACTER SET utf16 COLLATE utf16_bin", ["''", "'a'", "'Ж'", "'😀'"]),
        ("VARCHAR(9) CHARACTER SET cp1251 COLLATE cp1251_bin", ["'a'", "'\\\\'", "'Ж'", "'я'"]),
        ("VARCHAR(9) CHARACTER SET gbk COLLATE gbk_bin", ["'a'", "'简'", "'繁'", "'體'"]),
        ("VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin", ["''", "' '", "'  '"]),
    ],
)  # fmt: skip
def test_keys_of_other_types(
    mariadb: PrivateMariaDB, station: str, kind: str, values: list[str]
) -> None:
    """Values that differ in their last digit, with chunks of one row and of two."""
    key_by(mariadb, station, kind, values)
    with SnapshotReader(endpoint(mariadb, station)) as reader:
        rows = read_all(reader, "NodeState", 1)
        assert len(rows) == len(values)
        assert {row[0] for row in rows} == set(range(len(values)))
        assert read_all(reader, "NodeState", 2) == rows
        assert read_all(reader, "NodeState", 1_000) == rows


@pytest.mark.parametrize(
    "kind",
    [
        "FLOAT",
        "DOUBLE",
        "BINARY(4)",
        "VARBINARY(9)",
        "ENUM('1','2')",
        "VARCHAR(9) CHARACTER SET cp932",  # ≒ has two codes
    ],
)
def test_keys_that_cannot_be_compared_exactly(
    mariadb: PrivateMariaDB, station: str, kind: str
) -> None:
    key_by(mariadb, station, kind, ["1"])
    with SnapshotReader(endpoint(mariadb, station)) as reader, refused(Unsupported, "NodeState.k"):
        reader.read("NodeState", None, 1)


def key_by(server: PrivateMariaDB, name: str, kind: str, values: list[str]) -> None:
    """NodeState's primary key becomes a column ``k`` of this type."""
    server.execute(
        "SET sql_mode = '', time_zone = '+00:00'",
        f"ALTER TABLE NodeState MODIFY id INT, DROP PRIMARY KEY, ADD k {kind}, ADD PRIMARY KEY (k)",
        *[f"INSERT INTO NodeState (id, k) VALUES ({i}, {v})" for i, v in enumerate(values)],
        database=name,
    )


def test_the_same_rows_as_from_the_log(mariadb: PrivateMariaDB, station: str) -> None:
    start = at(mariadb, station)
    mariadb.execute(
        "SET sql_mode = '', foreign_key_checks = 0",
        "INSERT INTO Deployment VALUES (1, 'é€😀', '', '0000-00-00', NULL), (2, NULL, NULL, "
        "'2026-01-02 03:04:05', '9999-12-31 23:59:59')",
        "INSERT INTO House (id) VALUES (3)",
        "INSERT INTO NodeType VALUES (6, 'n', '2026-00-00', 1, -2, 3, -128, NULL)",
        "INSERT INTO SensorType VALUES (0, 'T', 'a\\\\b''c', '%', 1.1, -2e-9, 67669.95, NULL)",
        "INSERT INTO Reading SELECT '2026-01-01' + INTERVAL seq MINUTE, seq, 0, "
        "IF(seq MOD 2, seq, NULL), RAND(seq) * POW(10, seq MOD 30) FROM seq_0_to_199",
        "INSERT INTO NodeState VALUES (1, NULL, NULL, NULL, -9223372036854775808, NULL, 1e-45)",
        database=station,
    )
    logged = [e for e in captured(mariadb, station, start) if isinstance(e, Change)]
    with SnapshotReader(endpoint(mariadb, station)) as reader:
        for table in {change.table for change in logged}:
            change = reader.read(table, None, 1_000).change
            assert change is not None
            of_table = [c for c in logged if c.table == table]
            assert change.columns == of_table[0].columns
            assert list(change.rows) == [row for c in of_table for row in c.rows]


def test_padding_of_the_servers_sql_mode_changes_nothing(
    spare: PrivateMariaDB, spare_station: str
) -> None:
    spare.execute(
        "ALTER TABLE RoomType ADD x CHAR(10)",
        "INSERT INTO RoomType VALUES (1, 'a', 'b')",
        "SET GLOBAL sql_mode = 'PAD_CHAR_TO_FULL_LENGTH,ANSI'",
        database=spare_station,
    )
    try:
        with SnapshotReader(endpoint(spare, spare_station)) as reader:
            change = reader.read("RoomType", None, 9).change
    finally:
        spare.execute("SET GLOBAL sql_mode = DEFAULT")
    assert change is not None
    assert change.rows == [(1, "a", "b")]
