"""Logs that are no longer the one captured so far; servers that die, fall silent, are replaced."""

from __future__ import annotations

import collections
import signal
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from itertools import pairwise

import pytest

from demo.mariadbd import PrivateMariaDB
from replicator.change import Change, Commit, Event, Position, Rollback, Row
from replicator.errors import PositionLost, SourceMisconfigured, SourceUnavailable
from replicator.source.binlog import BinlogStream
from replicator.source.place import Mode
from tests.conftest import create_station
from tests.source.capture import (
    at,
    binlog,
    captured,
    changes,
    endpoint,
    read_on,
    read_to,
    refused,
    stream,
    transactions,
)
from tests.source.replay import NAMES, packets, plain, read, read_until_error, world

Make = Callable[..., PrivateMariaDB]
both_modes = pytest.mark.parametrize("mode", ["file", "gtid"])


def insert(number: int) -> str:
    return f"INSERT INTO RoomType VALUES ({number}, 'a')"


def purge(server: PrivateMariaDB) -> None:
    """All files but the last; readers that others have closed would hold them for a moment."""
    connection = server.connect()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND = 'Binlog Dump'"
        )
        for (number,) in cursor.fetchall():
            cursor.execute(f"KILL {number}")
        while cursor.execute("SHOW BINARY LOGS") > 1:
            cursor.execute(f"PURGE BINARY LOGS TO '{cursor.fetchall()[-1][0]}'")
    connection.close()


def lost(server: PrivateMariaDB, name: str, start: Position) -> None:
    with refused(PositionLost, "replicator heal"), stream(server, name, start) as reader:
        reader.poll(5.0)
        reader.poll(5.0)


@both_modes
def test_a_purged_log(spare: PrivateMariaDB, spare_station: str, mode: Mode) -> None:
    start = at(spare, spare_station, mode)
    spare.execute(
        insert(1), "FLUSH BINARY LOGS", insert(2), "FLUSH BINARY LOGS", database=spare_station
    )
    purge(spare)
    lost(spare, spare_station, start)


def test_a_purged_file_whose_end_was_captured_is_not_lost_by_gtid(
    spare: PrivateMariaDB, spare_station: str
) -> None:
    start = at(spare, spare_station, "gtid")
    spare.execute("FLUSH BINARY LOGS", insert(1), database=spare_station)
    purge(spare)
    assert changes(captured(spare, spare_station, start)) == [("RoomType", "insert", [(1, "a")])]


@both_modes
def test_a_reset_log(spare: PrivateMariaDB, spare_station: str, mode: Mode) -> None:
    spare.execute("RESET MASTER", "FLUSH BINARY LOGS", insert(1), database=spare_station)
    start = at(spare, spare_station, mode)
    spare.execute("RESET MASTER", insert(2), database=spare_station)
    lost(spare, spare_station, start)


def test_a_reset_log_that_has_grown_beyond_the_position(
    spare: PrivateMariaDB, spare_station: str
) -> None:
    """The same file, offset and GTID exist again, and mean something else."""
    spare.execute("RESET MASTER", insert(1), insert(2), database=spare_station)
    start = at(spare, spare_station, "gtid")
    spare.execute(
        "RESET MASTER",
        "DELETE FROM RoomType",
        *[insert(n) for n in range(1, 21)],
        database=spare_station,
    )
    assert int(at(spare, spare_station, "gtid").gtid.split("-")[2]) > 2
    lost(spare, spare_station, start)


@both_modes
def test_another_server(mariadb: PrivateMariaDB, station: str, mode: Mode) -> None:
    elsewhere = replace(at(mariadb, station, mode), source="mariadb-18")
    with refused(PositionLost, "mariadb-18"):
        stream(mariadb, station, elsewhere)


def test_an_offset_that_is_not_there_yet(mariadb: PrivateMariaDB, station: str) -> None:
    here = at(mariadb, station)
    lost(mariadb, station, replace(here, offset=here.offset + 1_000_000))


