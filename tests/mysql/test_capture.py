"""Capture from a real MySQL 5.6: rows, GTIDs, files, checksums, restarts, purged and reset logs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from replicator.change import Commit, Event, Position
from replicator.errors import PositionLost, SourceMisconfigured, SourceUnavailable, Unsupported
from replicator.source.binlog import BinlogStream
from replicator.source.gtids import MySQLGtids
from replicator.source.inspect import inspect
from replicator.source.place import Mode
from tests.conftest import create_station
from tests.mysql.server import PrivateMySQL
from tests.source.capture import (
    at,
    captured,
    changes,
    endpoint,
    read_on,
    read_to,
    refused,
    refuses,
    stream,
    transactions,
)

Make = Callable[..., PrivateMySQL]
World = tuple[PrivateMySQL, str]
_NUMBERS = itertools.count(1)
both_modes = pytest.mark.parametrize("mode", ["file", "gtid"])


@pytest.fixture
def station(with_gtids: PrivateMySQL) -> Iterator[str]:
    """A fresh station on the server with GTIDs."""
    name = f"ch{next(_NUMBERS)}"
    create_station(with_gtids, name)
    yield name
    with_gtids.execute(f"DROP DATABASE {name}")


@pytest.fixture(params=["gtids, CRC32", "no gtids, NONE"])
def anywhere(request: pytest.FixtureRequest) -> Iterator[World]:
    """A fresh station on either server."""
    fixture = "without_gtids" if request.param.startswith("no") else "with_gtids"
    server: PrivateMySQL = request.getfixturevalue(fixture)
    name = f"ch{next(_NUMBERS)}"
    create_station(server, name)
    yield server, name
    server.execute(f"DROP DATABASE {name}")


RENAME = "UPDATE RoomType SET name = 'b'"


def insert(number: int) -> str:
    return f"INSERT INTO RoomType VALUES ({number}, 'a')"


def positions(events: list[Event]) -> list[Position]:
    return [event.position for event in events if isinstance(event, Commit)]


SCRIPT = (
    "BEGIN",
    "INSERT INTO RoomType VALUES (1, 'é'), (2, NULL)",
    "INSERT INTO Room VALUES (1, 1, 'x')",
    "COMMIT",
    "UPDATE RoomType SET name = 'b' WHERE id = 1",
    "INSERT INTO SensorType VALUES (0, 'Temperature', 'T', '°C', 1.5, -2, 1e-9, NULL)",
    "FLUSH BINARY LOGS",
    "CREATE TABLE mine (id INT) ENGINE = MyISAM",
    "INSERT INTO mine VALUES (1)",
    "INSERT INTO NodeState VALUES (9, '2026-01-02', NULL, NULL, 1234567890123, 3, -80.5)",
    "UPDATE NodeState SET seq_num = 4",
    "BEGIN",
    "DELETE FROM NodeState",
    "SAVEPOINT here",
    "DELETE FROM Room",
    "ROLLBACK TO SAVEPOINT here",
    "COMMIT",
    "DELETE FROM Room",
)
STATE = ("2026-01-02T00:00:00", None, None, 1234567890123)
TOLD = [
    [("RoomType", "insert", [(1, "é"), (2, None)]), ("Room", "insert", [(1, 1, "x")])],
    [("RoomType", "update", [(1, "b")])],
    [("SensorType", "insert", [(0, "Temperature", "T", "°C", 1.5, -2.0, 1e-09, None)])],
    [("NodeState", "insert", [(9, *STATE, 3, -80.5)])],
    [
        ("NodeState", "delete", [(9, *STATE, 3, -80.5)]),
        ("NodeState", "insert", [(9, *STATE, 4, -80.5)]),
    ],
    [("NodeState", "delete", [(9, *STATE, 4, -80.5)])],
    [("Room", "delete", [(1, 1, "x")])],
]


def test_every_kind_of_transaction(anywhere: World) -> None:
    server, name = anywhere
    start = at(server, name)
    server.execute(*SCRIPT, database=name)
    assert transactions(captured(server, name, start)) == TOLD


def test_auto_takes_gtids_where_the_server_keeps_them(anywhere: World) -> None:
    server, name = anywhere
    connection = server.connect()
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@server_uuid, @@gtid_mode, @@global.gtid_executed")
        ((uuid, mode, executed),) = cursor.fetchall()
    connection.close()
    position = at(server, name, "auto")
    assert position.source == f"mysql-{uuid}"
    assert bool(position.gtid) is (mode == "ON")
    if position.gtid:
        assert position.gtid == str(MySQLGtids(executed))
        assert at(server, name, "file").gtid == ""
    else:
        with refused(SourceMisconfigured, "gtid_mode"):
            at(server, name, "gtid")


@both_modes
def test_resuming_behind_any_commit_gives_exactly_the_rest(
    with_gtids: PrivateMySQL, station: str, mode: Mode
) -> None:
    start = at(with_gtids, station, mode)
    with_gtids.execute(*SCRIPT, database=station)
    end = at(with_gtids, station, mode)
    whole = captured(with_gtids, station, start, end)
    assert positions(whole)[-1] == end
    assert [bool(p.gtid) for p in positions(whole)] == [mode == "gtid"] * len(positions(whole))
    for number, event in enumerate(whole):
        if isinstance(event, Commit) and not event.position.has_reached(end):
            rest = captured(with_gtids, station, event.position, end)
            assert transactions(rest) == transactions(whole[number + 1 :])
            assert positions(rest)[-1] == end


def test_by_gtid_file_and_offset_are_not_needed(with_gtids: PrivateMySQL, station: str) -> None:
    """As after the server moved to another disk: its files are named anew, its history is there."""
    start = at(with_gtids, station, "gtid")
    with_gtids.execute(*SCRIPT, database=station)
    events = captured(with_gtids, station, replace(start, file="", offset=0))
    assert transactions(events) == TOLD


@both_modes
def test_a_server_that_restarts(private_mysql: Make, mode: Mode) -> None:
    server = private_mysql()
    create_station(server, "ch")
    start = at(server, "ch", mode)
    server.execute(insert(1), database="ch")
    with stream(server, "ch", start) as reader:
        events = read_to(reader, at(server, "ch"))
        server.kill()
        with pytest.raises(SourceUnavailable):
            read_on(reader, events)
    server.start()
    server.execute(insert(2), database="ch")
    events += captured(server, "ch", positions(events)[-1])
    assert transactions(events) == [
        [("RoomType", "insert", [(1, "a")])],
        [("RoomType", "insert", [(2, "a")])],
    ]


@both_modes
def test_a_purged_log(private_mysql: Make, mode: Mode) -> None:
    server = private_mysql()
    create_station(server, "ch")
    start = at(server, "ch", mode)
    server.execute(insert(1), "FLUSH BINARY LOGS", insert(2), "FLUSH BINARY LOGS", database="ch")
    kept = at(server, "ch", mode)
    server.execute(f"PURGE BINARY LOGS TO '{kept.file}'", insert(3), database="ch")
    with refused(PositionLost, "replicator heal"), stream(server, "ch", start) as reader:
        read_on(reader, [])
    assert changes(captured(server, "ch", kept)) == [("RoomType", "insert", [(3, "a")])]


@both_modes
def test_a_reset_log(private_mysql: Make, mode: Mode) -> None:
    server = private_mysql()
    create_station(server, "ch")
    start = at(server, "ch", mode)
    server.execute("RESET MASTER", insert(2), database="ch")
    with refused(PositionLost, "replicator heal"), stream(server, "ch", start) as reader:
        read_on(reader, [])


def test_a_reset_log_that_has_grown_beyond_the_position(private_mysql: Make) -> None:
    """The same GTIDs, file and offset are there again, and mean something else."""
    server = private_mysql()
    create_station(server, "ch")
    server.execute("RESET MASTER", insert(1), insert(2), database="ch")
    start = at(server, "ch", "gtid")
    server.execute(
        "RESET MASTER", "DELETE FROM RoomType", *map(insert, range(1, 21)), database="ch"
    )
    with refused(PositionLost, "replicator heal"):
        stream(server, "ch", start)


@both_modes
def test_another_server(with_gtids: PrivateMySQL, station: str, mode: Mode) -> None:
    elsewhere = replace(
        at(with_gtids, station, mode), source="mysql-3e11fa47-71ca-11e1-9e33-c80aa9429562"
    )
    with refused(PositionLost, "another server"):
        stream(with_gtids, station, elsewhere)


def test_gtids_that_the_server_stopped_keeping(private_mysql: Make) -> None:
    server = private_mysql()
    create_station(server, "ch")
    start = at(server, "ch", "gtid")
    server.stop()
    server.options = []
    server.start()
    with refused(PositionLost, "gtid_mode"):
        stream(server, "ch", start)


def test_gtids_of_two_servers_with_a_hole(with_gtids: PrivateMySQL, station: str) -> None:
    other = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
    start = at(with_gtids, station, "gtid")
    numbers = (1, 2, 5, 4)
    for number in numbers:
        with_gtids.execute(f"SET gtid_next = '{other}:{number}'", insert(number), database=station)
    end = at(with_gtids, station, "gtid")
    events = captured(with_gtids, station, start, end)
    assert f"{other}:1-2:4-5" in end.gtid
    assert positions(events)[-1] == end
    assert [rows[0][0] for _, _, rows in changes(events)] == list(numbers)
    middle = positions(events)[-2]
    assert f"{other}:1-2:5" in middle.gtid
    assert [rows[0][0] for _, _, rows in changes(captured(with_gtids, station, middle, end))] == [4]


@pytest.mark.parametrize("first", ["CRC32", "NONE"])
def test_a_checksum_setting_that_changes(private_mysql: Make, first: str) -> None:
    server = private_mysql()
    create_station(server, "ch")
    other = {"CRC32": "NONE", "NONE": "CRC32"}[first]
    server.execute(f"SET GLOBAL binlog_checksum = {first}")
    start = at(server, "ch")
    server.execute(insert(1), f"SET GLOBAL binlog_checksum = {other}", insert(2), database="ch")
    events = captured(server, "ch", start)
    assert [rows[0][0] for _, _, rows in changes(events)] == [1, 2]


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (
            ("SET binlog_row_image = 'MINIMAL'", RENAME),
            "binlog_row_image",
        ),
        (("SET binlog_format = 'STATEMENT'", RENAME), "UPDATE RoomType"),
        (("TRUNCATE NodeState",), "TRUNCATE"),
    ],
    ids=["partial rows", "rows as text", "truncate"],
)
def test_what_stops(
    with_gtids: PrivateMySQL, station: str, statements: tuple[str, ...], words: str
) -> None:
    start = at(with_gtids, station, "gtid")
    with_gtids.execute(insert(1), *statements, database=station)
    events = refuses(with_gtids, station, start, Unsupported, words)
    assert changes(events) == [("RoomType", "insert", [(1, "a")])]


def test_a_heartbeat_moves_the_position_of_a_quiet_station(
    with_gtids: PrivateMySQL, station: str
) -> None:
    start = at(with_gtids, station, "gtid")
    with_gtids.execute("FLUSH BINARY LOGS")
    end = at(with_gtids, station, "gtid")
    with stream(with_gtids, station, start, heartbeat=0.2) as reader:
        assert positions(read_to(reader, end))[-1] == end


def test_another_reader_with_our_server_id_takes_nothing_away(
    with_gtids: PrivateMySQL, station: str
) -> None:
    """MySQL 5.6 lets both read; later ones end the older, which test_lost_positions has."""
    here = endpoint(with_gtids, station)
    start = at(with_gtids, station)
    with_gtids.execute(insert(1), database=station)
    end = at(with_gtids, station)
    with (
        BinlogStream(here, server_id=3_100, start=start) as ours,
        BinlogStream(here, server_id=3_100, start=start) as theirs,
    ):
        assert changes(read_to(ours, end)) == changes(read_to(theirs, end)) != []


def test_the_check_of_its_settings(with_gtids: PrivateMySQL, station: str) -> None:
    findings = inspect(endpoint(with_gtids, station), server_id=99)
    assert [finding for finding in findings if not finding.ok] == []
