"""A disk that runs full under the daemons, in two ways."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

Way = Literal["tmpfs", "limit"]
_INFINITY = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


class Disk(Protocol):
    """Room that ``fill`` takes away and ``free`` gives back."""

    def fill(self) -> None: ...
    def free(self) -> None: ...


class Tmpfs:
    """A file system of a few MiB."""

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no block free."""
        with self._ballast.open("wb", buffering=0) as file:
            for size in (1 << 16, 1 << 10, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:  # that was it
                    continue

    def free(self) -> None:
        """As before."""
        self._ballast.unlink()


class Limit:
    """No file of these processes may grow beyond what they have now: no root is needed for that."""

    def __init__(self, folder: Path, processes: Sequence[int]) -> None:
        self._folder = folder
        self._processes = processes

    def fill(self) -> None:
        """Forbid it."""
        largest = max(file.stat().st_size for file in self._folder.glob("*.db-wal"))
        for process in self._processes:
            resource.prlimit(process, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))

    def free(self) -> None:
        """Allow it."""
        for process in self._processes:
            resource.prlimit(process, resource.RLIMIT_FSIZE, _INFINITY)


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mount a small file system there; False where we may not."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "replicator-test", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
