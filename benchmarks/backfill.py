"""A backlog of history into our central server, on MariaDB and on SQLite, at one station's pace.

The rows are in the station's log already. The clock runs from the start of tail and ship, which are
processes like the central server, until ship has settled every row: the centre has stored it.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from benchmarks.figures import Figures, seconds
from benchmarks.progress import captured, settled
from benchmarks.scene import Scene, wait
from benchmarks.sizes import Sizes
from benchmarks.station import StationDatabase
from benchmarks.workload import bulk_inserts
from demo.mariadbd import PrivateMariaDB

_OPTIONS = ("--skip-log-bin", "--innodb-buffer-pool-size=512M", "--innodb-log-file-size=512M")


def measure(figures: Figures, sizes: Sizes, server: PrivateMariaDB, folder: Path) -> None:
    """Adds ``backfill_mariadb`` and ``backfill_sqlite``."""
    folder.mkdir()
    database = StationDatabase(server, "bench_backfill")
    home = folder / "db"
    home.mkdir()
    with PrivateMariaDB(folder=home, options=_OPTIONS) as central:
        central.execute("CREATE DATABASE central")
        url = f"mysql+pymysql://{central.user}@/central?unix_socket={central.socket}"
        on_mariadb = Scene(folder / "m", database, centre=url)
        on_sqlite = Scene(folder / "s", database)
        for scene in (on_mariadb, on_sqlite):
            _introduce(scene)
        database.run(bulk_inserts(sizes.backfilled))
        figures.add("backfill_mariadb", readings_per_s=_rate(on_mariadb, sizes.backfilled))
    figures.add("backfill_sqlite", readings_per_s=_rate(on_sqlite, sizes.backfilled))
    database.drop()


def _introduce(scene: Scene) -> None:
    """Houses, nodes and so on are at the centre before the clock runs."""
    with scene.central() as central, scene.capturing() as tail, scene.program("ship") as ship:
        known = captured(scene.outbox)
        wait(lambda: settled(scene.outbox) >= known, central, tail, ship)


def _rate(scene: Scene, readings: int) -> float:
    """Readings a second, of all that wait in the station's log."""
    total = captured(scene.outbox) + readings
    with scene.central() as central, ExitStack() as stack:
        children = [central]

        def run() -> None:
            for name in ("tail", "ship"):
                children.append(stack.enter_context(scene.program(name)))
            wait(lambda: settled(scene.outbox) >= total, *children, pause=0.05)

        return readings / seconds(run)
