"""The server as a process: ends cleanly, and a SIGKILL loses nothing it acknowledged."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import sqlalchemy as sa

from demo.mariadbd import die_with_parent, free_port
from replicator.central.engine import open_engine
from replicator.central.schema import CENTRAL_SCHEMA, TABLES
from replicator.central.serve import serve
from replicator.central.settings import CentralSettings
from replicator.errors import ConfigError
from tests.central.conftest import RECEIPT, reading

PROGRAM = """
import sys
from replicator.central.serve import serve
from replicator.central.settings import CentralSettings
serve(CentralSettings(database_url=sys.argv[1], port=0))
"""


class Server:
    """A server process; ``root`` ends in ``/rest/``."""

    def __init__(self, url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, url],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509  # only prctl
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:"), line
        self.root = line.split()[-1] + "rest/"

    def end(self, signum: int) -> int:
        self.process.send_signal(signum)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait(30)


Starter = Callable[[str], Server]


@pytest.fixture
def process() -> Iterator[Starter]:
    servers: list[Server] = []

    def make(url: str) -> Server:
        servers.append(Server(url))
        return servers[-1]

    yield make
    for server in servers:
        if server.process.poll() is None:
            server.end(signal.SIGKILL)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly(process: Starter, sqlite_url: str, signum: int) -> None:
    server = process(sqlite_url)
    with requests.Session() as session:  # with a connection still open
        assert session.get(f"{server.root}capabilities/", timeout=30).status_code == 200
        assert server.end(signum) == 0


def test_the_stations_of_a_fleet_may_all_stay_connected(process: Starter, sqlite_url: str) -> None:
    server = process(sqlite_url)
    where = urlsplit(server.root)
    with ExitStack() as stack:
        for _ in range(150):
            idle = socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=30)
            stack.enter_context(idle)
        assert requests.get(f"{server.root}capabilities/", timeout=10).status_code == 200


def test_sigkill_loses_no_acknowledged_row(process: Starter, database_url: str) -> None:
    acknowledged: list[str] = []
    number = 0
    for _ in range(3):
        server = process(database_url)
        world = [{"__table__": "Node", "id": 1}, {"__table__": "SensorType", "id": 0}]
        requests.post(f"{server.root}bulk/", json=world, timeout=30).raise_for_status()
        killer = threading.Timer(0.15, server.process.kill)
        with requests.Session() as session:
            while True:
                number += 1
                times = [_time(number, i) for i in range(20)]
                rows = [reading(t) for t in times]
                try:
                    reply = session.post(
                        f"{server.root}bulk/", json=rows, headers=RECEIPT, timeout=30
                    )
                except requests.RequestException:
                    break
                assert reply.json()["stored"] == len(rows)
                acknowledged += times
                if killer.ident is None:  # from the first answer on
                    killer.start()
        killer.join()
        server.end(signal.SIGKILL)
    engine = open_engine(database_url)
    with engine.connect() as connection:
        stored = set(connection.execute(sa.select(TABLES["Reading"].sql.c.time)).scalars())
    engine.dispose()
    assert acknowledged
    assert set(acknowledged) <= stored


def _time(batch: int, row: int) -> str:
    return (datetime(2015, 3, 1) + timedelta(minutes=batch, seconds=row)).isoformat()  # noqa: DTZ001


def test_an_address_in_use_is_a_config_error(process: Starter, sqlite_url: str) -> None:
    port = int(process(sqlite_url).root.split(":")[2].split("/")[0])
    with pytest.raises(ConfigError, match="Cannot listen"):
        serve(CentralSettings(database_url=sqlite_url, port=port))


def test_a_newer_database_is_refused(database_url: str) -> None:
    engine = open_engine(database_url)
    with engine.begin() as connection:
        connection.execute(sa.update(CENTRAL_SCHEMA).values(version=99))
    try:
        with pytest.raises(ConfigError, match="newer version"):
            open_engine(database_url)
    finally:
        with engine.begin() as connection:
            connection.execute(sa.update(CENTRAL_SCHEMA).values(version=1))
        engine.dispose()


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "sqlite://", "sqlite:///:memory:", "oracle+x://a@b/c", "sqlite+nix:///a"],
)
def test_unusable_urls_are_config_errors(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_engine(url)
    assert caught.value.hint


def test_a_password_is_never_shown(tmp_path: Path) -> None:
    secret = "hunter2"
    url = f"mysql+pymysql://u:{secret}@127.0.0.1:{free_port()}/c"
    with pytest.raises(Exception, match="cannot be used") as caught:
        open_engine(url)
    assert secret not in str(caught.value)
    assert secret not in repr(CentralSettings(database_url=url))
