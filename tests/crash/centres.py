"""A central server of either kind as a process that can be killed and started again."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import requests

from demo.mariadbd import free_port
from demo.processes import Child
from tests.faults.centres import Kind
from tests.faults.world import until
from tests.original.process import OriginalProcess


class CentreProcess(Protocol):
    """``url`` without a slash at its end; ``database``: its SQLite file, readable at any time."""

    @property
    def url(self) -> str: ...
    @property
    def database(self) -> Path: ...
    def start(self) -> None:
        """Start it on what the last one left."""

    def kill(self) -> None:
        """SIGKILL."""


class OurProcess:
    """`replicator central` on SQLite, on a port of its own."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "central.db"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        ini = folder / "central.ini"
        ini.write_text(f"[central]\nlisten = 127.0.0.1:{port}\ndatabase = sqlite:///{folder}/")
        with ini.open("a") as file:
            file.write("central.db\n")
        self._child = Child("centre", ["replicator", "central", "--config", str(ini)], folder, {})

    def start(self) -> None:
        """Start it; it listens a moment later."""
        self._child.start()

    def kill(self) -> None:
        """SIGKILL."""
        self._child.kill()


def start_centre(kind: Kind, folder: Path) -> CentreProcess:
    """An empty central server of a kind, once it answers."""
    centre: CentreProcess = OriginalProcess(folder) if kind == "original" else OurProcess(folder)
    centre.start()
    until(lambda: _answers(centre.url), "the central server's first answer")
    return centre


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/rest/sensortype/", timeout=10).status_code == 200
    except requests.RequestException:
        return False
