"""Finding one changed, one missing and one extra row at the centre, and what that costs."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from benchmarks.figures import Figures, seconds
from benchmarks.progress import captured, settled
from benchmarks.scene import Scene, wait
from benchmarks.sizes import Sizes
from benchmarks.station import StationDatabase
from benchmarks.usage import peak_megabytes
from benchmarks.workload import bulk_inserts
from demo.mariadbd import PrivateMariaDB

_DIFFERENT = 20  # exit code of verify where rows are wrong
_WRONG = {"different", "missing", "extra"}


def measure(figures: Figures, sizes: Sizes, server: PrivateMariaDB, folder: Path) -> None:
    """Adds ``verify``: `replicator verify` as a process, our centre on SQLite."""
    database = StationDatabase(server, "bench_verify")
    scene = Scene(folder, database)
    with scene.central() as central:
        with scene.capturing() as tail, scene.program("ship") as ship:
            database.run(bulk_inserts(sizes.verified))
            children = (central, tail, ship)
            wait(lambda: _stored(scene) == sizes.verified, *children, pause=0.1)
            wait(lambda: settled(scene.outbox) >= captured(scene.outbox), *children)
        equal = _verify(scene, 0)
        _spoil(scene)
        said: list[dict[str, Any]] = []
        took = seconds(lambda: said.append(_verify(scene, _DIFFERENT)))
    database.drop()
    kinds = {each["kind"] for each in said[0]["findings"]}
    if kinds != _WRONG or len(said[0]["findings"]) != len(_WRONG):
        raise RuntimeError(f"verify found something else: {said[0]['findings']}")
    figures.add(
        "verify",
        rows=sizes.verified,
        found=len(_WRONG),
        requests=said[0]["summary"]["requests"],
        bytes=_bytes(said[0]),
        bytes_where_equal=_bytes(equal),
        seconds=took,
        peak_mb=said[0]["peak_mb"],
    )


def _bytes(said: dict[str, Any]) -> int:
    return int(said["summary"]["bytes_sent"] + said["summary"]["bytes_received"])


def _stored(scene: Scene) -> int:
    with closing(sqlite3.connect(f"file:{scene.central_file}?mode=ro", uri=True)) as centre:
        return int(centre.execute("SELECT count(*) FROM Reading").fetchone()[0])


def _spoil(scene: Scene) -> None:
    """One row each, of three nodes."""
    with closing(sqlite3.connect(scene.central_file)) as centre, centre:
        rows = [
            centre.execute(
                "SELECT nodeId, time, type FROM Reading WHERE nodeId = ? ORDER BY time LIMIT 1"
                " OFFSET ?",
                (node, place),
            ).fetchone()
            for place, (node,) in enumerate(
                centre.execute("SELECT DISTINCT nodeId FROM Reading ORDER BY nodeId LIMIT 3")
            )
        ]
        which = " WHERE nodeId = ? AND time = ? AND type = ?"
        centre.execute(f"UPDATE Reading SET value = value + 1{which}", rows[0])
        centre.execute(f"DELETE FROM Reading{which}", rows[1])
        node, time, _ = rows[2]
        centre.execute(
            "INSERT INTO Reading (nodeId, time, type, value) VALUES (?, ?, 1, 5)", (node, time)
        )


def _verify(scene: Scene, code: int) -> dict[str, Any]:
    """What it says, and ``peak_mb``: its largest resident set, looked at a hundred times a second.

    (Not what wait4 tells of a child: that counts what this process had when it forked.)
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "replicator", "verify", "--json", "--config", str(scene.ini)],
        stdout=subprocess.PIPE,
        text=True,
    )
    peak = 0.0
    while child.poll() is None:
        with suppress(RuntimeError):  # it has ended since
            peak = peak_megabytes(child.pid)
        time.sleep(0.01)
    text, _ = child.communicate()
    if child.returncode != code:
        raise RuntimeError(f"verify ended with {child.returncode}, not {code}")
    said: dict[str, Any] = json.loads(text)[0]
    return {**said, "peak_mb": peak}
