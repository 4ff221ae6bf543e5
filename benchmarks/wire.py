"""Bytes on the wire: bodies of requests, to each kind of central server, a reading."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figures
from benchmarks.scene import Scene
from benchmarks.shipping import as_json, fill, shipped
from benchmarks.sizes import Sizes
from benchmarks.workload import readings
from replicator.change import Row
from replicator.outbox.deliveries import Deliveries
from tests.original.process import OriginalProcess


def measure(figures: Figures, sizes: Sizes, folder: Path) -> None:
    """Adds ``wire``. Reference rows are delivered too, but not counted."""
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
    figures.add(
        "wire",
        to_ours_bytes=to_ours,
        to_original_bytes=to_original,
        one_per_post_bytes=plain,
        one_per_post_vs_ours=plain / to_ours,
        one_per_post_vs_original=plain / to_original,
    )


def _bytes_a_reading(scene: Scene, data: Sequence[Row]) -> float:
    """Of the receipts' bulk requests, which hold readings alone."""
    fill(scene.outbox, data)
    shipped(scene, "run")
    deliveries = Deliveries(scene.outbox, "run")
    try:
        sent, rows = deliveries.database.conn.execute(
            "SELECT sum(bytes), sum(delivered) FROM receipt WHERE bytes > 0"
        ).fetchone()
    finally:
        deliveries.close()
    assert rows == len(data), f"{rows} rows in receipts"
    return float(sent / rows)