def test_an_offset_inside_an_event(mariadb: PrivateMariaDB, station: str) -> None:
    here = at(mariadb, station)
    mariadb.execute(insert(1), database=station)
    lost(mariadb, station, replace(here, offset=here.offset + 7))


def test_a_gtid_that_is_not_there_yet(mariadb: PrivateMariaDB, station: str) -> None:
    here = at(mariadb, station, "gtid")
    lost(mariadb, station, replace(here, file="binlog.999999", gtid="0-17-999999"))


def test_a_file_that_never_was(mariadb: PrivateMariaDB, station: str) -> None:
    lost(mariadb, station, replace(at(mariadb, station), file="binlog.999999"))


def test_a_position_without_a_place_does_not_start_at_the_end(
    mariadb: PrivateMariaDB, station: str
) -> None:
    lost(mariadb, station, Position("mariadb-17", "", 0, ""))


def test_another_reader_with_our_server_id(mariadb: PrivateMariaDB, station: str) -> None:
    here = endpoint(mariadb, station)
    start = at(mariadb, station)
    with (
        BinlogStream(here, server_id=3100, start=start) as ours,
        BinlogStream(here, server_id=3100, start=start) as theirs,
    ):
        mariadb.execute(insert(1), database=station)
        read_to(ours, at(mariadb, station))  # it is served before the other comes
        theirs.poll(0.3)
        with refused(SourceMisconfigured, "server_id"):
            read_on(ours, [])


@both_modes
def test_a_server_that_restarts(private_mariadb: Make, mode: Mode) -> None:
    server = private_mariadb()
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
    last = [e.position for e in events if isinstance(e, Commit)][-1]
    events += captured(server, "ch", last)
    assert transactions(events) == [
        [("RoomType", "insert", [(1, "a")])],
        [("RoomType", "insert", [(2, "a")])],
    ]


@both_modes
def test_a_server_that_died_inside_a_transaction(private_mariadb: Make, mode: Mode) -> None:
    """Its log ends with rows and no commit; the next file begins with another transaction."""
    server = private_mariadb()
    create_station(server, "ch")
    start = at(server, "ch", mode)
    server.execute(insert(1), database="ch")
    server.execute(insert(2), database="ch")
    end = at(server, "ch")
    server.kill()
    xid = 19 + 8 + 4
    file = binlog(server, end)
    file.write_bytes(file.read_bytes()[: end.offset - xid])
    server.start()
    server.execute(insert(3), database="ch")
    events = captured(server, "ch", start)
    assert Rollback() in events
    assert [row for t in transactions(events) for _, _, rows in t for row in rows] == [
        (1, "a"),
        (3, "a"),
    ]


def test_a_server_that_falls_silent(private_mariadb: Make) -> None:
    server = private_mariadb()
    create_station(server, "ch")
    with stream(server, "ch", at(server, "ch"), heartbeat=0.2) as reader:
        reader.poll(0.5)
        assert server._process is not None
        server._process.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(SourceUnavailable, match="silent"):
                read_on(reader, [])
        finally:
            server._process.send_signal(signal.SIGCONT)


def test_a_reader_that_comes_late_does_not_take_the_server_for_dead(
    mariadb: PrivateMariaDB, station: str
) -> None:
    with stream(mariadb, station, at(mariadb, station)) as reader:
        reader.poll(0.2)
        mariadb.execute(insert(1), database=station)
        while not reader.pending:
            pass
        reader._dump.feed.silence = 0.0
        assert changes(reader.poll(0.0)) == [("RoomType", "insert", [(1, "a")])]


def test_a_machine_that_stood_still_has_not_waited(mariadb: PrivateMariaDB, station: str) -> None:
    with stream(mariadb, station, at(mariadb, station), heartbeat=30.0) as reader:
        reader.poll(0.3)
        reader._dump.feed.silence = 1.0
        time.sleep(1.5)
        assert changes(reader.poll(0.3)) == []
        with pytest.raises(SourceUnavailable, match="silent"):
            collections.deque((reader.poll(0.3) for _ in range(5)), maxlen=0)


