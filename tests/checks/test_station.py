"""A real server that is set up wrong, and the SQL that mends it."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from demo.mariadbd import PrivateMariaDB, free_port
from replicator.checks.listed import CHECKS
from replicator.checks.station import source
from replicator.source.binlog import BinlogStream
from tests.checks.conftest import Find
from tests.source.capture import at, endpoint

RIGHT = ("SET GLOBAL sync_binlog = 1", "SET GLOBAL innodb_flush_log_at_trx_commit = 1")
# Of MySQL 8 only, or told only where it fails (tests/source/test_inspect.py).
ELSEWHERE = {"binlog_row_value_options", "binlog_transaction_compression", "binlog filter"}
WRONG = {
    "binlog_format": ("failure", "SET GLOBAL binlog_format = STATEMENT"),
    "binlog_row_image": ("failure", "SET GLOBAL binlog_row_image = MINIMAL"),
    "binlog_row_metadata": ("warning", "SET GLOBAL binlog_row_metadata = NO_LOG"),
    "binlog_checksum": ("warning", "SET GLOBAL binlog_checksum = NONE"),
    "retention": ("failure", "SET GLOBAL expire_logs_days = 1"),
    "durability": ("warning", "SET GLOBAL sync_binlog = 0"),
    "time zone": ("warning", "SET GLOBAL time_zone = '+02:00'"),
    "unlogged sessions": ("failure", "SET GLOBAL init_connect = 'SET sql_log_bin = 0'"),
    "engines": (
        "warning",
        "ALTER TABLE NodeState DROP FOREIGN KEY NodeState_ibfk_1;"
        "ALTER TABLE NodeState ENGINE = Aria",
    ),
    "table NodeState": ("failure", "ALTER TABLE NodeState MODIFY id INT, DROP PRIMARY KEY"),
}
_KEPT = (
    "binlog_format", "binlog_row_image", "binlog_row_metadata", "binlog_checksum",
    "expire_logs_days", "sync_binlog", "innodb_flush_log_at_trx_commit", "time_zone",
    "init_connect",
)  # fmt: skip


def ini(server: PrivateMariaDB, database: str, user: str = "root", number: int = 9) -> str:
    return (
        f"[source]\nunix_socket = {server.socket}\nuser = {user}\n"
        f"database = {database}\nserver_id = {number}\n"
    )


@pytest.fixture
def server(mariadb: PrivateMariaDB) -> Iterator[PrivateMariaDB]:
    """The shared server, its settings as they were afterwards."""
    connection = mariadb.connect()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(f'@@global.{name}' for name in _KEPT)}")
        before = cursor.fetchone()
        assert before is not None
    mariadb.execute(*RIGHT)
    yield mariadb
    with connection.cursor() as cursor:
        for name, value in zip(_KEPT, before, strict=True):
            cursor.execute(f"SET GLOBAL {name} = %s", (value,))
    connection.close()


@pytest.fixture
def account(server: PrivateMariaDB, station: str) -> Iterator[str]:
    """A user that may do what is needed and nothing else."""
    name = f"checks_{station}"
    server.execute(
        f"CREATE USER {name}@localhost",
        f"GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO {name}@localhost",
        f"GRANT SELECT ON {station}.* TO {name}@localhost",
    )
    yield name
    server.execute(f"DROP USER {name}@localhost")


def test_all_is_well(server: PrivateMariaDB, station: str, account: str, find: Find) -> None:
    found = find(source, ini(server, station, account))
    assert {name for name, one in found.items() if one.status != "ok"} == set()
    listed = {name for part, name in CHECKS if part == "source"}
    assert {one.check for one in found.values()} == listed - ELSEWHERE


@pytest.mark.parametrize("name", WRONG)
def test_wrong_and_mended(server: PrivateMariaDB, station: str, name: str, find: Find) -> None:
    status, spoiling = WRONG[name]
    server.execute(*spoiling.split(";"), database=station)
    found = find(source, ini(server, station))
    odd = {"grants to write": "warning"}  # root's
    assert {n: f.status for n, f in found.items() if f.status != "ok"} == {**odd, name: status}
    assert found[name].statements()
    server.execute(*found[name].statements(), database=station)
    assert find(source, ini(server, station))[name].status == "ok"


def test_a_clock_that_is_wrong(
    server: PrivateMariaDB, station: str, account: str, find: Find
) -> None:
    server.execute("SET GLOBAL init_connect = 'SET timestamp = UNIX_TIMESTAMP() + 7200'")
    found = find(source, ini(server, station, account))["clock"]
    assert (found.status, found.message[:2]) == ("warning", "+7")


def test_more_grants_than_needed(
    server: PrivateMariaDB, station: str, account: str, find: Find
) -> None:
    server.execute(f"GRANT INSERT ON {station}.Reading TO {account}@localhost")
    found = find(source, ini(server, station, account))["grants to write"]
    assert (found.status, "INSERT" in found.message) == ("warning", True)
    assert found.statements() == []  # which rights it needs elsewhere, we cannot know


def test_missing_grants_are_given_by_the_sql(
    server: PrivateMariaDB, station: str, account: str, find: Find
) -> None:
    server.execute(f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {account}@localhost")
    server.execute(f"GRANT BINLOG MONITOR ON *.* TO {account}@localhost")
    bad = [f for f in find(source, ini(server, station, account)).values() if not f.ok]
    assert {one.check for one in bad} == {"grant REPLICATION SLAVE", "table"}
    server.execute(*{sql for one in bad for sql in one.statements()})
    assert all(one.ok for one in find(source, ini(server, station, account)).values())


def test_the_servers_own_number(server: PrivateMariaDB, station: str, find: Find) -> None:
    found = find(source, ini(server, station, number=17))["server_id"]
    assert (found.status, found.exit_code) == ("failure", 4)


def test_another_reader_with_our_number(server: PrivateMariaDB, station: str, find: Find) -> None:
    """A replica signs in with its number (COM_REGISTER_SLAVE), its address and a password."""
    replica = server.connect()
    replica._execute_command(0x15, struct.pack("<I3xHII", 3999, 3306, 0, 0))  # type: ignore[attr-defined]  # no stub
    replica._read_ok_packet()  # type: ignore[attr-defined]
    found = find(source, ini(server, station, number=3999))["replicas"]
    replica.close()
    assert (found.status, "3999" in found.message) == ("failure", True)


def test_another_reader_as_our_user(
    server: PrivateMariaDB, station: str, account: str, find: Find
) -> None:
    whole, start = endpoint(server, station, user=account), at(server, station)
    with BinlogStream(whole, server_id=3999, start=start, heartbeat=5.0) as reader:
        reader.poll(0.5)
        found = find(source, ini(server, station, account, number=99))["replicas"]
    assert (found.status, account in found.message) == ("warning", True)


def test_a_server_that_is_not_there(find: Find) -> None:
    found = find(source, f"[source]\nport = {free_port()}\n")
    assert {name: one.exit_code for name, one in found.items()} == {"connection": 3}
