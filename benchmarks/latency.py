"""From the commit at the station until ship has settled the answer, at a steady live load.

A history goes before, as at a station that has run for a day: the outbox's log has then reached the
size at which it is written over from its beginning.
"""

from __future__ import annotations

import mmap
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

from pymysql.constants.CLIENT import MULTI_STATEMENTS

from benchmarks.figures import Figures
from benchmarks.progress import captured, settled
from benchmarks.scene import PATIENCE, Scene, doing_nothing, wait
from benchmarks.sizes import Sizes
from benchmarks.station import StationDatabase
from benchmarks.workload import bulk_inserts, packet_transaction, packets
from demo.mariadbd import PrivateMariaDB

_PACKETS_PER_S = 50
_PACKET_ROWS = 7
_WARM = 10  # packets that are not counted
_LOOK = 0.0001  # seconds between two looks at ship's file
_CHANGES = slice(8, 12)  # iChange of the WAL index: https://sqlite.org/walformat.html


def measure(figures: Figures, sizes: Sizes, server: PrivateMariaDB, folder: Path) -> None:
    """Adds ``latency``."""
    folder.mkdir()
    database = StationDatabase(server, "bench_latency")
    with doing_nothing(folder / "server") as url:
        scene = Scene(folder / "station", database, url)
        with scene.capturing() as tail, scene.program("ship") as ship:
            known = captured(scene.outbox)
            database.run(bulk_inserts(sizes.live_history))
            total = known + sizes.live_history
            wait(lambda: settled(scene.outbox) >= total, tail, ship)
            watch = _Watch(scene.outbox / "central.db", settled(scene.outbox))
            watch.start()
            committed = _send(database, sizes.live_packets + _WARM)
            waits = sorted(watch.waits(committed)[_WARM:])
    database.drop()
    figures.add(
        "latency",
        packets_per_s=_PACKETS_PER_S,
        p50_ms=1000 * waits[len(waits) // 2],
        p99_ms=1000 * waits[len(waits) * 99 // 100],
    )


def _send(database: StationDatabase, number: int) -> list[float]:
    """Packets at a steady pace; when each one's COMMIT came back."""
    committed = []
    with (
        closing(database.server.connect(database.name, client_flag=MULTI_STATEMENTS)) as connection,
        connection.cursor() as cursor,
    ):
        began = time.monotonic()
        for place, packet in enumerate(packets(number)):
            time.sleep(max(0.0, began + place / _PACKETS_PER_S - time.monotonic()))
            cursor.execute(packet_transaction(packet))
            while cursor.nextset():
                pass
            committed.append(time.monotonic())
    return committed


class _Watch(threading.Thread):
    """Notes when ship's cursor reached how many rows."""

    def __init__(self, file: Path, before: int) -> None:
        super().__init__(daemon=True)
        self._file = file
        self._before = before
        self._seen: list[tuple[float, int]] = []
        self._over = threading.Event()

    def run(self) -> None:
        """Looks at a counter in memory, so that looking takes nothing from those it looks at."""
        seen = b""
        index = self._file.with_name(f"{self._file.name}-shm")
        with (
            closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True)) as connection,
            index.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as header,
        ):
            while not self._over.wait(_LOOK):
                now = header[_CHANGES]
                if now != seen:
                    seen = now
                    (total,) = connection.execute("SELECT row_total FROM cursor").fetchone()
                    self._seen.append((time.monotonic(), total))

    def waits(self, committed: list[float]) -> list[float]:
        """Seconds from each commit until its packet was settled."""
        wanted = self._before + _PACKET_ROWS * len(committed)
        deadline = time.monotonic() + PATIENCE
        while not (self._seen and self._seen[-1][1] >= wanted) and time.monotonic() < deadline:
            time.sleep(_LOOK)
        self._over.set()
        self.join()
        found = []
        for place, moment in enumerate(committed):
            total = self._before + _PACKET_ROWS * (place + 1)
            found.append(next(at for at, rows in self._seen if rows >= total) - moment)
        return found
