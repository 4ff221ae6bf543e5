"""Two real shippers: what they say of their stations, and what the centre keeps of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click.testing
import pytest

from demo.mariadbd import die_with_parent
from demo.natsd import PrivateNats
from replicator.change import Change, Op
from replicator.cli.main import main
from tests.cli.scene import until
from tests.contract.backends import JetStream, place, write
from tests.faults.centres import Centre, centre_of

STATIONS = ("north 1", "north 2", "south 1")
READING = ("time", "nodeId", "type", "locationId", "value")


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    with centre_of("ours", tmp_path) as running:
        yield running


class Ships:
    """Shippers with a folder each."""

    def __init__(self, server: PrivateNats, centre: Centre, folder: Path) -> None:
        self._server, self._centre, self._folder = server, centre, folder
        self._stack = ExitStack()

    def ini(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        path = folder / "replicator.ini"
        path.write_text(
            "[source]\nuser = u\npassword = p\n[fleet]\nstations = *\nlease = 2 s\n"
            f"[outbox]\npath = {folder}\nurl = {self._server.url}/S\nreplicas = 1\n"
            f"[destination centre]\nurl = {self._centre.url}/\nheartbeat = 0\n"
        )
        path.chmod(0o600)
        return path

    def start(self, name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "replicator", "--config", str(self.ini(name)), "ship"]
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent,  # noqa: PLW1509  # only prctl
        )
        self._stack.callback(child.wait)
        self._stack.callback(child.kill)
        return child

    def run(self, *arguments: str) -> click.testing.Result:
        return click.testing.CliRunner().invoke(main, ["--config", str(self.ini("a")), *arguments])

    def look(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("backlog", "--json").stdout)
        return found

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def ships(own_nats: PrivateNats, centre: Centre, tmp_path: Path) -> Iterator[Ships]:
    made = Ships(own_nats, centre, tmp_path)
    yield made
    made.close()


def captured(server: PrivateNats, folder: Path, station: str, number: int) -> None:
    """A node of its own, and readings of it."""
    backend = JetStream(server.url, station, folder)
    rows = [(f"2026-03-01T00:00:{n:02}", number, 0, None, float(n)) for n in range(20)]
    with backend.open() as outbox:
        outbox.begin_at(place(0), None)
        kind = Change("SensorType", Op.INSERT, ("id", "name"), [(0, "temperature")])
        node = Change("Node", Op.INSERT, ("id",), [(number,)])
        write(outbox, 1, kind, node, Change("Reading", Op.INSERT, READING, rows))
        outbox.flush()


def test_shippers_say_how_their_stations_stand(
    ships: Ships, own_nats: PrivateNats, centre: Centre, tmp_path: Path
) -> None:
    for number, station in enumerate(STATIONS, 11):
        captured(own_nats, tmp_path / "tail", station, number)
    ships.start("a")
    second = ships.start("b")
    until(lambda: len(centre.rows("Reading")) == 60, "all readings")

    def shared() -> bool:
        """Both have their share, and have said how it stands: until then some are in no hands."""
        found = ships.look()
        total = found["total"]
        return (
            sorted(each["stations"] for each in found["shippers"]) == [1, 2]
            and (total["stations"], total["waiting_rows"]) == (3, 0)
            and total["states"] == {"running": 3}
        )

    until(shared, "reports of what was delivered")
    found = ships.look()
    assert (found["stations"], found["held"], found["unheld"], found["unread"]) == (3, 3, 0, 0)
    assert len(found["shippers"]) == 2
    assert {each["station"] for each in found["total"]["worst"]} == set(STATIONS)
    assert found["level"] == "fine", found
    assert {row["station"] for row in centre.rows("holding")} == set(STATIONS)
    assert ships.run("backlog", "--check").exit_code == 0
    second.kill()
    until(lambda: [s["live"] for s in ships.look()["shippers"]] in ([True], [True, False]), "one")
    until(lambda: ships.look()["held"] == 3, "its stations in other hands")
