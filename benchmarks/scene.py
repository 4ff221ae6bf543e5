"""The processes of a benchmark: configuration in a folder, programs started from it, stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from benchmarks.progress import captured
from benchmarks.station import StationDatabase
from demo.mariadbd import free_port
from demo.processes import Child, ChildFailed
from replicator.cli.pipelines import Delivering
from replicator.config import Config

PATIENCE = 300.0

_INI = """\
[station]
name = {name}

[source]
unix_socket = {socket}
user = {user}
database = {database}

[outbox]
path = {folder}/outbox

[destination central]
url = {url}
heartbeat = {heartbeat}

[central]
listen = 127.0.0.1:{port}
database = {centre}
"""


class Scene:
    """A folder with a replicator.ini; ``station`` None where only the outbox's far side is needed.

    ``url``     of the central server; without one, where ``central()`` will listen
    ``centre``  the central server's database, as an SQLAlchemy URL; without one, a file of SQLite
    ``heartbeat``  seconds; 0: none
    """

    def __init__(
        self,
        folder: Path,
        station: StationDatabase | None = None,
        url: str = "",
        centre: str = "",
        heartbeat: float = 0,
    ) -> None:
        folder.mkdir()
        self.folder = folder
        port = free_port()
        self.url = url or f"http://127.0.0.1:{port}/"
        self.ini = folder / "replicator.ini"
        self.ini.write_text(
            _INI.format(
                name=folder.name,
                socket=station.server.socket if station else "/none",
                user=station.server.user if station else "none",
                database=station.name if station else "none",
                folder=folder,
                url=self.url,
                port=port,
                centre=centre or f"sqlite:///{folder}/central.db",
                heartbeat=heartbeat,
            )
        )

    @property
    def outbox(self) -> Path:
        """The outbox's folder."""
        return self.folder / "outbox"

    @property
    def central_file(self) -> Path:
        """The central server's database."""
        return self.folder / "central.db"

    def config(self) -> Config:
        """The configuration, loaded."""
        return Config.load(self.ini, {})

    def program(self, name: str) -> Child:
        """`replicator NAME`, not started."""
        return Child(name, ["replicator", name, "--config", str(self.ini)], self.folder, {})

    @contextmanager
    def central(self) -> Iterator[Child]:
        """Our central server on SQLite, answering."""
        with self.program("central") as child:
            wait(lambda: _answers(self.url), child)
            yield child

    @contextmanager
    def capturing(self) -> Iterator[Child]:
        """`replicator tail`, behind its snapshot of the reference rows."""
        with self.program("tail") as child:
            wait(lambda: captured(self.outbox) > 0, child)
            yield child


@contextmanager
def doing_nothing(folder: Path) -> Iterator[str]:
    """URL of a server that does nothing (benchmarks.nothing), in a process of its own."""
    folder.mkdir()
    arguments = ["benchmarks.nothing", "--folder", str(folder)]
    with Child("nothing", arguments, folder, {}) as child:
        wait((folder / "url").exists, child)
        yield (folder / "url").read_text()


def wait(
    done: Callable[[], bool], *children: Child, pause: float = 0.02, patience: float = PATIENCE
) -> None:
    """Until it is done. Raises ChildFailed when a child ends before, or after so many seconds."""
    deadline = time.monotonic() + patience
    while not done():
        if not all(child.running for child in children) or time.monotonic() > deadline:
            last = "\n".join(child.last_lines(15) for child in children)
            raise ChildFailed(f"a benchmark's process ended or hangs:\n{last}")
        time.sleep(pause)


def ship_all(delivering: Delivering) -> None:
    """Deliver until nothing waits."""
    while not ship_step(delivering):
        pass


def ship_step(delivering: Delivering) -> bool:
    """One step; True when nothing waits. A row that is not taken is a RuntimeError."""
    shipped = delivering.ship().step()
    if shipped.parked or shipped.retry:
        raise RuntimeError(f"a benchmark's rows were not all delivered: {shipped}")
    return shipped.idle


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}rest/capabilities/", timeout=5).ok
    except requests.ConnectionError:
        return False
