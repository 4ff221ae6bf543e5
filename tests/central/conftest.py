"""A real central server on loopback: waitress, over SQLite and over MariaDB."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from waitress import wasyncore

from demo.mariadbd import PrivateMariaDB
from replicator.central.app import create_app
from replicator.central.engine import open_engine
from replicator.central.schema import METADATA
from replicator.central.serve import build_server
from replicator.central.settings import CentralSettings
from replicator.central.store import Database
from replicator.serving import server_url

Row = dict[str, Any]
RECEIPT = {"X-Replicator-Receipt": "1"}


@dataclass
class Client:
    """Talks to one central server; ``root`` ends in ``/rest/``."""

    root: str
    database: Database
    headers: dict[str, str] = field(default_factory=dict)

    def request(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = {**self.headers, **more.pop("headers", {})}
        more = {"timeout": 60, "allow_redirects": False, **more}
        return requests.request(method, self.root + path, headers=headers, **more)

    def get(self, path: str, **more: Any) -> Any:
        reply = self.request("GET", path, **more)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def post(self, path: str, row: object) -> Any:
        reply = self.request("POST", path, json=row)
        assert reply.status_code in (200, 201), reply.text
        return reply.json()

    def bulk(self, rows: Sequence[object]) -> Row:
        """With a receipt."""
        reply = self.request("POST", "bulk/", json=rows, headers=RECEIPT)
        assert reply.status_code == 200, reply.text
        receipt: Row = reply.json()
        return receipt

    def plain_bulk(self, rows: Sequence[object]) -> requests.Response:
        return self.request("POST", "bulk/", json=rows)

    def world(self) -> Row:
        """Nodes 1 to 3, sensor types 0 to 5, one house with a location; the location's id."""
        house = self.post("house/", {"address": "1 Main St"})
        location: Row = self.post("location/", {"houseId": house["id"]})
        rows = [{"__table__": "Node", "id": i} for i in (1, 2, 3)]
        rows += [{"__table__": "SensorType", "id": i, "name": f"t{i}"} for i in range(6)]
        assert self.plain_bulk(rows).status_code == 201
        return location


def reading(time: str = "2015-03-01T00:00:03", node: int = 1, kind: int = 0, **more: Any) -> Row:
    row = {"__table__": "Reading", "time": time, "nodeId": node, "type": kind}
    return {**row, "locationId": None, "value": 18.2596, **more}


@contextmanager
def running(settings: CentralSettings) -> Iterator[Client]:
    """The server as serve() builds it, in a thread of this process."""
    app = create_app(replace(settings, port=0))
    database: Database = app.extensions["replicator"]
    server = build_server(app, replace(settings, port=0))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield Client(f"{server_url(server)}rest/", database)
    finally:
        server.task_dispatcher.shutdown()
        sockets = dict(server._map)
        server.trigger.pull_trigger(server._map.clear)  # the loop ends when it has nothing left
        thread.join(30)
        wasyncore.close_all(sockets)
        database.engine.dispose()


@pytest.fixture(scope="session")
def _central_mariadb(mariadb: PrivateMariaDB) -> str:
    """URL of one database on the shared server, used by one test after the other."""
    mariadb.execute("CREATE DATABASE central_contract")
    return f"mysql+pymysql://root@localhost/central_contract?unix_socket={mariadb.socket}"


def empty(url: str) -> None:
    """Remove all rows, children first."""
    engine = open_engine(url)
    with engine.begin() as connection:
        for table in reversed(METADATA.sorted_tables):
            if table.name != "central_schema":
                connection.execute(sa.delete(table))
    engine.dispose()


# A PostgreSQL to test with as well, e.g. postgresql+psycopg://user@localhost/empty
POSTGRESQL = os.environ.get("REPLICATOR_TEST_POSTGRESQL", "")
KINDS = ["sqlite", "mariadb", *(["postgresql"] if POSTGRESQL else [])]


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty central database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'central.db'}"
    if request.param == "postgresql":
        empty(POSTGRESQL)
        return POSTGRESQL
    url: str = request.getfixturevalue("_central_mariadb")
    empty(url)
    return url


@pytest.fixture
def central(database_url: str) -> Iterator[Client]:
    """A server on each kind of database, no token needed."""
    with running(CentralSettings(database_url=database_url)) as client:
        yield client


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'central.db'}"


@pytest.fixture
def start(sqlite_url: str) -> Iterator[Callable[..., Client]]:
    """Start a server over SQLite with these settings."""
    with ExitStack() as stack:

        def make(**settings: Any) -> Client:
            chosen = CentralSettings(**{"database_url": sqlite_url, **settings})
            return stack.enter_context(running(chosen))

        yield make
