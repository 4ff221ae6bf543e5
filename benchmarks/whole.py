"""The whole way: rows that the station's database commits, until the central server has them."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

from benchmarks.figures import Figures, seconds
from benchmarks.scene import Scene, wait
from benchmarks.shipping import one_by_one
from benchmarks.sizes import Sizes
from benchmarks.station import StationDatabase
from benchmarks.workload import bulk_inserts
from demo.mariadbd import PrivateMariaDB
from demo.simulator import NODES, TYPES
from replicator.change import Row


def measure(figures: Figures, sizes: Sizes, server: PrivateMariaDB, folder: Path) -> None:
    """Adds ``end_to_end``: the clock runs from the first INSERT at the station on."""
    database = StationDatabase(server, "bench_whole")
    scene = Scene(folder, database)
    with scene.central() as central, scene.capturing() as tail, scene.program("ship") as ship:
        children = (central, tail, ship)
        wait(lambda: _stored(scene, "Sensor") == NODES * len(TYPES), *children)

        def run() -> None:
            database.run(bulk_inserts(sizes.end_to_end))
            wait(lambda: _stored(scene, "Reading") == sizes.end_to_end, *children, pause=0.05)

        ours = sizes.end_to_end / seconds(run)
        rows = _new_rows(scene, sizes.plain_end_to_end)
        plain = len(rows) / seconds(lambda: one_by_one(scene.url, rows))
    figures.add(
        "end_to_end",
        readings_per_s=ours,
        one_per_post_per_s=plain,
        vs_one_per_post=ours / plain,
    )
    database.drop()


def _stored(scene: Scene, table: str) -> int:
    with closing(sqlite3.connect(f"file:{scene.central_file}?mode=ro", uri=True)) as centre:
        return int(centre.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _new_rows(scene: Scene, number: int) -> list[Row]:
    """Readings that the centre does not have yet, of a node and a place that it knows."""
    with closing(sqlite3.connect(f"file:{scene.central_file}?mode=ro", uri=True)) as centre:
        node, kind, place = centre.execute(
            "SELECT nodeId, type, locationId FROM Reading WHERE locationId IS NOT NULL LIMIT 1"
        ).fetchone()
    rng = random.Random(1)
    return [
        (f"2030-01-01T{n // 3600:02d}:{n // 60 % 60:02d}:{n % 60:02d}", node, kind, place,
         round(rng.gauss(20, 2), 4))
        for n in range(number)
    ]  # fmt: skip