def ends(events: list[Event]) -> list[Position]:
    """Where the transactions with changes end."""
    pairs = pairwise(events)
    return [b.position for a, b in pairs if isinstance(a, Change) and isinstance(b, Commit)]


@pytest.mark.parametrize("first", ["CRC32", "NONE"])
def test_a_checksum_setting_that_changes_between_files(
    spare: PrivateMariaDB, spare_station: str, first: str
) -> None:
    """Whatever it is now, older files keep theirs."""
    other = {"CRC32": "NONE", "NONE": "CRC32"}[first]
    spare.execute(f"SET GLOBAL binlog_checksum = {first}")
    start = at(spare, spare_station)
    try:
        with stream(spare, spare_station, start) as following:
            spare.execute(insert(1), "ALTER TABLE RoomType ADD abcd INT", database=spare_station)
            spare.execute(f"SET GLOBAL binlog_checksum = {other}")
            spare.execute("DELETE FROM RoomType", database=spare_station)
            expected = [
                [("RoomType", "insert", [(1, "a")])],
                [("RoomType", "delete", [(1, "a", None)])],
            ]
            end = at(spare, spare_station)
            read = read_to(following, end)
            assert transactions(read) == expected
        for now in (first, other):
            spare.execute(f"SET GLOBAL binlog_checksum = {now}")
            events = captured(spare, spare_station, start, end)
            assert transactions(events) == expected
            assert ends(events) == ends(read)
    finally:
        spare.execute("SET GLOBAL binlog_checksum = CRC32")


@both_modes
def test_a_rotation_while_a_transaction_is_open(
    spare: PrivateMariaDB, spare_station: str, mode: Mode
) -> None:
    """It is written whole where it commits: into the next file, behind what committed before it."""
    start = at(spare, spare_station, mode)
    expected = [
        [("RoomType", "insert", [(2, "a")])],
        [("RoomType", "insert", [(1, "a"), (3, "a")])],
    ]
    logger = spare.connect(spare_station)
    with closing(logger), stream(spare, spare_station, start) as following:
        logger.begin()
        with logger.cursor() as cursor:
            cursor.execute(insert(1))
            spare.execute("FLUSH BINARY LOGS", insert(2), database=spare_station)
            events = read_to(following, at(spare, spare_station))
            spare.execute("FLUSH BINARY LOGS")
            cursor.execute(insert(3))
        logger.commit()
        events += read_to(following, at(spare, spare_station))
    assert joined(events) == expected
    assert joined(captured(spare, spare_station, start)) == expected


def joined(events: list[Event]) -> list[list[tuple[str, str, list[Row]]]]:
    """Transactions, each table's rows of one operation together."""
    found = []
    for transaction in transactions(events):
        (kind,) = {(table, op) for table, op, _ in transaction}
        found.append([(*kind, [row for _, _, rows in transaction for row in rows])])
    return found


def test_another_reader_with_our_server_id_as_a_mysql_says_it() -> None:
    """Its words as users report them; no MySQL that says so can be run here."""
    words = (
        "A slave with the same server_uuid/server_id as this slave has connected to the master; "
        "the first event 'mysql-bin.000001' at 760357, the last event read from "
        "'./mysql-bin.000001' at 1888540, the last byte read from './mysql-bin.000001' at 1888540."
    )
    error = b"\xff" + (1236).to_bytes(2, "little") + b"#HY000" + words.encode()
    name = NAMES[0]
    events, stopped = read_until_error([*packets(name), error], world(name))
    assert plain(events) == plain(read(packets(name), world(name))), "what came before it counts"
    assert isinstance(stopped, SourceMisconfigured)
    assert "[source] server_id" in stopped.hint
