"""What systemd hears: over a real socket, from real processes started as the units start them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.mariadbd import free_port
from replicator.cli.notify import Notifier
from replicator.cli.signals import Stop
from tests.cli.conftest import Station

UNITS = Path(__file__).parents[2] / "provision" / "systemd"
ROLES = ("tail", "ship", "run", "central")
WATCHDOG = {"WATCHDOG_USEC": "400000"}


class Systemd:
    """The end that listens."""

    def __init__(self, address: str) -> None:
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._line.bind(address.replace("@", "\0", 1))
        self._line.settimeout(30)
        self.environ = {"NOTIFY_SOCKET": address}

    def hear(self, beginning: str) -> str:
        """The next datagram that begins so; others may come before."""
        while True:
            said = self._line.recv(4096).decode()
            if said.startswith(beginning):
                return said

    def waiting(self) -> list[str]:
        """What has come."""
        found = []
        self._line.setblocking(False)
        try:
            while True:
                found.append(self._line.recv(4096).decode())
        except BlockingIOError:
            self._line.settimeout(30)
            return found

    def close(self) -> None:
        self._line.close()


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    abstract = f"@replicator-test-{os.getpid()}"
    made = Systemd(abstract if request.param == "abstract" else str(tmp_path / "notify"))
    yield made
    made.close()


def test_of_two_loops_both_must_be_alive(systemd: Systemd) -> None:
    now = [0.0]
    notifier = Notifier({**systemd.environ, **WATCHDOG}, lambda: now[0])
    stop = Stop()
    first, second = (notifier.loop(name, stop) for name in ("tail", "home"))
    first.is_set()
    assert systemd.waiting() == []
    second.is_set()
    assert systemd.waiting() == ["READY=1"]
    for _ in range(5):  # the second hangs
        now[0] += 1.0
        first.wait(0)
    assert systemd.waiting() == ["WATCHDOG=1"]  # for its first round
    second.wait(0)
    assert systemd.waiting() == ["WATCHDOG=1"]
    first.say("following\nthe log")
    first.say("following\nthe log")
    assert systemd.waiting() == ["STATUS=tail: following the log"]


def test_a_process_that_is_not_meant_is_silent(systemd: Systemd) -> None:
    now = [0.0]
    notifier = Notifier({**systemd.environ, **WATCHDOG, "WATCHDOG_PID": "1"}, lambda: now[0])
    loop = notifier.loop("tail", Stop())
    for _ in range(3):
        now[0] += 9.0
        loop.is_set()
    assert systemd.waiting() == ["READY=1"]
    Notifier({}).send("READY=1")
    Notifier({"NOTIFY_SOCKET": "/nowhere/notify"}).send("READY=1")


def service(role: str) -> dict[str, list[str]]:
    """The keys of a unit's [Service]."""
    found: dict[str, list[str]] = {}
    text = (UNITS / f"replicator-{role}.service").read_text()
    for key, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def started(request: pytest.FixtureRequest, folder: Station) -> Iterator[subprocess.Popen[str]]:
    """A unit's own command line, with its credentials, its paths in the test's folder."""
    role, environ = request.param
    folder.ini(
        f"[source]\nport = {free_port()}\n[outbox]\npath = box\n"
        f"[destination a]\nurl = http://127.0.0.1:{free_port()}/\n"
        "[central]\nlisten = 127.0.0.1:0\n"
    )
    unit = service(role)
    credentials = folder.folder / "credentials"
    credentials.mkdir()
    for credential in unit.get("LoadCredential", []):
        (credentials / credential.split(":")[0]).write_text("a secret")
    settings = [e.replace("%d", str(credentials)) for e in unit.get("Environment", [])]
    (line,) = unit["ExecStart"]
    program, *arguments = shlex.split(line)
    assert program == "/opt/replicator/bin/replicator"
    arguments[arguments.index("--config") + 1] = str(folder.path)
    heard = Systemd(str(folder.folder / "socket"))
    process = folder.start(
        *arguments,
        environ={**dict(s.split("=", 1) for s in settings), **heard.environ, **environ},
    )
    process.heard = heard  # type: ignore[attr-defined]  # the two belong together
    yield process
    process.kill()
    process.communicate()
    heard.close()


@pytest.mark.parametrize("started", [(role, {}) for role in ROLES], indirect=True, ids=ROLES)
def test_a_unit_starts_and_stops(started: subprocess.Popen[str]) -> None:
    systemd: Systemd = started.heard  # type: ignore[attr-defined]
    systemd.hear("READY=1")
    if "ship" not in started.args:  # type: ignore[operator]  # which waits for an outbox
        assert re.match(r"STATUS=\w+: ", systemd.hear("STATUS="))
    started.terminate()
    systemd.hear("STOPPING=1")
    assert started.wait(30) == 0


@pytest.mark.parametrize("started", [("tail", WATCHDOG)], indirect=True)
def test_a_hung_loop_does_not_feed_the_watchdog(started: subprocess.Popen[str]) -> None:
    """Its source is not there: it waits politely, and is alive."""
    systemd: Systemd = started.heard  # type: ignore[attr-defined]
    assert "waiting: " in systemd.hear("STATUS=")
    systemd.hear("WATCHDOG=1")
    started.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, started.pid, os.WSTOPPED | os.WNOWAIT)
    systemd.waiting()
    with pytest.raises(subprocess.TimeoutExpired):
        started.wait(2.5)
    assert systemd.waiting() == []
    started.send_signal(signal.SIGCONT)
    systemd.hear("WATCHDOG=1")


def test_the_units_are_verified(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    assert program, "Debian's package systemd"
    units = []
    for unit in UNITS.glob("*.service"):
        copy = tmp_path / unit.name
        copy.write_text(unit.read_text().replace("/opt/replicator/bin/replicator", sys.executable))
        units.append(copy)
    assert len(units) == 5
    done = subprocess.run(
        [program, "verify", *units], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
