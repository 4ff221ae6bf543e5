"""What tail and ship cost while nothing happens: measured for seconds, told by the hour.

The heart beats once in these seconds; what one beat takes is told for as many as an hour has.
"""

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
from replicator.config import Config

_SETTLING = 1.0


def measure(figures: Figures, sizes: Sizes, server: PrivateMariaDB, folder: Path) -> None:
    """Adds ``idle``."""
    folder.mkdir()
    database = StationDatabase(server, "bench_idle")
    with doing_nothing(folder / "server") as url:
        scene = Scene(folder / "station", database, url, heartbeat=sizes.idle_seconds)
        with scene.capturing() as tail, scene.program("ship") as ship:
            children = (tail, ship)
            wait(lambda: 0 < captured(scene.outbox) <= settled(scene.outbox), *children)
            time.sleep(min(_SETTLING, sizes.idle_seconds))
            started, requested = time.monotonic(), _requests(url)
            beats = _requests(url, "heartbeats")
            used = [cpu_seconds(child.pid) for child in children]
            time.sleep(sizes.idle_seconds)
            cpu = [cpu_seconds(c.pid) - u for c, u in zip(children, used, strict=True)]
            requested = _requests(url) - requested
            beats = _requests(url, "heartbeats") - beats
            an_hour = 3600 / (time.monotonic() - started)
    database.drop()
    usual = 3600 / _usual_interval(folder)
    figures.add(
        "idle",
        measured_seconds=sizes.idle_seconds,
        requests_per_hour=(requested - beats) * an_hour + min(beats, 1) * usual,
        tail_cpu_seconds_per_hour=cpu[0] * an_hour,
        ship_cpu_seconds_per_hour=cpu[1] * an_hour,
    )


def _usual_interval(folder: Path) -> float:
    """Seconds between heartbeats where none are configured."""
    plain = folder / "plain.ini"
    plain.write_text("[destination central]\nurl = http://localhost/\n")
    (destination,) = Config.load(plain, {}).destinations
    return destination.heartbeat


def _requests(url: str, which: str = "count") -> int:
    return int(requests.get(f"{url}{which}", timeout=5).text)
