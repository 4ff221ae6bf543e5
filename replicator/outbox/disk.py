"""How long a disk takes to make a little durable, as SQLite asks for it at a commit."""

from __future__ import annotations

import os
import time
from pathlib import Path

_BYTES = 4096


def commit_seconds(folder: Path, tries: int, longest: float) -> list[float]:
    """Seconds of fdatasync behind 4 KiB each, in order: ``tries`` of them, at least one.

    ``longest``: seconds after which no other is begun. In a file that is removed. Raises OSError.
    """
    path = folder / "commits"
    took: list[float] = []
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        end = time.monotonic() + longest
        while not took or (len(took) < tries and time.monotonic() < end):
            os.write(file, os.urandom(_BYTES))
            before = time.perf_counter()
            os.fdatasync(file)
            took.append(time.perf_counter() - before)
    finally:
        os.close(file)
        path.unlink()
    return took
