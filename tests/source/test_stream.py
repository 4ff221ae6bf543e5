"""BinlogStream against a real server: every kind of transaction, both ways of finding the place."""

from __future__ import annotations

import pytest

from demo.mariadbd import PrivateMariaDB
from replicator.change import Change, Commit, Event
from replicator.source.place import Mode
from tests.source.capture import at, captured, changes, read_to, stream, transactions

World = tuple[PrivateMariaDB, str]


def run(world: World, *statements: str, mode: Mode = "file") -> list[Event]:
    """What the stream says about statements of one connection."""
    server, name = world
    start = at(server, name, mode)
    server.execute(*statements, database=name)
    return captured(server, name, start)


@pytest.mark.parametrize("mode", ["file", "gtid"])
def test_insert_update_and_delete(world: World, mode: Mode) -> None:
    events = run(
        world,
        "INSERT INTO RoomType VALUES (1, 'a'), (2, NULL)",
        "UPDATE RoomType SET name = 'b' WHERE id = 1",
        "DELETE FROM RoomType",
        mode=mode,
    )
    assert transactions(events) == [
        [("RoomType", "insert", [(1, "a"), (2, None)])],
        [("RoomType", "update", [(1, "b")])],
        [("RoomType", "delete", [(1, "b"), (2, None)])],
    ]


def test_a_change_has_the_tables_columns_and_its_transactions_time(world: World) -> None:
    events = run(world, "SET timestamp = 1700000000", "INSERT INTO RoomType VALUES (1, 'a')")
    change, commit = events
    assert isinstance(change, Change)
    assert change.columns == ("id", "name")
    assert isinstance(commit, Commit)
    assert commit.at.isoformat() == "2023-11-14T22:13:20+00:00"
    assert commit.position == at(*world)


def test_every_table_comes_with_all_its_columns(world: World) -> None:
    events = run(
        world,
        "SET foreign_key_checks = 0",
        "INSERT INTO Deployment VALUES (1, 'd', NULL, '2026-01-02', NULL)",
        "INSERT INTO House VALUES (2, 1, 'h', NULL, '2026-01-02 03:04:05', 9)",
        "INSERT INTO RoomType VALUES (3, 't')",
        "INSERT INTO Room VALUES (4, 3, 'r')",
        "INSERT INTO Location VALUES (5, 2, 4)",
        "INSERT INTO NodeType VALUES (6, 'n', NULL, 1, 2, 3, 1, 'c')",
        "INSERT INTO SensorType VALUES (0, 'Temperature', 'T', '°C', 1.5, -2, 1e-9, NULL)",
        "INSERT INTO Node VALUES (7, 5, 6)",
        "INSERT INTO Sensor VALUES (8, 0, 7, 1.1, NULL)",
        "INSERT INTO Reading VALUES ('2026-01-02 03:04:05', 7, 0, 5, 20.1)",
        "INSERT INTO NodeState VALUES (9, '2026-01-02', 7, NULL, 1234567890123, 3, -80.5)",
    )
    assert changes(events) == [
        ("Deployment", "insert", [(1, "d", None, "2026-01-02T00:00:00", None)]),
        ("House", "insert", [(2, 1, "h", None, "2026-01-02T03:04:05", 9)]),
        ("RoomType", "insert", [(3, "t")]),
        ("Room", "insert", [(4, 3, "r")]),
        ("Location", "insert", [(5, 2, 4)]),
        ("NodeType", "insert", [(6, "n", None, 1, 2, 3, 1, "c")]),
        ("SensorType", "insert", [(0, "Temperature", "T", "°C", 1.5, -2.0, 1e-09, None)]),
        ("Node", "insert", [(7, 5, 6)]),
        ("Sensor", "insert", [(8, 0, 7, 1.1, None)]),
        ("Reading", "insert", [("2026-01-02T03:04:05", 7, 0, 5, 20.1)]),
        (
            "NodeState",
            "insert",
            [(9, "2026-01-02T00:00:00", 7, None, 1234567890123, 3, -80.5)],
        ),
    ]


def test_a_changed_key_is_a_delete_and_an_insert(world: World) -> None:
    events = run(
        world,
        "INSERT INTO NodeState (id, seq_num, rssi) VALUES (1, 1, 1), (2, 2, 2), (3, 3, 3)",
        "UPDATE NodeState SET rssi = 9, seq_num = IF(id = 2, 7, seq_num)",
    )
    nothing = (None, None, None, None)
    assert changes(events)[1:] == [
        ("NodeState", "update", [(1, *nothing, 1, 9.0)]),
        ("NodeState", "delete", [(2, *nothing, 2, 2.0)]),
        ("NodeState", "insert", [(2, *nothing, 7, 9.0)]),
        ("NodeState", "update", [(3, *nothing, 3, 9.0)]),
    ]


def test_a_renamed_reference_row_is_an_update(world: World) -> None:
    events = run(
        world, "INSERT INTO RoomType VALUES (1, 'a')", "UPDATE RoomType SET name = 'b' WHERE id = 1"
    )
    assert changes(events)[1:] == [("RoomType", "update", [(1, "b")])]


