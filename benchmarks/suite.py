"""All benchmarks, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import (
    backfill,
    capture,
    growth,
    idle,
    latency,
    memory,
    outbox,
    publishing,
    sharing,
    shipping,
    tailing,
    verify,
    whole,
    wire,
)
from benchmarks.figures import Figures
from benchmarks.sizes import Sizes
from demo.mariadbd import PrivateMariaDB

Benchmark = Callable[[Figures, Sizes, PrivateMariaDB, Path], None]

BENCHMARKS: Mapping[str, Benchmark] = {
    "capture": lambda figures, sizes, server, _: capture.measure(figures, sizes, server),
    "outbox": lambda figures, sizes, _, folder: outbox.measure(figures, sizes, folder),
    "tail": tailing.measure,
    "ship": lambda figures, sizes, _, folder: shipping.measure(figures, sizes, folder),
    "wire": lambda figures, sizes, _, folder: wire.measure(figures, sizes, folder),
    "end-to-end": whole.measure,
    "verify": verify.measure,
    "backfill": backfill.measure,
    "memory": memory.measure,
    "growth": lambda figures, sizes, _, folder: growth.measure(figures, sizes, folder),
    "idle": idle.measure,
    "latency": latency.measure,
    "publish": lambda figures, sizes, _, folder: publishing.measure(figures, sizes, folder),
    "fleet": lambda figures, sizes, _, folder: sharing.measure(figures, sizes, folder),
}
