"""What stops capture, each with what happened, to what, and what to do; nothing is skipped."""

from __future__ import annotations

import pytest

from demo.mariadbd import PrivateMariaDB
from replicator.errors import Unsupported
from tests.conftest import create_station
from tests.source.capture import (
    at,
    binlog,
    captured,
    changes,
    read_on,
    refused,
    refuses,
    stream,
)

FIRST = "INSERT INTO RoomType VALUES (1, 'a')"
LAST = "INSERT INTO RoomType VALUES (9, 'z')"


def stops(server: PrivateMariaDB, name: str, words: str, *statements: str) -> None:
    """A good transaction, then statements that stop capture, then another good one."""
    start = at(server, name)
    server.execute(FIRST, *statements, database=name)
    events = refuses(server, name, start, Unsupported, words)
    assert changes(events)[:1] == [("RoomType", "insert", [(1, "a")])]


@pytest.mark.parametrize("image", ["MINIMAL", "NOBLOB"])
def test_a_session_that_logs_parts_of_rows(
    mariadb: PrivateMariaDB, station: str, image: str
) -> None:
    mariadb.execute("ALTER TABLE RoomType ADD remark TEXT", database=station)
    start = at(mariadb, station)
    mariadb.execute(
        f"SET SESSION binlog_row_image = '{image}'",
        "INSERT INTO RoomType (id, name) VALUES (1, 'a')",
        "UPDATE RoomType SET name = 'b'",
        database=station,
    )
    refuses(mariadb, station, start, Unsupported, "binlog_row_image")


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO RoomType VALUES (2, 'b')",
        "UPDATE RoomType SET name = 'b'",
        "DELETE FROM RoomType",
        "REPLACE INTO RoomType VALUES (1, 'b')",
    ],
)
def test_rows_as_text(mariadb: PrivateMariaDB, station: str, statement: str) -> None:
    stops(mariadb, station, statement, "SET SESSION binlog_format = 'STATEMENT'", statement, LAST)


def test_rows_as_text_from_a_file(mariadb: PrivateMariaDB, station: str) -> None:
    start = at(mariadb, station)
    connection = mariadb.connect(station, local_infile=True)
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION binlog_format = 'STATEMENT'")
        cursor.execute("CREATE TABLE mine (line TEXT)")
        cursor.execute(f"LOAD DATA LOCAL INFILE '{__file__}' INTO TABLE mine")
        cursor.execute(f"LOAD DATA LOCAL INFILE '{__file__}' IGNORE INTO TABLE RoomType (name)")
    connection.close()
    refuses(mariadb, station, start, Unsupported, "RoomType")


def test_rows_changed_by_a_function(mariadb: PrivateMariaDB, station: str) -> None:
    stops(
        mariadb,
        station,
        "record",
        "SET GLOBAL log_bin_trust_function_creators = 1",
        "CREATE FUNCTION record() RETURNS INT "
        "BEGIN INSERT INTO RoomType VALUES (2, 'b'); RETURN 1; END",
        "SET SESSION binlog_format = 'STATEMENT'",
        "DO record()",
        LAST,
    )


def test_text_that_is_not_utf8_does_no_harm(mariadb: PrivateMariaDB, station: str) -> None:
    start = at(mariadb, station)
    connection = mariadb.connect(station, charset="latin1")
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE mine (id INT COMMENT 'é')")
    connection.close()
    mariadb.execute(FIRST, database=station)
    assert changes(captured(mariadb, station, start)) == [("RoomType", "insert", [(1, "a")])]


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE NodeState",
        "DROP TABLE NodeState",
        "RENAME TABLE NodeState TO gone",
        "CREATE OR REPLACE TABLE NodeState (id INT PRIMARY KEY)",
    ],
)
def test_rows_that_go_without_a_trace(
    mariadb: PrivateMariaDB, station: str, statement: str
) -> None:
    with stream(mariadb, station, at(mariadb, station)) as reader:
        reader.poll(0.1)
        mariadb.execute(statement, LAST, database=station)
        with refused(Unsupported, "NodeState"):
            read_on(reader, [])


def test_a_database_that_goes(mariadb: PrivateMariaDB, station: str) -> None:
    with stream(mariadb, station, at(mariadb, station)) as reader:
        reader.poll(0.1)
        mariadb.execute(f"DROP DATABASE {station}", f"CREATE DATABASE {station}")
        with refused(Unsupported, f"DROP DATABASE {station}"):
            read_on(reader, [])


@pytest.mark.parametrize("end", ["XA COMMIT 'x'", "XA ROLLBACK 'x'"])
def test_a_prepared_transaction(mariadb: PrivateMariaDB, station: str, end: str) -> None:
    change = "INSERT INTO RoomType VALUES (2, 'b')"
    stops(mariadb, station, "xa", "XA START 'x'", change, "XA END 'x'", "XA PREPARE 'x'", end, LAST)


