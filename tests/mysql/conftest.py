"""A MySQL 5.6 for the tests here; they are skipped where ``make mysql`` has not fetched it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.mysql.server import SERVER, PrivateMySQL

GTIDS = ("--gtid-mode=ON", "--enforce-gtid-consistency", "--log-slave-updates")


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """All tests of this folder need the server."""
    if (SERVER / "mysqld").exists():
        return
    for item in items:
        if "mysql" in item.path.parent.name:
            item.add_marker(
                pytest.mark.skip(reason="no MySQL here: `make mysql` fetches and runs it")
            )


@pytest.fixture(scope="session")
def with_gtids() -> Iterator[PrivateMySQL]:
    """gtid_mode = ON, checksums."""
    server = PrivateMySQL(GTIDS)
    with server:
        yield server


@pytest.fixture(scope="session")
def without_gtids() -> Iterator[PrivateMySQL]:
    """gtid_mode = OFF, no checksums."""
    server = PrivateMySQL(["--binlog-checksum=NONE"])
    with server:
        yield server


@pytest.fixture
def private_mysql() -> Iterator[Callable[..., PrivateMySQL]]:
    """A factory of servers that this test alone uses."""
    servers: list[PrivateMySQL] = []

    def make(*options: str) -> PrivateMySQL:
        server = PrivateMySQL(options or GTIDS)
        servers.append(server)
        server.__enter__()
        return server

    yield make
    for server in servers:
        server.close()
