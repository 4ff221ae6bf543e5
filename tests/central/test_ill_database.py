"""A database that is down or locked is 503 with Retry-After, never 500, and heals by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from demo.mariadbd import PrivateMariaDB
from replicator.central.settings import CentralSettings
from replicator.central.store import is_unavailable, wants_another_try
from tests.central.conftest import Client, reading, running


def test_a_locked_sqlite_database_is_503(sqlite_url: str, tmp_path: Path) -> None:
    with running(CentralSettings(database_url=sqlite_url)) as client:
        client.world()
        engine = client.database.engine
        event.listen(engine, "checkout", lambda c, *_: c.execute("PRAGMA busy_timeout=50"))
        other = sqlite3.connect(tmp_path / "central.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        reply = client.plain_bulk([reading()])
        assert (reply.status_code, reply.json()["error"]) == (503, "database-unavailable")
        assert int(reply.headers["Retry-After"]) > 0
        assert client.get("reading/") == []  # readers go on
        other.execute("ROLLBACK")
        other.close()
        assert client.plain_bulk([reading()]).status_code == 201


def test_a_dead_mariadb_is_503_and_comes_back(
    private_mariadb: Callable[..., PrivateMariaDB],
) -> None:
    server = private_mariadb("--innodb-flush-log-at-trx-commit=1")
    server.execute("CREATE DATABASE central")
    url = f"mysql+pymysql://root@127.0.0.1:{server.port}/central"
    with running(CentralSettings(database_url=url)) as client:
        client.world()
        assert client.plain_bulk([reading()]).status_code == 201
        server.kill()
        for method, path in (("POST", "bulk/"), ("GET", "node/"), ("POST", "house/")):
            reply = client.request(method, path, json=[] if path == "bulk/" else {})
            assert (reply.status_code, reply.json()["error"]) == (503, "database-unavailable")
            assert "Retry-After" in reply.headers
        assert client.request("GET", "../healthz").status_code == 503
        server.start()
        assert client.get("reading/") == [reading()]
        assert client.plain_bulk([reading(node=2)]).status_code == 201


def test_a_deadlock_is_tried_again(central: Client) -> None:
    if central.database.engine.dialect.name != "mysql":
        return
    calls: list[int] = []

    def work(connection: Any) -> int:
        calls.append(1)
        if len(calls) < 3:
            connection.exec_driver_sql("SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO=1213")
        return len(calls)

    assert central.database.write(work, references=False) == 3


def _error(*arguments: object, sqlstate: str | None = None) -> OperationalError:
    class Original(Exception):
        pass

    original = Original(*arguments)
    if sqlstate is not None:
        original.sqlstate = sqlstate  # type: ignore[attr-defined]  # as psycopg's errors have it
    return OperationalError("statement", {}, original)


@pytest.mark.parametrize(
    ("error", "unavailable", "again"),
    [
        (_error(1213, "Deadlock found"), True, True),
        (_error(2013, "Lost connection"), True, False),
        (_error(1114, "The table is full"), True, False),
        (_error(1054, "Unknown column"), False, False),
        (_error("database is locked"), True, False),
        (_error("database or disk is full"), True, False),
        (_error("no such table: House"), False, False),
        (_error("x", sqlstate="40P01"), True, True),
        (_error("x", sqlstate="57P01"), True, False),
        (_error("x", sqlstate="42P01"), False, False),
    ],
)
def test_which_errors_blame_the_database(
    error: OperationalError, unavailable: bool, again: bool
) -> None:
    assert is_unavailable(error) is unavailable
    assert wants_another_try(error) is again
