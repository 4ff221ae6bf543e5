"""Our central server on a MariaDB of its own, and a witness there of what arrives when."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import requests

from demo.mariadbd import PrivateMariaDB, free_port
from demo.processes import Child
from demo.scratch import float_bits, text
from demo.sides import MariaDBSide
from demo.witness import Act, watch_station
from tests.cluster.history import NODES_A_STATION
from tests.faults.world import until

DATABASE = "central"
_ACT = f"{DATABASE}_witness.act"
_WITNESS = (
    f"ALTER TABLE {_ACT} ADD at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),"
    " ADD connection BIGINT NOT NULL DEFAULT (CONNECTION_ID())",
    f"CREATE TRIGGER {DATABASE}.witness_receipt AFTER INSERT ON {DATABASE}.receipt FOR EACH ROW"
    f" INSERT INTO {_ACT} (op, tab) VALUES ('put', 'receipt')",
)
_NEW = (
    f"SELECT n, UNIX_TIMESTAMP(at), node DIV {NODES_A_STATION} FROM {_ACT}"
    " WHERE n > %s AND node IS NOT NULL ORDER BY n"
)
_ACTS = f"SELECT connection, op, tab, time, node, part, value FROM {_ACT} ORDER BY n"


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
            self._database.execute(*_WITNESS)
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
        except requests.RequestException:
            return False

    def look(self) -> None:
        """Take note of what has come since."""
        shift = time.monotonic() - time.time()
        rows = self._select(_NEW, (self._seen,))
        self.arrivals += [(float(at) + shift, int(station)) for _, at, station in rows]
        if rows:
            self._seen = int(rows[-1][0])

    def closed_lanes(self, states: Sequence[tuple[str, int]]) -> int:
        """How many of these node states, by (time, node), are there."""
        marks = ", ".join(["(%s, %s)"] * len(states))
        cells = [cell for state in states for cell in state]
        sql = f"SELECT count(*) FROM {DATABASE}.NodeState WHERE (time, nodeId) IN ({marks})"
        ((found,),) = self._select(sql, cells)
        return int(found)

    def counts(self) -> tuple[int, int]:
        """Readings and node states."""
        ((readings,),) = self._select(f"SELECT count(*) FROM {DATABASE}.Reading")
        ((states,),) = self._select(f"SELECT count(*) FROM {DATABASE}.NodeState")
        return int(readings), int(states)

    def batches(self) -> Iterator[Sequence[Act]]:
        """What each batch changed, in the order of their ends. Inside, the order means nothing."""
        open_batches: defaultdict[int, list[Act]] = defaultdict(list)
        for connection, op, table, *cells in self._select(_ACTS):
            if table == "receipt":  # the last that a batch stores
                yield open_batches.pop(connection, [])
            elif op != "before":  # keys do not change
                time_of, node, part, value = cells
                content = "deleted" if op == "delete" else float_bits(value)
                open_batches[connection].append(Act(text(table, time_of, node, part), content))
        yield from open_batches.values()

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
