"""How long a disk takes to make a little durable: the usual time, and the rare one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from replicator.outbox.disk import commit_seconds

_TRIES = 200
_LONGEST_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Of fdatasync after 4 KiB, seconds."""

    count: int
    p50: float
    p99: float


def fsync_latency(folder: Path) -> Latency:
    """Measure it in a folder, a few seconds at most. Raises OSError."""
    times = sorted(commit_seconds(folder, _TRIES, _LONGEST_SECONDS))
    return Latency(len(times), times[len(times) // 2], times[len(times) * 99 // 100])
