"""Servers for tests of capture: with and without row metadata, and one whose log may be reset."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.mariadbd import PrivateMariaDB
from tests.conftest import create_station


@pytest.fixture(scope="session")
def no_log() -> Iterator[PrivateMariaDB]:
    """A server whose log does not name its columns (the default of MariaDB, and older servers)."""
    with PrivateMariaDB(["--binlog-row-metadata=NO_LOG"]) as server:
        yield server


@pytest.fixture(scope="session")
def spare() -> Iterator[PrivateMariaDB]:
    """A server whose log and global settings a test may change; it sets the settings back."""
    with PrivateMariaDB() as server:
        yield server


@pytest.fixture
def spare_station(spare: PrivateMariaDB, _database_numbers: Iterator[int]) -> Iterator[str]:
    """A fresh station on ``spare``."""
    yield from _fresh(spare, _database_numbers)


@pytest.fixture
def no_log_station(no_log: PrivateMariaDB, _database_numbers: Iterator[int]) -> Iterator[str]:
    """A fresh station on ``no_log``."""
    yield from _fresh(no_log, _database_numbers)


@pytest.fixture(params=["FULL", "NO_LOG"])
def world(
    request: pytest.FixtureRequest, _database_numbers: Iterator[int]
) -> Iterator[tuple[PrivateMariaDB, str]]:
    """A server and a fresh station on it, once for each kind of row metadata."""
    server = request.getfixturevalue("mariadb" if request.param == "FULL" else "no_log")
    for name in _fresh(server, _database_numbers):
        yield server, name


def _fresh(server: PrivateMariaDB, numbers: Iterator[int]) -> Iterator[str]:
    name = f"ch{next(numbers)}"
    create_station(server, name)
    yield name
    server.execute(f"DROP DATABASE IF EXISTS {name}")
