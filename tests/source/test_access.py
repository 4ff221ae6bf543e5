"""Servers that do not let us capture: settings, grants, logins, tables; each says what to do."""

from __future__ import annotations

import socket

import pytest

from demo.mariadbd import PrivateMariaDB
from replicator.change import Position
from replicator.errors import SourceMisconfigured, SourceUnavailable
from replicator.source.binlog import BinlogStream, current_position
from replicator.source.snapshot import SnapshotReader
from tests.conftest import create_station
from tests.source.capture import (
    at,
    changes,
    endpoint,
    read_on,
    read_to,
    refused,
    stream,
)

FIRST = "INSERT INTO RoomType VALUES (1, 'a')"


def test_the_binlog_is_off(private_mariadb: object) -> None:
    assert callable(private_mariadb)
    server = private_mariadb("--skip-log-bin")
    create_station(server, "ch")
    with refused(SourceMisconfigured, "log_bin"):
        at(server, "ch")
    with refused(SourceMisconfigured, "log_bin"):
        stream(server, "ch", Position("mariadb-17", "binlog.000001", 4))


def test_the_server_does_not_log_our_database(private_mariadb: object) -> None:
    assert callable(private_mariadb)
    server = private_mariadb("--binlog-do-db=other")
    create_station(server, "ch")
    with refused(SourceMisconfigured, "binlog_"):
        at(server, "ch")
    with refused(SourceMisconfigured, "binlog_"):
        stream(server, "ch", Position("mariadb-17", "binlog.000001", 4))


GRANTS = {
    "REPLICATION SLAVE": "GRANT REPLICATION SLAVE ON *.* TO {0}",
    "BINLOG MONITOR": "GRANT BINLOG MONITOR ON *.* TO {0}",
    "SELECT": "GRANT SELECT ON {1}.* TO {0}",
}


@pytest.mark.parametrize("missing", GRANTS)
def test_a_missing_grant(mariadb: PrivateMariaDB, station: str, missing: str) -> None:
    user = f"lacks_{station}"
    account = f"{user}@localhost"
    given = [grant.format(account, station) for name, grant in GRANTS.items() if name != missing]
    mariadb.execute(f"CREATE USER {account} IDENTIFIED BY 'pw'", *given)
    here = endpoint(mariadb, station, user=user, password="pw")
    start = at(mariadb, station)
    mariadb.execute(FIRST, database=station)
    try:
        with (
            refused(
                SourceMisconfigured, "GRANT SELECT" if missing == "SELECT" else "GRANT REPLICATION"
            ),
            BinlogStream(here, server_id=3001, start=start) as reader,
        ):
            read_on(reader, [])
    finally:
        mariadb.execute(f"DROP USER {account}")


def test_the_grants_named_are_enough(mariadb: PrivateMariaDB, station: str) -> None:
    account = f"has_{station}@localhost"
    given = [grant.format(account, station) for grant in GRANTS.values()]
    mariadb.execute(f"CREATE USER {account} IDENTIFIED BY 'pw'", *given)
    here = endpoint(mariadb, station, user=f"has_{station}", password="pw")
    start = current_position(here, mode="auto")
    mariadb.execute(FIRST, database=station)
    try:
        with BinlogStream(here, server_id=3002, start=start) as reader:
            events = read_to(reader, current_position(here, mode="auto"))
        with SnapshotReader(here) as tables:
            assert tables.read("RoomType", None, 9).change is not None
    finally:
        mariadb.execute(f"DROP USER {account}")
    assert changes(events) == [("RoomType", "insert", [(1, "a")])]


def test_a_wrong_password(mariadb: PrivateMariaDB, station: str) -> None:
    with refused(SourceMisconfigured, "1045"):
        current_position(endpoint(mariadb, station, user="nobody", password="x"), mode="auto")


def test_a_server_that_is_down(mariadb: PrivateMariaDB) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        there = endpoint(mariadb, "ch", unix_socket=None, port=unused.getsockname()[1])
        with refused(SourceUnavailable, "2003"):
            current_position(there, mode="auto")


def test_no_such_database(mariadb: PrivateMariaDB) -> None:
    start = at(mariadb, "nowhere")
    with refused(SourceMisconfigured, "[source] database"):
        stream(mariadb, "nowhere", start)
    reader = SnapshotReader(endpoint(mariadb, "nowhere"))
    with reader, refused(SourceMisconfigured, "[source] database"):
        reader.read("Reading", None, 1)


def test_a_table_without_a_primary_key(mariadb: PrivateMariaDB, station: str) -> None:
    mariadb.execute("ALTER TABLE NodeState MODIFY id INT, DROP PRIMARY KEY", database=station)
    reader = SnapshotReader(endpoint(mariadb, station))
    with reader, refused(SourceMisconfigured, "ADD PRIMARY KEY"):
        reader.read("NodeState", None, 1)


def test_no_gtid_yet(spare: PrivateMariaDB) -> None:
    spare.execute("RESET MASTER")
    assert at(spare, "ch", "auto").gtid == ""
    with refused(SourceMisconfigured, "GTID"):
        at(spare, "ch", "gtid")


def test_the_endpoint_never_shows_its_password(mariadb: PrivateMariaDB) -> None:
    secret = endpoint(mariadb, "ch", password="s3cret")
    assert "s3cret" not in f"{secret} {secret!r}"
