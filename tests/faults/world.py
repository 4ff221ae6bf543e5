"""A whole replication in one folder: station, outbox, configuration, commands, proxy, centre.

Tests say what happens at the station and on the link, and run the real commands as processes.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from demo.mariadbd import PrivateMariaDB, die_with_parent
from tests.faults.centres import Centre
from tests.faults.compare import Difference, compare
from tests.faults.proxy import FaultProxy
from tests.fire.zygote import Zygote

USER = "fieldstation"
PASSWORD = "only-reads"  # a loopback user of a throw-away server
GRANTS = (
    f"CREATE USER IF NOT EXISTS {USER}@localhost IDENTIFIED BY '{PASSWORD}'",
    f"GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO {USER}@localhost",
)
DEADLINE = 60.0
_HURRY = 20  # a command that ends waits so much shorter between its tries
_FLOATS = {
    "Reading": ("value",),
    "NodeState": ("rssi",),
    "Sensor": ("calibrationSlope", "calibrationOffset"),
    "SensorType": ("c0", "c1", "c2", "c3"),
}


@dataclass(frozen=True)
class Run:
    """A command that has ended."""

    code: int
    out: str
    err: str


class World:
    """The replicator's database user can read and follow the binlog, and nothing else.

    ``environment``: variables for the commands, beside PATH and HOME. ``stream``: [outbox] url,
    where the outbox is a stream and not a folder; ``run`` forks from ``zygote`` where there is one.
    """

    def __init__(
        self,
        server: PrivateMariaDB,
        database: str,
        folder: Path,
        centre: Centre,
        proxy: FaultProxy,
        server_id: int,
        *,
        zygote: Zygote | None = None,
        stream: str = "",
    ) -> None:
        self._server = server
        self._database = database
        self._folder = folder
        self._server_id = server_id
        self._zygote = zygote
        self.stream = stream
        self.centre = centre
        self.proxy = proxy
        self.outbox = folder / "outbox"
        self.environment: dict[str, str] = {}
        self._children: list[subprocess.Popen[str]] = []
        grant = f"GRANT SELECT ON {database}.* TO {USER}@localhost"
        self.connect()
        self.sql(*GRANTS, grant)
        self.configure()

    def configure(self, **keys: str | int | float) -> None:
        """Write replicator.ini, with these keys in [destination central]."""
        destination = {"url": f"{self.proxy.url}/", "timeout": 10, "retry_blocked": 0.05}
        destination |= {"heartbeat": 0, **keys}
        lines = "\n".join(f"{key} = {value}" for key, value in destination.items())
        self.config = self._folder / "replicator.ini"
        self.config.write_text(
            f"[station]\nname = fieldstation\n"
            f"[source]\nunix_socket = {self._server.socket}\nuser = {USER}\n"
            f"password = {PASSWORD}\ndatabase = {self._database}\n"
            f"server_id = {self._server_id}\n"
            f"[outbox]\npath = {self.outbox}\n{self._url()}"
            f"[destination central]\n{lines}\n"
        )

    def _url(self) -> str:
        return f"url = {self.stream}\nreplicas = 1\nmax_size = 16 MiB\n" if self.stream else ""

    def connect(self) -> None:
        """Log in at the station, again after ``disconnect``."""
        self._connection = self._server.connect(self._database)

    def disconnect(self) -> None:
        """Log out, so that the server can be restarted."""
        self._connection.close()

    # --- the station ---------------------------------------------------------------------------

    def sql(self, *statements: str) -> None:
        """Statements at the station, each a transaction of its own."""
        with self._connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def commit(self, *rows: tuple[str, Mapping[str, Any]]) -> None:
        """Rows into the station's tables in one transaction, a statement for each."""
        self._connection.begin()
        with self._connection.cursor() as cursor:
            for table, row in rows:
                columns = ", ".join(f"`{column}`" for column in row)
                marks = ", ".join(["%s"] * len(row))
                sql = f"INSERT INTO {table} ({columns}) VALUES ({marks})"
                cursor.execute(sql, tuple(row.values()))
        self._connection.commit()

    def insert(self, table: str, *rows: Mapping[str, Any]) -> None:
        """Rows into one table in one transaction, a statement for each."""
        self.commit(*((table, row) for row in rows))

    def rows(self, table: str) -> Sequence[dict[str, Any]]:
        """Every row of a station's table, times as ISO text, FLOATs with all their bits."""
        floats = _FLOATS.get(table, ())
        exact = "".join(f", `{column}` + 0e0 AS `exact {column}`" for column in floats)
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT *{exact} FROM {table}")
            names = [column[0] for column in cursor.description or ()]
            found = [dict(zip(names, map(_plain, row), strict=True)) for row in cursor.fetchall()]
        for row in found:
            row.update({column: row.pop(f"exact {column}") for column in floats})
        return found

    # --- the commands --------------------------------------------------------------------------

    def run(self, *arguments: str) -> Run:
        """A command, as a process, until it ends."""
        if self._zygote is not None:
            argv = ["--config", str(self.config), *arguments]
            environment = self._environment()
            how = {"hurry": _HURRY, "environment": environment}
            ended = self._zygote.run(argv, self._folder, **how)
            return Run(ended.code, ended.out, ended.err)
        child = self.start(*arguments)
        try:
            out, err = child.communicate(timeout=DEADLINE)
        finally:
            self.end(child)
        return Run(child.returncode, out, err)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A command, as a process; ends with the world at the latest."""
        child = subprocess.Popen(
            [sys.executable, "-m", "replicator", "--config", str(self.config), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment(),
            preexec_fn=die_with_parent,  # noqa: PLW1509  # only prctl
        )
        self._children.append(child)
        return child

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self._folder),
            **self.environment,
        }

    def end(self, child: subprocess.Popen[str]) -> None:
        """SIGKILL, where it still runs."""
        child.kill()
        child.communicate()
        self._children.remove(child)

    def tail_once(self) -> None:
        """Capture all there is."""
        _expect(self.run("tail", "--once"))

    def ship_once(self, *codes: int) -> Run:
        """Deliver all there is; ``codes``: how the command may end, where not with 0."""
        return _expect(self.run("ship", "--once"), *codes)

    def replicate(self) -> None:
        """Capture and deliver all there is."""
        self.tail_once()
        self.ship_once()

    def close(self) -> None:
        """Kill what still runs."""
        for child in list(self._children):
            self.end(child)
        if self._connection.open:
            self._connection.close()

    # --- what came of it -----------------------------------------------------------------------

    def backlog(self) -> dict[str, Any]:
        """What `replicator backlog --json` says of the destination."""
        (destination,) = self.whole_backlog()["destinations"]
        said: dict[str, Any] = destination
        return said

    def whole_backlog(self) -> dict[str, Any]:
        """All of what `replicator backlog --json` says."""
        said: dict[str, Any] = json.loads(_expect(self.run("backlog", "--json")).out)
        return said

    def parked(self) -> dict[str, int]:
        """Reason → rows parked for it; every reason comes with a sentence."""
        found = self.backlog()["parked"]
        assert all(each["detail"] for each in found)
        return {each["reason"]: each["rows"] for each in found}

    def captures(self) -> bool:
        """Whether a tail is at work: it holds its lock, wherever the outbox is."""
        file = self.outbox / ("capture.lock" if self.stream else "tail.lock")
        if not file.exists():
            return False
        with file.open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def says_tail(self, state: str) -> bool:
        """Whether the backlog says this of tail; False while there is no outbox yet."""
        said = self.run("backlog", "--json")
        return said.code == 0 and json.loads(said.out)["tail"]["daemon"]["state"] == state

    def lose_mappings(self) -> None:
        """Delete what is known of the destination: mappings, cursor, parked rows.

        Where the outbox is a stream, the whole folder that ship works in.
        """
        for file in self.outbox.iterdir():
            if file.is_file() and (self.stream or not file.name.startswith("outbox.db")):
                file.unlink()

    def compare(self) -> Difference:
        """Station against centre, by code that is not the replicator's."""
        return compare(self.rows, self.centre.rows)

    def arrived(self, table: str = "") -> list[Mapping[str, Any]]:
        """Stream rows in the order the centre took them."""
        return [row for row in self.proxy.arrivals if table in ("", row["__table__"])]

    def requests(self, path: str) -> int:
        """How many requests have come by whose path contains this."""
        return sum(path in request.path for request in self.proxy.requests)


def _expect(run: Run, *codes: int) -> Run:
    wanted = codes or (0,)
    assert run.code in wanted, f"ended with {run.code}, not {wanted}:\n{run.out}{run.err}"
    assert "Traceback" not in run.err, run.err
    return run


def _plain(cell: Any) -> Any:
    return cell.isoformat() if isinstance(cell, datetime) else cell


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that must happen soon."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)
