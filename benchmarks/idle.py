"""What tail and ship cost while nothing happens: measured for seconds, told by the hour."""

from __future__ import annotations

import time
from pathlib import Path

import requests

from benchmarks.figures import Figures
from benchmarks.progress import captured, settled
from benchmarks.scene import Scene, doing_nothing, wait
from benchmarks.sizes import Sizes
from benchmarks.station import StationDatabase
from benchmarks.usage import cpu_seconds
from demo.mariadbd import PrivateMariaDB

_SETTLING = 1.0


def measure(figures: Figures, sizes: Sizes, server: PrivateMariaDB, folder: Path) -> None:
    """Adds ``idle``."""
    folder.mkdir()
    database = StationDatabase(server, "bench_idle")
    with doing_nothing(folder / "server") as url:
        scene = Scene(folder / "station", database, url)
        with scene.capturing() as tail, scene.program("ship") as ship:
            children = (tail, ship)
            wait(lambda: 0 < captured(scene.outbox) <= settled(scene.outbox), *children)
            time.sleep(min(_SETTLING, sizes.idle_seconds))
            started, requested = time.monotonic(), _requests(url)
            used = [cpu_seconds(child.pid) for child in children]
            time.sleep(sizes.idle_seconds)
            cpu = [cpu_seconds(c.pid) - u for c, u in zip(children, used, strict=True)]
            requested = _requests(url) - requested
            an_hour = 3600 / (time.monotonic() - started)
    database.drop()
    figures.add(
        "idle",
        measured_seconds=sizes.idle_seconds,
        requests_per_hour=requested * an_hour,
        tail_cpu_seconds_per_hour=cpu[0] * an_hour,
        ship_cpu_seconds_per_hour=cpu[1] * an_hour,
    )


def _requests(url: str) -> int:
    return int(requests.get(f"{url}count", timeout=5).text)
