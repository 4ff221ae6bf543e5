"""Peak memory of tail and of ship, each a process of its own, over a backlog."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.figures import Figures
from benchmarks.progress import captured, outbox_rows, settled
from benchmarks.scene import Scene, doing_nothing, wait
from benchmarks.sizes import Sizes
from benchmarks.station import StationDatabase
from benchmarks.usage import peak_megabytes
from benchmarks.workload import bulk_inserts, inserts_by_the_server
from demo.mariadbd import PrivateMariaDB
from demo.processes import Child

_TELL_EVERY = 10.0  # seconds
_PATIENCE = 1_200.0


def measure(figures: Figures, sizes: Sizes, server: PrivateMariaDB, folder: Path) -> None:
    """Adds ``memory`` (tail reads a backlog, ship delivers it to nobody) and ``capture_memory``."""
    folder.mkdir()
    _tail_and_ship(figures, sizes, server, folder)
    _capture(figures, sizes, server, folder)


def _tail_and_ship(figures: Figures, sizes: Sizes, server: PrivateMariaDB, folder: Path) -> None:
    database = StationDatabase(server, "bench_memory")
    with doing_nothing(folder / "server") as url:
        scene = Scene(folder / "station", database, url)
        with scene.capturing():
            total = captured(scene.outbox) + sizes.backlog
        database.run(bulk_inserts(sizes.backlog))
        tail_peak = _peak(scene.program("tail"), lambda: captured(scene.outbox), total)
        ship_peak = _peak(scene.program("ship"), lambda: settled(scene.outbox), total)
    database.drop()
    figures.add("memory", rows=sizes.backlog, tail_peak_mb=tail_peak, ship_peak_mb=ship_peak)


def _capture(figures: Figures, sizes: Sizes, server: PrivateMariaDB, folder: Path) -> None:
    """Tail on a long history: from the log, from the tables, and changed by one transaction."""
    database = StationDatabase(server, "bench_history")
    database.run(_without_references())
    from_log = Scene(folder / "log", database)
    with from_log.capturing():
        before = captured(from_log.outbox)
    database.run(_telling("inserted", inserts_by_the_server(sizes.history), sizes.history))
    total = before + sizes.history
    from_tables = Scene(folder / "tables", database)
    with from_tables.program("tail") as program:  # beside the other, which is done long before
        backlog = _peak(from_log.program("tail"), lambda: captured(from_log.outbox), total)
        snapshot = _peak_of(program, lambda: outbox_rows(from_tables.outbox), total)
    database.run([f"UPDATE Reading SET value = value + 1 LIMIT {sizes.transaction}"])
    total += sizes.transaction
    change = _peak(from_log.program("tail"), lambda: captured(from_log.outbox), total)
    database.drop()
    figures.add(
        "capture_memory",
        peak_mb=max(backlog, snapshot, change),
        backlog_rows=sizes.history,
        backlog_peak_mb=backlog,
        snapshot_rows=sizes.history,
        snapshot_peak_mb=snapshot,
        transaction_rows=sizes.transaction,
        transaction_peak_mb=change,
    )


def _without_references() -> list[str]:
    """Reading without its foreign keys: four times faster to fill, and the same to read."""
    keys = [f"DROP FOREIGN KEY Reading_ibfk_{number}" for number in (1, 2, 3)]
    indexes = [f"DROP KEY {column}" for column in ("nodeId", "type", "locationId")]
    return [f"ALTER TABLE Reading {', '.join(keys)}", f"ALTER TABLE Reading {', '.join(indexes)}"]


def _peak(program: Child, rows: Callable[[], int], total: int) -> float:
    """Of a program that is started here, until it has done ``total`` rows."""
    with program:
        return _peak_of(program, rows, total)


def _peak_of(program: Child, rows: Callable[[], int], total: int) -> float:
    shown = _Shown(program.name, total)

    def done() -> bool:
        so_far = rows()
        shown.tell(so_far)
        return so_far >= total

    wait(done, program, pause=0.1, patience=_PATIENCE)
    return peak_megabytes(program.pid)


def _telling(what: str, statements: Iterator[tuple[str, int]], total: int) -> Iterator[str]:
    shown = _Shown(what, total)
    for statement, rows_before in statements:
        shown.tell(rows_before)
        yield statement


class _Shown:
    """How far it is, on standard error, where it takes long."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total = what, total
        self._last = time.monotonic()

    def tell(self, rows: int) -> None:
        """Every ten seconds."""
        if time.monotonic() - self._last >= _TELL_EVERY:
            self._last = time.monotonic()
            sys.stderr.write(f"  {self._what}: {rows:,} of {self._total:,} rows\n")
