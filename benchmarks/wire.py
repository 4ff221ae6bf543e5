"""Bytes on the wire: bodies of requests, to each kind of central server, a reading."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figures
from benchmarks.scene import Scene, ship_all
from benchmarks.shipping import as_json, fill, introduced
from benchmarks.sizes import Sizes
from benchmarks.workload import readings
from replicator.change import Row
from replicator.cli.pipelines import Delivering
from tests.original.process import OriginalProcess


def measure(figures: Figures, sizes: Sizes, folder: Path) -> None:
    """Adds ``wire``, ``wire_original`` and ``wire_central``; reference rows are not counted."""
    folder.mkdir()
    data = readings(sizes.wired)
    plain = sum(len(as_json(row)) for row in data) / len(data)
    ours = Scene(folder / "ours")
    with ours.central():
        to_ours = _bytes_a_reading(ours, data)
    (folder / "stand-in").mkdir()
    with OriginalProcess(folder / "stand-in") as server:
        original = Scene(folder / "original", url=f"{server.url}/")
        to_original = _bytes_a_reading(original, data)
    figures.add("wire_original", bytes_per_reading=to_original)
    figures.add("wire_central", bytes_per_reading=to_ours)
    figures.add(
        "wire",
        one_per_post_bytes=plain,
        one_per_post_vs_ours=plain / to_ours,
        one_per_post_vs_original=plain / to_original,
    )


def _bytes_a_reading(scene: Scene, data: Sequence[Row]) -> float:
    fill(scene.outbox, data)
    with introduced(scene, "run") as delivering:
        before = _sent(delivering)
        ship_all(delivering)
        return (_sent(delivering) - before) / len(data)


def _sent(delivering: Delivering) -> int:
    """Bytes of all bodies of bulk requests, from the receipts."""
    row = delivering.deliveries.database.conn.execute("SELECT sum(bytes) FROM receipt").fetchone()
    return int(row[0])