def test_a_transaction_prepared_before_the_position(mariadb: PrivateMariaDB, station: str) -> None:
    """Its rows are not behind the position: passing over its end would lose them."""
    connection = mariadb.connect(station)
    with connection.cursor() as cursor:
        for statement in ("XA START 'y'", FIRST, "XA END 'y'", "XA PREPARE 'y'"):
            cursor.execute(statement)
        start = at(mariadb, station)
        cursor.execute("XA COMMIT 'y'")
    connection.close()
    refuses(mariadb, station, start, Unsupported, "prepared before")


def test_a_transaction_rolled_back_that_was_prepared_before_does_no_harm(
    mariadb: PrivateMariaDB, station: str
) -> None:
    connection = mariadb.connect(station)
    with connection.cursor() as cursor:
        for statement in ("XA START 'z'", LAST, "XA END 'z'", "XA PREPARE 'z'"):
            cursor.execute(statement)
        start = at(mariadb, station)
        cursor.execute("XA ROLLBACK 'z'")
        cursor.execute(FIRST)
    connection.close()
    assert changes(captured(mariadb, station, start)) == [("RoomType", "insert", [(1, "a")])]


def test_an_xa_transaction_of_others_does_no_harm(mariadb: PrivateMariaDB, station: str) -> None:
    start = at(mariadb, station)
    mariadb.execute(
        "CREATE TABLE mine (id INT)",
        "XA START 'x'",
        "INSERT INTO mine VALUES (1)",
        "XA END 'x'",
        "XA PREPARE 'x'",
        "XA COMMIT 'x'",
        FIRST,
        database=station,
    )
    assert changes(captured(mariadb, station, start)) == [("RoomType", "insert", [(1, "a")])]


def test_an_xa_transaction_in_one_phase_is_an_ordinary_one(
    mariadb: PrivateMariaDB, station: str
) -> None:
    start = at(mariadb, station)
    mariadb.execute(
        "XA START 'x'", FIRST, "XA END 'x'", "XA COMMIT 'x' ONE PHASE", database=station
    )
    assert changes(captured(mariadb, station, start)) == [("RoomType", "insert", [(1, "a")])]


def test_rolling_back_to_a_savepoint_over_both_engines(
    mariadb: PrivateMariaDB, station: str
) -> None:
    mariadb.execute(
        "ALTER TABLE NodeState DROP FOREIGN KEY NodeState_ibfk_1",
        "ALTER TABLE NodeState ENGINE = MyISAM",
        database=station,
    )
    stops(
        mariadb,
        station,
        "savepoint",
        "BEGIN",
        "INSERT INTO RoomType VALUES (2, 'b')",
        "SAVEPOINT here",
        "INSERT INTO RoomType VALUES (3, 'c')",
        "INSERT INTO NodeState (id) VALUES (1)",
        "ROLLBACK TO here",
        "COMMIT",
    )


def test_compressed_rows_of_others_do_no_harm(spare: PrivateMariaDB, spare_station: str) -> None:
    spare.execute("CREATE TABLE mine (id INT, name TEXT)", database=spare_station)
    start = at(spare, spare_station)
    spare.execute("SET GLOBAL log_bin_compress = ON", "SET GLOBAL log_bin_compress_min_len = 10")
    try:
        spare.execute(
            "INSERT INTO mine SELECT seq, 'aaaaaaaaaaaaaaaaaaaa' FROM seq_1_to_100",
            database=spare_station,
        )
    finally:
        spare.execute("SET GLOBAL log_bin_compress = OFF")
    spare.execute(FIRST, database=spare_station)
    assert changes(captured(spare, spare_station, start)) == [("RoomType", "insert", [(1, "a")])]


@pytest.mark.parametrize("what", [b"damage me", b"COMMENT 'here'"])
def test_a_damaged_event(private_server: PrivateMariaDB, what: bytes) -> None:
    server = private_server
    start = at(server, "ch")
    server.execute(
        FIRST,
        "INSERT INTO RoomType VALUES (2, 'damage me')",
        "CREATE TABLE mine (id INT COMMENT 'here')",
        database="ch",
    )
    server.stop()
    file = binlog(server, start)
    content = file.read_bytes()
    assert content.count(what) >= 1
    place = content.rindex(what) + 3
    file.write_bytes(content[:place] + b"X" + content[place + 1 :])
    server.start()
    events = refuses(server, "ch", start, Unsupported, "checksum")
    assert changes(events)[:1] == [("RoomType", "insert", [(1, "a")])]


@pytest.fixture
def private_server(private_mariadb: object) -> PrivateMariaDB:
    assert callable(private_mariadb)
    server = private_mariadb()
    assert isinstance(server, PrivateMariaDB)
    create_station(server, "ch")
    return server