def test_a_transaction_over_several_tables_is_one(world: World) -> None:
    events = run(
        world,
        "BEGIN",
        "INSERT INTO RoomType VALUES (1, 'a')",
        "INSERT INTO Room VALUES (1, 1, 'x')",
        "UPDATE RoomType SET name = 'b'",
        "COMMIT",
    )
    assert transactions(events) == [
        [
            ("RoomType", "insert", [(1, "a")]),
            ("Room", "insert", [(1, 1, "x")]),
            ("RoomType", "update", [(1, "b")]),
        ]
    ]


def test_one_statement_over_several_tables_keeps_both(world: World) -> None:
    events = run(
        world,
        "INSERT INTO RoomType VALUES (1, 'a')",
        "INSERT INTO Room VALUES (1, 1, 'x')",
        "UPDATE RoomType, Room SET RoomType.name = 'b', Room.name = 'y'",
    )
    assert sorted(transactions(events)[2]) == [
        ("Room", "update", [(1, 1, "y")]),
        ("RoomType", "update", [(1, "b")]),
    ]


def test_what_is_rolled_back_never_comes(world: World) -> None:
    events = run(
        world,
        "BEGIN",
        "INSERT INTO RoomType VALUES (1, 'a')",
        "ROLLBACK",
        "INSERT INTO RoomType VALUES (2, 'b')",
    )
    assert transactions(events) == [[("RoomType", "insert", [(2, "b")])]]


def test_what_is_rolled_back_to_a_savepoint_never_comes(world: World) -> None:
    events = run(
        world,
        "BEGIN",
        "INSERT INTO RoomType VALUES (1, 'a')",
        "SAVEPOINT here",
        "INSERT INTO RoomType VALUES (2, 'b')",
        "ROLLBACK TO here",
        "INSERT INTO RoomType VALUES (3, 'c')",
        "RELEASE SAVEPOINT here",
        "COMMIT",
    )
    assert transactions(events) == [
        [("RoomType", "insert", [(1, "a")]), ("RoomType", "insert", [(3, "c")])]
    ]


MYISAM = (
    "SET foreign_key_checks = 0",
    "ALTER TABLE NodeState DROP FOREIGN KEY NodeState_ibfk_1",
    "ALTER TABLE NodeState ENGINE = MyISAM",
)


@pytest.mark.parametrize("mode", ["file", "gtid"])
def test_a_table_without_transactions(world: World, mode: Mode) -> None:
    server, name = world
    server.execute(*MYISAM, database=name)
    events = run(
        world,
        "INSERT INTO NodeState (id) VALUES (1), (2)",
        "DELETE FROM NodeState WHERE id = 1",
        mode=mode,
    )
    nothing = (None,) * 6
    assert transactions(events) == [
        [("NodeState", "insert", [(1, *nothing), (2, *nothing)])],
        [("NodeState", "delete", [(1, *nothing)])],
    ]


def test_a_rollback_over_both_engines_leaves_what_the_table_holds(world: World) -> None:
    server, name = world
    server.execute(*MYISAM, database=name)
    events = run(
        world,
        "BEGIN",
        "INSERT INTO RoomType VALUES (1, 'a')",
        "INSERT INTO NodeState (id) VALUES (1)",
        "INSERT INTO RoomType VALUES (2, 'a')",
        "ROLLBACK",
        "INSERT INTO RoomType VALUES (3, 'c')",
    )
    assert transactions(events) == [
        [("NodeState", "insert", [(1, *(None,) * 6)])],
        [("RoomType", "insert", [(3, "c")])],
    ]


def test_other_databases_do_no_harm_and_move_the_position(world: World) -> None:
    server, name = world
    other = f"{name}_other"
    events = run(
        world,
        f"CREATE DATABASE {other}",
        f"CREATE TABLE {other}.RoomType (id INT, shape GEOMETRY, kind ENUM('a'), at TIME)",
        f"INSERT INTO {other}.RoomType VALUES (1, POINT(1, 2), 'a', '01:02:03')",
        "SET SESSION binlog_format = 'STATEMENT'",
        f"INSERT INTO {other}.RoomType (id) VALUES (2)",
        f"TRUNCATE {other}.RoomType",
        f"DROP DATABASE {other}",
    )
    assert changes(events) == []
    assert [e.position for e in events if isinstance(e, Commit)][-1] == at(server, name)


def test_a_rotated_log(world: World) -> None:
    server, name = world
    start = at(server, name)
    server.execute("INSERT INTO RoomType VALUES (1, 'a')", database=name)
    with stream(server, name, start) as reader:
        events = read_to(reader, at(server, name))
        server.execute("FLUSH BINARY LOGS", "INSERT INTO RoomType VALUES (2, 'b')", database=name)
        events += read_to(reader, at(server, name))
    assert transactions(events) == [
        [("RoomType", "insert", [(1, "a")])],
        [("RoomType", "insert", [(2, "b")])],
    ]
    assert start.file < at(server, name).file
    assert transactions(captured(server, name, start)) == transactions(events)
