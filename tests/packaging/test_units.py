"""The services: systemd takes the units as they are, and their command lines do what they say."""

from __future__ import annotations

import configparser
import ctypes
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.mariadbd import PrivateMariaDB
from replicator.cli.main import COMMANDS
from replicator.config import Config
from tests.cli.systemd import Systemd

UNITS = Path(__file__).parents[2] / "provision" / "systemd"
ROLES = ("tail", "ship", "run", "central", "web")
DROP_IN = UNITS / "replicator-.service.d" / "10-replicator.conf"
_PROGRAM = "/opt/replicator/bin/replicator"
_CONFIG = "/etc/replicator/replicator.ini"


def unit(role: str) -> Path:
    return UNITS / f"replicator-{role}.service"


def setting(path: Path, section: str, key: str) -> str:
    """The value of a key that is there once."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as they are written
    parser.read(path)
    return parser[section][key]


def seconds(text: str) -> float:
    """Of "10min"."""
    match = re.fullmatch(r"(\d+)(min)?", text)
    assert match, text
    return int(match[1]) * (60 if match[2] else 1)


def analyze(folder: Path, *arguments: str | Path) -> str:
    """systemd-analyze of all units, the program replaced by one that is here; what it prints."""
    units = folder / "units"
    shutil.copytree(UNITS, units)
    for role in ROLES:
        here = units / unit(role).name
        here.write_text(here.read_text().replace(_PROGRAM, sys.executable))
    verify = shutil.which("systemd-analyze")
    assert verify, "provision/packages.txt has it in [develop]"
    done = subprocess.run(
        [verify, *arguments, *(units / unit(role).name for role in ROLES)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_there_is_a_unit_for_each_daemon_and_no_other() -> None:
    assert {path.name for path in UNITS.glob("*.service")} == {unit(role).name for role in ROLES}
    assert set(ROLES) <= set(COMMANDS)


def test_systemd_finds_no_fault_in_them(tmp_path: Path) -> None:
    assert analyze(tmp_path, "verify", "--man=no") == ""


def test_they_are_exposed_to_little(tmp_path: Path) -> None:
    """systemd's own measure, 0 to 10, and 1.2 when this was written."""
    said = analyze(tmp_path, "security", "--offline=true", "--threshold=15", "--no-pager")
    levels = re.findall(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert len(levels) == len(ROLES)
    assert max(map(float, levels)) <= 1.5


@pytest.mark.parametrize("role", ROLES)
def test_one_never_gives_up_and_a_hanging_one_is_ended(role: str) -> None:
    command = setting(unit(role), "Service", "ExecStart")
    assert command == f"{_PROGRAM} {role} --config {_CONFIG}"
    assert setting(DROP_IN, "Service", "Type") == "notify"
    assert setting(DROP_IN, "Service", "User") == "replicator"
    assert setting(DROP_IN, "Service", "Restart") == "on-failure"
    assert setting(DROP_IN, "Unit", "StartLimitIntervalSec") == "0"


def test_the_watchdog_waits_longer_than_the_longest_step(tmp_path: Path) -> None:
    """Twice, and what goes by between two words that we go on."""
    path = tmp_path / "replicator.ini"
    path.write_text("[destination a]\nurl = http://a\n")
    config = Config.load(path, {})
    source, centre = config.source, config.destinations[0]
    steps = {
        "tail": source.connect_timeout + 3 * source.heartbeat,
        "ship": centre.connect_timeout + centre.timeout,
    }
    steps["run"] = max(steps.values())
    for role, step in steps.items():
        assert seconds(setting(unit(role), "Service", "WatchdogSec")) * 4 / 5 > 2 * step
        assert seconds(setting(unit(role), "Service", "TimeoutStartSec")) > 2 * step


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    running = Systemd(tmp_path)
    yield running
    running.close()


@pytest.fixture
def reader(mariadb: PrivateMariaDB) -> Iterator[str]:
    """A database user with a password of its own."""
    name = f"reader{os.getpid()}"
    mariadb.execute(
        f"CREATE USER {name}@'127.0.0.1' IDENTIFIED BY 'of systemd'",
        f"GRANT REPLICATION SLAVE, BINLOG MONITOR, SELECT ON *.* TO {name}@'127.0.0.1'",
    )
    yield name
    mariadb.execute(f"DROP USER {name}@'127.0.0.1'")


def no_new_code() -> None:
    """As MemoryDenyWriteExecute, where the kernel can (6.3)."""
    ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)


@pytest.mark.parametrize("role", ROLES)
def test_the_command_lines_start(
    systemd: Systemd,
    tmp_path: Path,
    mariadb: PrivateMariaDB,
    station: str,
    reader: str,
    role: str,
) -> None:
    """With the secrets where LoadCredential puts them; the folder of secrets cannot be read."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for name, text in (("password", "of systemd\n"), ("token", "token\n")):
        (credentials / f"secrets_{name}").write_text(text)
        (credentials / f"secrets_{name}").chmod(0o400)
    assert setting(DROP_IN, "Service", "LoadCredential") == "secrets:/etc/replicator/secrets"
    path = tmp_path / "replicator.ini"
    path.write_text(
        f"[source]\nport = {mariadb.port}\nuser = {reader}\ndatabase = {station}\n"
        f"password_file = secrets/password\n[outbox]\npath = {tmp_path}/outbox\n"
        "[destination centre]\nurl = http://127.0.0.1:9/\ntoken_file = secrets/token\n"
        f"[central]\nlisten = 127.0.0.1:0\ndatabase = sqlite:///{tmp_path}/c.db\n"
        "[web]\nlisten = 127.0.0.1:0\n"
    )
    program, *arguments = shlex.split(setting(unit(role), "Service", "ExecStart"))
    assert program == _PROGRAM
    service = systemd.start(
        *(sys.executable, "-m", "replicator"),
        *(str(path) if argument == _CONFIG else argument for argument in arguments),
        prepare=no_new_code,
        CREDENTIALS_DIRECTORY=str(credentials),
    )
    systemd.hears("READY=1")
    if role in ("central", "web"):
        systemd.has_heard(r"STATUS=listening on http://127\.0\.0\.1:\d+/")
        systemd.has_heard("WATCHDOG=1")
    if role in ("tail", "run"):
        systemd.has_heard(r"STATUS=(tail )?running(;.*)?")
    service.terminate()
    systemd.hears("STOPPING=1")
    assert service.wait(30) == 0
