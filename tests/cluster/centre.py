"""Our central server on a MariaDB of its own, and a witness there of what arrives when."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import requests

from demo.mariadbd import PrivateMariaDB, free_port
from demo.processes import Child
from demo.sides import MariaDBSide
from demo.witness import Act, station_acts, watch_station
from tests.cluster.history import NODES_A_STATION
from tests.faults.world import until

DATABASE = "central"
_NEW = (
    f"SELECT n, UNIX_TIMESTAMP(at), node DIV {NODES_A_STATION} FROM {DATABASE}_witness.act"
    " WHERE n > %s ORDER BY n"
)


class Centre:
    """``arrivals``: (monotonic time, station) of each stream row stored so far, after ``look``."""

    def __init__(self, folder: Path) -> None:
        self.arrivals: list[tuple[float, int]] = []
        self._seen = 0
        self._folder = folder
        self._database = PrivateMariaDB(["--skip-log-bin", "--innodb-buffer-pool-size=256M"])
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._ini = folder / "central.ini"
        self._ini.write_text(
            f"[central]\nlisten = 127.0.0.1:{port}\ndatabase = mysql+pymysql://root@localhost/"
            f"{DATABASE}?unix_socket={self._database.socket}\n"
        )
        self._child = Child(
            "centre", ["replicator", "central", "--config", str(self._ini)], folder, {}
        )

    def __enter__(self) -> Centre:
        try:
            self._database.__enter__()
            self._database.execute(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")
            self.start()
            until(self._answers, "the central server's first answer")
            watch_station(self._database, DATABASE)
            self._database.execute(
                f"ALTER TABLE {DATABASE}_witness.act"
                " ADD at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)"
            )
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._database.close()

    def start(self) -> None:
        """Start it; it listens a moment later."""
        self._child.start()

    def kill(self) -> None:
        """SIGKILL."""
        self._child.kill()

    def _answers(self) -> bool:
        assert self._child.running
        try:
            return requests.get(f"{self.url}/rest/sensortype/", timeout=10).status_code == 200
        except requests.ConnectionError:
            return False

    def look(self) -> None:
        """Take note of what has come since."""
        shift = time.monotonic() - time.time()
        rows = self._select(_NEW, (self._seen,))
        self.arrivals += [(float(at) + shift, int(station)) for _, at, station in rows]
        if rows:
            self._seen = int(rows[-1][0])

    def counts(self) -> tuple[int, int]:
        """Readings and node states."""
        ((readings,),) = self._select(f"SELECT count(*) FROM {DATABASE}.Reading")
        ((states,),) = self._select(f"SELECT count(*) FROM {DATABASE}.NodeState")
        return int(readings), int(states)

    def acts(self) -> Sequence[Act]:
        """All that the witness saw, in order."""
        return station_acts(self._database, DATABASE)

    def side(self) -> MariaDBSide:
        """For the judge."""
        return MariaDBSide(
            unix_socket=self._database.socket, user=self._database.user, database=DATABASE
        )

    def _select(self, sql: str, values: Sequence[Any] = ()) -> Sequence[tuple[Any, ...]]:
        with closing(self._database.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(sql, values)
            found: Sequence[tuple[Any, ...]] = cursor.fetchall()
        return found
