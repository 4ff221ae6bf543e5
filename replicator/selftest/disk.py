"""How long a disk takes to make a little durable."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TRIES = 200
_LONGEST_SECONDS = 4.0
_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Latency:
    """Of fsync after 4 KiB, seconds."""

    count: int
    p50: float
    p99: float


def fsync_latency(folder: Path) -> Latency:
    """Measure it in a folder, a few seconds at most. Raises OSError."""
    path = folder / "fsync"
    times: list[float] = []
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        end = time.monotonic() + _LONGEST_SECONDS
        while len(times) < _TRIES and time.monotonic() < end:
            os.write(file, os.urandom(_BYTES))
            before = time.perf_counter()
            os.fsync(file)
            times.append(time.perf_counter() - before)
    finally:
        os.close(file)
        path.unlink()
    times.sort()
    return Latency(len(times), times[len(times) // 2], times[len(times) * 99 // 100])
