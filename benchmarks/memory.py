"""Peak memory of tail and of ship, each a process of its own, over a backlog."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import Figures
from benchmarks.progress import captured, settled
from benchmarks.scene import Scene, doing_nothing, wait
from benchmarks.sizes import Sizes
from benchmarks.station import StationDatabase
from benchmarks.usage import peak_megabytes
from benchmarks.workload import bulk_inserts
from demo.mariadbd import PrivateMariaDB
from demo.processes import Child


def measure(figures: Figures, sizes: Sizes, server: PrivateMariaDB, folder: Path) -> None:
    """Adds ``memory``: first tail reads the whole backlog, then ship delivers it to nobody.

    And ``capture_memory``: then tail reads one transaction that changes every row of it.
    """
    folder.mkdir()
    database = StationDatabase(server, "bench_memory")
    with doing_nothing(folder / "server") as url:
        scene = Scene(folder / "station", database, url)
        with scene.capturing():
            total = captured(scene.outbox) + sizes.backlog
        database.run(bulk_inserts(sizes.backlog))
        tail_peak = _peak(scene.program("tail"), lambda: captured(scene.outbox) >= total)
        ship_peak = _peak(scene.program("ship"), lambda: settled(scene.outbox) >= total)
        database.run(["UPDATE Reading SET value = value + 1"])
        total += sizes.backlog
        change_peak = _peak(scene.program("tail"), lambda: captured(scene.outbox) >= total)
    database.drop()
    peak = max(tail_peak, change_peak)
    figures.add("capture_memory", transaction_rows=sizes.backlog, peak_mb=peak)
    figures.add("memory", rows=sizes.backlog, tail_peak_mb=tail_peak, ship_peak_mb=ship_peak)


def _peak(program: Child, done: Callable[[], bool]) -> float:
    with program:
        wait(done, program, pause=0.1)
        return peak_megabytes(program.pid)
