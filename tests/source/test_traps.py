"""Traps of mysql-replication and of the servers that no other file holds (docs/traps.md)."""

from __future__ import annotations

import logging

import pymysql
import pytest

from demo.mariadbd import PrivateMariaDB
from replicator.cli import logs
from replicator.config import LogConfig
from replicator.errors import PositionLost, ReplicatorError, SourceMisconfigured, SourceUnavailable
from replicator.source.endpoint import Endpoint, translate
from replicator.source.times import timestamp
from tests.source.capture import at, captured, changes, read_on, refused, stream

HERE = Endpoint("127.0.0.1", 3306, None, "nobody", "", "ch")


def test_a_file_position_is_where_a_mariadb_begins(mariadb: PrivateMariaDB, station: str) -> None:
    """T2: and not at the oldest log, as the library's is_mariadb does without a GTID."""
    mariadb.execute("INSERT INTO RoomType VALUES (1, 'before')", database=station)
    start = at(mariadb, station, "file")
    mariadb.execute("INSERT INTO RoomType VALUES (2, 'after')", database=station)
    assert start.gtid == ""
    assert changes(captured(mariadb, station, start)) == [("RoomType", "insert", [(2, "after")])]


def test_a_lost_link_is_not_mended_behind_our_back(mariadb: PrivateMariaDB, station: str) -> None:
    """T3: the library would connect again by itself, from where it began."""
    start = at(mariadb, station)
    mariadb.execute("INSERT INTO RoomType VALUES (1, 'a')", database=station)
    with stream(mariadb, station, start) as reader:
        while not changes(reader.poll(0.5)):
            pass
        connections = list(reader._dump._connections)
        for connection in connections:
            number = connection.thread_id()  # type: ignore[no-untyped-call]  # PyMySQL's stubs
            mariadb.execute(f"KILL {number}")
        with pytest.raises(SourceUnavailable):
            read_on(reader, [])
        assert reader._dump._connections == connections


def test_compressed_columns_of_others_do_no_harm(mariadb: PrivateMariaDB, station: str) -> None:
    """T17: the library fails on their table map, wanted or not."""
    start = at(mariadb, station)
    mariadb.execute(
        "CREATE TABLE mine (id INT PRIMARY KEY, x TEXT COMPRESSED, y VARBINARY(99) COMPRESSED)",
        "INSERT INTO mine VALUES (1, REPEAT('a', 999), 'b')",
        "UPDATE mine SET x = 'c'",
        "INSERT INTO RoomType VALUES (1, 'a')",
        database=station,
    )
    assert changes(captured(mariadb, station, start)) == [("RoomType", "insert", [(1, "a")])]


OTHER = "server_id must be unique"
HEAL = "replicator heal"


@pytest.mark.parametrize(
    ("code", "text", "kind", "hint"),
    [
        (4052, "A slave with the same server_id as this slave", SourceMisconfigured, OTHER),
        (
            1236,
            "A slave with the same server_uuid/server_id as this slave has connected to the master",
            SourceMisconfigured,
            OTHER,
        ),
        (
            1236,
            "A replica with the same server_uuid/server_id as this replica has connected to the "
            "source; the first event 'binlog.000001' at 4",
            SourceMisconfigured,
            OTHER,
        ),
        (1236, "Could not find first log file name in binary log index file", PositionLost, HEAL),
        (
            1236,
            "Could not find GTID state requested by slave in any binlog files. Probably the slave "
            "state is too old and required binlog files have been purged.",
            PositionLost,
            HEAL,
        ),
        (
            1236,
            "Error: connecting slave requested to start from GTID 0-17-9, which is not in the "
            "master's binlog",
            PositionLost,
            HEAL,
        ),
        (
            1236,
            "Error: connecting slave requested to start from GTID 0-17-9, which is not in the "
            "master's binlog. Since the master's binlog contains GTIDs with higher sequence "
            "numbers, it probably means that the slave has diverged due to executing extra "
            "erroneous transactions",
            PositionLost,
            HEAL,
        ),
        (1236, "Client requested master to start replication from impossible position",
         PositionLost, HEAL),
        (1236, "bogus data in log event; the first event 'binlog.000001' at 7", PositionLost, HEAL),
        (1236, "Binary log is not open", SourceMisconfigured, "log_bin"),
        (1227, "Access denied; you need REPLICATION SLAVE", SourceMisconfigured, "GRANT"),
        (1045, "Access denied for user", SourceMisconfigured, "[source] user"),
        (2003, "Can't connect to MySQL server", SourceUnavailable, "[source] host"),
        (2006, "MySQL server has gone away", SourceUnavailable, "[source] host"),
        (2013, "Lost connection to MySQL server during query", SourceUnavailable, "[source] host"),
    ],
)  # fmt: skip
def test_what_servers_answer(code: int, text: str, kind: type[ReplicatorError], hint: str) -> None:
    """T20, and how a position is lost; MySQL's and MariaDB's words."""
    error = translate(pymysql.err.OperationalError(code, text), HERE)
    assert text in error.detail
    with refused(kind, hint):
        raise error


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("7fffffff", "2038-01-19T03:14:07Z"),
        ("80000000", "2038-01-19T03:14:08Z"),
        ("ffffffff", "2106-02-07T06:28:15Z"),
    ],
)
def test_a_timestamp_beyond_2038(data: str, text: str) -> None:
    """T24: as MariaDB 11.5 writes them; there is no such server here."""
    assert timestamp(0)(bytes.fromhex(data), 0) == (text, 4)
    assert timestamp(6)(bytes.fromhex(data + "000001"), 0) == (text[:-1] + ".000001Z", 7)


def test_nothing_is_written_to_logs_or_screen(
    no_log: PrivateMariaDB,
    no_log_station: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """T26: the library tells of names that it has not got, in many lines; and warns (T27, T28).

    Also behind what every command does with logs at its start.
    """
    logs.set_up(LogConfig("info", "text", None, 1 << 20, 1))
    logs.close()
    start = at(no_log, no_log_station)
    no_log.execute("INSERT INTO RoomType VALUES (1, 'a')", database=no_log_station)
    with caplog.at_level(logging.DEBUG):
        assert changes(captured(no_log, no_log_station, start))
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")
