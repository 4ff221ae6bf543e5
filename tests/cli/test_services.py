"""The daemons as systemd sees them: real processes, a real $NOTIFY_SOCKET."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.mariadbd import PrivateMariaDB
from tests.cli.scene import Scene, until
from tests.cli.systemd import Systemd
from tests.faults.centres import Centre, centre_of
from tests.faults.proxy import FaultProxy, hang, say


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    """What a server is does not matter here."""
    with centre_of("ours", tmp_path) as running:
        yield running


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
    systemd.has_heard(
        r"STATUS=ship centre waiting until \S+: .*; tail running.*|"
        r"STATUS=tail running.*; ship centre waiting until \S+: .*"
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
    path = systemd.folder / "replicator.ini"
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
