"""What every test may ask for: a private MariaDB of this test process, and a station in it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from demo.mariadbd import PrivateMariaDB
from demo.natsd import PrivateNats
from tests.fire.zygote import Zygote

_LONG = (
    "test_benchmarks.py",
    "cluster",
    "crash",
    "demo",
    "packaging",
    "test_storms.py",
    "test_disk.py",
)
settings.register_profile("suite", deadline=None)  # nothing here is timed
settings.load_profile("suite")

STATION_SCHEMA = Path(__file__).parent.parent / "demo" / "station.sql"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long ones first: else a worker has them left when the others have nothing more to do."""
    items.sort(key=lambda item: not set(_LONG) & set(item.path.parts))


@pytest.fixture(scope="session")
def mariadb() -> Iterator[PrivateMariaDB]:
    """One server for all tests of this process that do not change it. Never kill this one."""
    with PrivateMariaDB() as server:
        yield server


@pytest.fixture(scope="session")
def _database_numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
def station(mariadb: PrivateMariaDB, _database_numbers: Iterator[int]) -> Iterator[str]:
    """Name of a fresh database with the station schema on the shared server; dropped afterwards."""
    name = f"ch{next(_database_numbers)}"
    create_station(mariadb, name)
    yield name
    mariadb.execute(f"DROP DATABASE {name}")


def create_station(server: PrivateMariaDB, name: str) -> None:
    """A database with the base station's schema, empty."""
    server.execute(f"CREATE DATABASE {name}")
    statements = [s for s in STATION_SCHEMA.read_text().split(";") if s.strip()]
    server.execute(*statements, database=name)


@pytest.fixture
def private_mariadb() -> Iterator[Callable[..., PrivateMariaDB]]:
    """A factory of servers that this test alone uses: it may kill and reconfigure them."""
    servers: list[PrivateMariaDB] = []

    def make(*options: str) -> PrivateMariaDB:
        server = PrivateMariaDB(options)
        servers.append(server)
        return server.__enter__()

    yield make
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def nats_server() -> Iterator[PrivateNats]:
    """One NATS server for all tests of this process that do not change it. Never kill this one."""
    with PrivateNats(max_file_store=1 << 40) as server:  # each test's streams reserve some
        yield server


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """Forks commands from a process that has imported them."""
    with Zygote() as running:
        yield running
