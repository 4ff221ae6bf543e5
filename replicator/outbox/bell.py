"""News from tail to ship without asking for it: a FIFO that tail touches after each commit.

Only a hint. Ship still looks into the outbox from time to time, so that a bell that cannot be
hung, or that nobody rings, costs a little delay and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path

_DRAINED_BYTES = 4096


def _path(folder: Path, destination: str) -> Path:
    return folder / f"ship-{destination}.bell"


def _opened(path: Path, way: int) -> int:
    """Raises OSError, also where a copied folder has a file of that name, which is always ready."""
    descriptor = os.open(path, way | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileExistsError(path)
    return descriptor


class Ear:
    """A destination's ship listens; the caller holds the role's lock.

    ``fileno``  readable when the bell was rung; None where the folder's file system has no FIFOs
    """

    def __init__(self, folder: Path, destination: str) -> None:
        self._path = _path(folder, destination)
        self.fileno: int | None = None
        with contextlib.suppress(OSError):  # then ship looks more often
            with contextlib.suppress(FileExistsError):  # left by one that was killed
                os.mkfifo(self._path, 0o600)
            # Open for writing too: else it would be at its end whenever tail is not there.
            self.fileno = _opened(self._path, os.O_RDWR)

    def hush(self) -> None:
        """Forget what was rung; look into the outbox after it, never before."""
        if self.fileno is not None:
            with contextlib.suppress(BlockingIOError):
                while os.read(self.fileno, _DRAINED_BYTES):
                    pass

    def close(self) -> None:
        """Take the bell away."""
        if self.fileno is not None:
            os.close(self.fileno)
            self.fileno = None
            self._path.unlink(missing_ok=True)


class Bell:
    """Tail rings for every destination whose ship listens."""

    def __init__(self, folder: Path, destinations: Sequence[str]) -> None:
        self._folder = folder
        self._open: dict[str, int | None] = dict.fromkeys(destinations)

    def ring(self) -> None:
        """Something was committed."""
        for name in self._open:
            try:
                self._touch(name)
            except BlockingIOError:  # full: its ship has enough to wake up for
                continue
            except OSError:  # nobody listens, or cannot be reached: it is only a hint
                self._hang_up(name)

    def _touch(self, name: str) -> None:
        listener = self._open[name]
        if listener is None:
            listener = self._open[name] = _opened(_path(self._folder, name), os.O_WRONLY)
        os.write(listener, b"!")

    def _hang_up(self, name: str) -> None:
        listener = self._open[name]
        if listener is not None:
            os.close(listener)
            self._open[name] = None

    def close(self) -> None:
        """Close what is open."""
        for name in self._open:
            self._hang_up(name)
