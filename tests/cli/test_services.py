"""The daemons as systemd sees them: real processes, a real $NOTIFY_SOCKET."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.mariadbd import PrivateMariaDB, die_with_parent
from tests.cli.scene import Scene, until
from tests.faults.centres import Centre, centre_of
from tests.faults.proxy import FaultProxy, hang, say

_WATCHDOG_SECONDS = 2.0


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    """What a server is does not matter here."""
    with centre_of("ours", tmp_path) as running:
        yield running


class Systemd:
    """Starts services as systemd would, and keeps what they tell it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "notify"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._listener.bind(str(self._path))
        self._children: list[subprocess.Popen[bytes]] = []
        self.told: list[str] = []

    def start(self, *command: str | Path, **environ: str) -> subprocess.Popen[bytes]:
        """Ends with the test at the latest."""
        with (self._folder / "log").open("ab") as log:
            child = subprocess.Popen(
                [str(part) for part in command],
                cwd=self._folder,
                env={
                    **{k: v for k, v in os.environ.items() if not k.startswith("REPLICATOR_")},
                    "NOTIFY_SOCKET": str(self._path),
                    "WATCHDOG_USEC": str(int(_WATCHDOG_SECONDS * 1e6)),
                    **environ,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,  # noqa: PLW1509  # only prctl
            )
        self._children.append(child)
        return child

    def replicator(self, *arguments: str | Path) -> subprocess.Popen[bytes]:
        """The program of this checkout."""
        return self.start(sys.executable, "-m", "replicator", *arguments)

    def listen(self, seconds: float) -> list[str]:
        """What comes within that time, or at once."""
        found: list[str] = []
        self._listener.settimeout(seconds)
        try:
            while True:
                found += self._listener.recv(65536).decode().split("\n")
                self._listener.settimeout(0.001)
        except (TimeoutError, BlockingIOError):
            self.told += found
            return found

    def hears(self, word: str) -> None:
        """Wait for a word that begins so, from now on."""

        def came() -> bool:
            return any(each.startswith(word) for each in self.listen(0.1))

        until(came, f"{word} in {(self._folder / 'log').read_text()}")

    def hears_nothing_of(self, word: str) -> bool:
        """For as long as the watchdog's time."""
        self.listen(0.0)
        deadline = time.monotonic() + _WATCHDOG_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            if word in self.listen(left):
                return False
        return True

    def close(self) -> None:
        """Kill what still runs."""
        for child in self._children:
            child.kill()
            child.wait()
        self._listener.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    """The service manager."""
    running = Systemd(tmp_path)
    yield running
    running.close()


def state(pid: int) -> str:
    """Of a process: R, S, T."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def ends(child: subprocess.Popen[bytes], systemd: Systemd) -> None:
    """It is told to stop, says so, and ends well."""
    child.terminate()
    systemd.hears("STOPPING=1")
    assert child.wait(30) == 0


def test_tail_and_ship(
    systemd: Systemd, scene: Scene, proxy: FaultProxy, mariadb: PrivateMariaDB, station: str
) -> None:
    """One process of both, `run`: ready, its states in words, fed; stopped it is not fed."""
    source = f"host = 127.0.0.1\nport = {mariadb.port}\nuser = {mariadb.user}\n"
    scene.writer.close()
    text = scene.path.read_text().replace("user = u\npassword = p\n", source)
    outbox = scene.folder / "new"
    text = text.replace(str(scene.outbox), str(outbox))
    scene.path.write_text(text.replace("[outbox]", f"database = {station}\n[outbox]"))
    mariadb.execute(
        "INSERT INTO SensorType (id, name, units) VALUES (0, 'type 0', 'u')",
        "INSERT INTO Node (id) VALUES (69)",
        "INSERT INTO Reading (time, nodeId, type, value) VALUES ('2026-03-01', 69, 0, 1.5)",
        database=station,
    )
    proxy.plan(say(503, retry_after=3600), times=None)
    service = systemd.replicator("run", "--config", scene.path)
    systemd.hears("READY=1")
    until(
        lambda: any(
            "ship centre waiting until" in line and "tail running" in line
            for line in [*systemd.told, *systemd.listen(0.1)]
        ),
        f"what both do, in words, after {systemd.told}",
    )
    systemd.hears("WATCHDOG=1")  # one waits for an hour, on purpose
    systemd.hears("WATCHDOG=1")
    service.send_signal(signal.SIGSTOP)
    until(lambda: state(service.pid) == "T", "the process to stop")
    assert systemd.hears_nothing_of("WATCHDOG=1")
    service.send_signal(signal.SIGCONT)
    systemd.hears("WATCHDOG=1")
    ends(service, systemd)


def test_a_source_that_accepts_and_never_answers(systemd: Systemd) -> None:
    """Within its own timeouts, and between its tries, tail is ready and goes on."""
    deaf = socket.create_server(("127.0.0.1", 0))
    path = systemd._path.parent / "replicator.ini"
    path.write_text(
        f"[source]\nport = {deaf.getsockname()[1]}\nheartbeat = 0.2\n"
        f"[outbox]\npath = {path.parent}/outbox\n"
    )
    service = systemd.replicator("tail", "--config", path)
    systemd.hears("READY=1")
    assert any(line.startswith("STATUS=waiting until") for line in systemd.told)
    systemd.hears("WATCHDOG=1")
    systemd.hears("WATCHDOG=1")
    ends(service, systemd)
    deaf.close()


def test_a_ship_whose_request_hangs_is_not_fed(
    systemd: Systemd, scene: Scene, proxy: FaultProxy
) -> None:
    """Longer than a step may take by its timeouts: then it hangs, and is restarted."""
    scene.readings(1, [1])
    proxy.plan(hang(60), times=None)
    service = systemd.replicator("ship", "--config", scene.path)
    systemd.hears("READY=1")
    until(proxy.has_struck_since_calm, "the request")
    assert systemd.hears_nothing_of("WATCHDOG=1")
    service.kill()


@pytest.mark.parametrize("role", ["central", "web"])
def test_the_servers(systemd: Systemd, tmp_path: Path, role: str) -> None:
    path = tmp_path / "replicator.ini"
    path.write_text(
        f"[outbox]\npath = {tmp_path}/outbox\n[central]\ndatabase = sqlite:///{tmp_path}/c.db\n"
    )
    service = systemd.replicator(role, "--config", path, "--listen", "127.0.0.1:0")
    systemd.hears("READY=1")
    assert any(line.startswith("STATUS=listening on http://") for line in systemd.told)
    ends(service, systemd)
