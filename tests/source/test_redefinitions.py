"""DDL in the log: rows get the names they were written under, or capture stops."""

from __future__ import annotations

import pytest

from demo.mariadbd import PrivateMariaDB
from replicator.change import Change, Event
from replicator.errors import SourceMisconfigured, Unsupported
from tests.source.capture import at, captured, read_to, refused, refuses, stream


def named(events: list[Event]) -> list[dict[str, object]]:
    """Each row by column name."""
    return [
        dict(zip(e.columns, row, strict=True))
        for e in events
        if isinstance(e, Change)
        for row in e.rows
    ]


REDEFINED = (
    "INSERT INTO House (id, address, serverid) VALUES (1, 'a', 7)",
    "ALTER TABLE House ADD COLUMN extra INT UNSIGNED FIRST",
    "INSERT INTO House (id, address, extra) VALUES (2, 'b', 4294967295)",
    "ALTER TABLE House CHANGE serverid remote BIGINT",
    "INSERT INTO House (id, address, remote) VALUES (3, 'c', 9)",
    "ALTER TABLE House DROP COLUMN extra",
    "INSERT INTO House (id, address, remote) VALUES (4, 'd', 10)",
)
NOTHING = {"deploymentId": None, "startDate": None, "endDate": None}
ROWS = [
    {"id": 1, "address": "a", "serverid": 7, **NOTHING},
    {"id": 2, "address": "b", "serverid": None, "extra": 4294967295, **NOTHING},
    {"id": 3, "address": "c", "remote": 9, "extra": None, **NOTHING},
    {"id": 4, "address": "d", "remote": 10, **NOTHING},
]


def test_an_old_stretch_that_names_its_columns(mariadb: PrivateMariaDB, station: str) -> None:
    start = at(mariadb, station)
    mariadb.execute(*REDEFINED, database=station)
    assert named(captured(mariadb, station, start)) == ROWS


def test_following_a_log_that_does_not(no_log: PrivateMariaDB, no_log_station: str) -> None:
    events: list[Event] = []
    with stream(no_log, no_log_station, at(no_log, no_log_station)) as reader:
        for statement in REDEFINED:
            no_log.execute(statement, database=no_log_station)
            events += read_to(reader, at(no_log, no_log_station))
    assert named(events) == ROWS


@pytest.mark.parametrize(
    "redefinition",
    [
        "ALTER TABLE House ADD COLUMN extra INT",
        "ALTER TABLE House DROP COLUMN serverid",
        "ALTER TABLE House MODIFY serverid INT UNSIGNED",
        # the shape stays the same: only reading ahead can tell
        "ALTER TABLE House CHANGE startDate endDate DATETIME, CHANGE endDate startDate DATETIME",
        "ALTER TABLE House MODIFY endDate DATETIME AFTER deploymentId, "
        "MODIFY startDate DATETIME AFTER address",
        "ALTER TABLE House CHANGE serverid remote INT",
    ],
)
def test_an_old_stretch_that_does_not_is_refused(
    no_log: PrivateMariaDB, no_log_station: str, redefinition: str
) -> None:
    start = at(no_log, no_log_station)
    no_log.execute(
        "INSERT INTO RoomType VALUES (1, 'a')",
        "INSERT INTO House (id, startDate) VALUES (1, '2026-01-01')",
        redefinition,
        database=no_log_station,
    )
    events = refuses(no_log, no_log_station, start, Unsupported, "binlog_row_metadata = FULL")
    assert named(events) == [{"id": 1, "name": "a"}], "the table that stayed as it was"


def test_an_old_stretch_behind_the_redefinition(
    no_log: PrivateMariaDB, no_log_station: str
) -> None:
    no_log.execute("ALTER TABLE House CHANGE serverid remote INT", database=no_log_station)
    start = at(no_log, no_log_station)
    no_log.execute("INSERT INTO House (id, remote) VALUES (1, 7)", database=no_log_station)
    assert named(captured(no_log, no_log_station, start)) == [
        {"id": 1, "address": None, "remote": 7, **NOTHING}
    ]


def test_redefinitions_of_others_do_no_harm(no_log: PrivateMariaDB, no_log_station: str) -> None:
    start = at(no_log, no_log_station)
    no_log.execute(
        "INSERT INTO RoomType VALUES (1, 'a')",
        "CREATE TABLE mine (id INT)",
        "ALTER TABLE mine ADD x INT",
        "CREATE DATABASE elsewhere",
        "CREATE TABLE elsewhere.RoomType (name VARCHAR(20), id INT)",
        "DROP DATABASE elsewhere",
        database=no_log_station,
    )
    assert named(captured(no_log, no_log_station, start)) == [{"id": 1, "name": "a"}]


def test_names_are_believed_from_where_they_begin(
    spare: PrivateMariaDB, spare_station: str
) -> None:
    """FULL is switched on as the hint says: what is nameless in the log stays readable."""
    start = at(spare, spare_station)
    spare.execute("SET GLOBAL binlog_row_metadata = NO_LOG")
    spare.execute("INSERT INTO RoomType VALUES (1, 'a')", database=spare_station)
    spare.execute("SET GLOBAL binlog_row_metadata = FULL")
    spare.execute("INSERT INTO RoomType VALUES (2, 'b')", database=spare_station)
    assert named(captured(spare, spare_station, start)) == [
        {"id": 1, "name": "a"},
        {"id": 2, "name": "b"},
    ]


def test_reading_ahead_in_a_rotated_log_by_gtid(
    no_log: PrivateMariaDB, no_log_station: str
) -> None:
    start = at(no_log, no_log_station, "gtid")
    no_log.execute(
        "INSERT INTO RoomType VALUES (1, 'a')",
        "FLUSH BINARY LOGS",
        "INSERT INTO RoomType VALUES (2, 'b')",
        database=no_log_station,
    )
    assert named(captured(no_log, no_log_station, start)) == [
        {"id": 1, "name": "a"},
        {"id": 2, "name": "b"},
    ]


def test_a_replicated_column_that_goes_away(mariadb: PrivateMariaDB, station: str) -> None:
    start = at(mariadb, station)
    mariadb.execute(
        "INSERT INTO House (id, address) VALUES (1, 'a')",
        "ALTER TABLE House DROP COLUMN address",
        "INSERT INTO House (id) VALUES (2)",
        database=station,
    )
    events = refuses(mariadb, station, start, Unsupported, "address")
    assert [row["id"] for row in named(events)] == [1]


def test_a_replicated_table_that_is_not_there(mariadb: PrivateMariaDB, station: str) -> None:
    mariadb.execute("DROP TABLE Reading", database=station)
    start = at(mariadb, station)
    with refused(SourceMisconfigured, f"{station}.Reading"):
        stream(mariadb, station, start)


def test_a_table_filled_from_another_one(mariadb: PrivateMariaDB, station: str) -> None:
    mariadb.execute(
        "INSERT INTO RoomType VALUES (1, 'a')", "SET foreign_key_checks = 0", database=station
    )
    start = at(mariadb, station)
    mariadb.execute(
        "CREATE TABLE copied SELECT * FROM RoomType",
        "INSERT INTO RoomType SELECT id + 1, name FROM copied",
        database=station,
    )
    assert named(captured(mariadb, station, start)) == [{"id": 2, "name": "a"}]
