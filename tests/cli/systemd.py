"""A stand-in of systemd: starts services, listens to what they tell it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from demo.mariadbd import die_with_parent
from tests.cli.scene import until

_WATCHDOG_SECONDS = 1.0


class Systemd:
    """Starts services as systemd would, and keeps what they tell it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "notify"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._listener.bind(str(self._path))
        self._children: list[subprocess.Popen[bytes]] = []
        self.told: list[str] = []

    def start(
        self,
        *command: str | Path,
        prepare: Callable[[], object] = lambda: None,
        **environ: str,
    ) -> subprocess.Popen[bytes]:
        """Ends with the test at the latest. ``prepare`` is called in the process beforehand."""

        def before() -> None:
            die_with_parent()
            prepare()

        with (self.folder / "log").open("ab") as log:
            child = subprocess.Popen(
                [str(part) for part in command],
                cwd=self.folder,
                env={
                    **{k: v for k, v in os.environ.items() if not k.startswith("REPLICATOR_")},
                    "NOTIFY_SOCKET": str(self._path),
                    "WATCHDOG_USEC": str(int(_WATCHDOG_SECONDS * 1e6)),
                    **environ,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=before,  # noqa: PLW1509  # only prctl
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

        until(came, f"{word} in {(self.folder / 'log').read_text()}")

    def has_heard(self, pattern: str) -> None:
        """Wait for a whole word of that pattern, unless it has come already."""

        def came() -> bool:
            self.listen(0.1)
            return any(re.fullmatch(pattern, word) for word in self.told)

        until(came, f"{pattern} in {self.told}")

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
