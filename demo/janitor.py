"""Cleans up behind the demo however it ends, SIGKILL included.

Run as a program it makes a temporary folder, prints its path and waits until its standard input
ends, which the kernel sees to when the demo dies. Then it kills every process that has the folder
in its command line (the folder's name is random, so these are the demo's own) and removes it. The
line ``keep`` on its input makes it leave the folder. Standard library only: it must start at once.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

PREFIX = "replicator-demo-"


class Workplace:
    """``with Workplace() as folder:`` a folder for this process; gone afterwards, with all that
    runs in it.
    """

    def __init__(self, *, keep: bool = False) -> None:
        self._keep = keep
        self._janitor: subprocess.Popen[str] | None = None

    def __enter__(self) -> Path:
        self._janitor = subprocess.Popen(
            [sys.executable, "-I", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # the terminal's Ctrl-C is not for the janitor
        )
        assert self._janitor.stdout is not None
        folder = self._janitor.stdout.readline().rstrip("\n")
        self._janitor.stdout.close()
        if not folder:
            raise RuntimeError("no temporary folder could be made")
        return Path(folder)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # it is ending already
        assert self._janitor is not None
        self._janitor.communicate("keep\n" if self._keep else "")


def sweep(folder: Path) -> None:
    """Kill what runs in the folder and remove it, until there is neither."""
    while _kill(str(folder)) or folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.02)


def _kill(folder: str) -> int:
    """SIGKILL every other process with ``folder`` in its command line; how many there were."""
    killed = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):  # it ended meanwhile, or is somebody else's
                if folder.encode() in (entry / "cmdline").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)
                    killed += 1
    return killed


def main() -> None:
    """See the module's text."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(f"{folder}\n")
        sys.stdout.flush()
    if sys.stdin.read() != "keep\n":
        sweep(folder)


if __name__ == "__main__":
    main()
