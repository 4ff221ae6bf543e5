"""However the demo ends, no process and no folder is left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.janitor import Workplace

_PATIENCE = 60.0
_ROOT = Path(__file__).parents[2]


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A short path: the MariaDB server's socket has to fit below it."""
    folder = Path(tempfile.mkdtemp(prefix="tidy-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def signals() -> Iterator[None]:
    """What this process does on signals comes back afterwards."""
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def processes_of(folder: Path) -> list[str]:
    """Command lines of the processes that were told of the folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it has ended
        if str(folder) in line:
            found.append(line)
    return found


def wait_until_clean(folder: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if not list(folder.iterdir()) and not processes_of(folder):
            return
        time.sleep(0.05)
    raise AssertionError((list(folder.iterdir()), processes_of(folder)))


def start_demo(temporary: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "demo", "--rows", "3000", "--packets", "100000"]
    return subprocess.Popen(
        [*command, "--rate", "50", "--kills", "1000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
        cwd=_ROOT,
        start_new_session=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize(
    "step", ["a private MariaDB server", "a station with", "a central server", "live packets"]
)
def test_a_signal_at_any_step_leaves_nothing(
    temporary: Path, step: str, number: signal.Signals
) -> None:
    demo = start_demo(temporary)
    try:
        assert demo.stdout is not None
        lines = []
        for line in demo.stdout:
            lines.append(line)
            if step in line:
                break
        assert step in lines[-1], lines
        if number == signal.SIGKILL:
            demo.kill()
        else:
            os.killpg(demo.pid, number)  # as a terminal does with Ctrl-C
        code = demo.wait(_PATIENCE)
        assert code == (-signal.SIGKILL if number == signal.SIGKILL else 130)
        wait_until_clean(temporary)
    finally:
        demo.kill()
        demo.communicate()


def test_the_janitor_kills_what_runs_in_the_folder(
    temporary: Path, signals: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(temporary))
    with Workplace() as folder:
        (folder / "some").mkdir()
        sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)", folder])
    assert sleeper.wait(_PATIENCE) == -signal.SIGKILL
    wait_until_clean(temporary)


def test_the_janitor_keeps_the_folder_when_told(
    temporary: Path, signals: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(temporary))
    with Workplace(keep=True) as folder:
        (folder / "some").mkdir()
    assert (folder / "some").is_dir()
