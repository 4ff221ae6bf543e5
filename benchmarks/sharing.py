"""A backlog of several stations in a stream, delivered by one, two and three shippers of a fleet.

The rows are in the stream (three replicas on this machine) before, and what they refer to is at
the centre, on a MariaDB. The clock runs from the start of the shippers, processes as the central
server is, until all of it is settled: taking leases and filling folders from the stream are in it.
Beside them one ship of one station that has as many rows in its folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.figures import Figures, seconds
from benchmarks.progress import settled
from benchmarks.publishing import MAX_BYTES, REPLICAS, three_nodes
from benchmarks.scene import Scene, wait
from benchmarks.shipping import AT, REFERENCE_ROWS, add_references
from benchmarks.sizes import Sizes
from benchmarks.workload import READING, at_station, readings
from demo.mariadbd import PrivateMariaDB
from demo.processes import Child
from replicator.change import Change, Commit, Op, Position, Row
from replicator.contract import Outbox
from replicator.jetstream.bus import Bus
from replicator.jetstream.stream import StationStream
from replicator.jetstream.writer import JetStreamOutbox
from replicator.outbox.writer import OutboxWriter

_OPTIONS = ("--skip-log-bin", "--innodb-buffer-pool-size=512M", "--innodb-log-file-size=512M")
_SHIPPERS = (1, 2, 3)
_ENTRY_ROWS = 1_000
_A_FLUSH = 50_000
_FIRST = 1_000  # position of the first readings

_INI = """\
[fleet]
stations = *

[outbox]
url = {url}
path = {folder}

[destination central]
url = {centre}
heartbeat = 0
"""


def measure(figures: Figures, sizes: Sizes, folder: Path) -> None:
    """Adds ``shared_backfill``."""
    folder.mkdir()
    home = folder / "db"
    home.mkdir()
    with PrivateMariaDB(folder=home, options=_OPTIONS) as server, three_nodes() as nodes:
        alone = _folder_rate(_scene(folder / "alone", server), readings(sizes.shared))
        data = readings(sizes.shared // sizes.stations)
        rates = [
            _fleet_rate(_scene(folder / f"f{count}", server), nodes, count, sizes.stations, data)
            for count in _SHIPPERS
        ]
    figures.add(
        "shared_backfill",
        folder_readings_per_s=alone,
        **{f"shippers_{n}_per_s": rate for n, rate in zip(_SHIPPERS, rates, strict=True)},
        shippers_1_vs_folder=rates[0] / alone,
        shippers_3_vs_1=rates[2] / rates[0],
    )


def _scene(folder: Path, server: PrivateMariaDB) -> Scene:
    server.execute(f"CREATE DATABASE {folder.name}")
    url = f"mysql+pymysql://{server.user}@/{folder.name}?unix_socket={server.socket}"
    return Scene(folder, centre=url)


def _folder_rate(scene: Scene, data: Sequence[Row]) -> float:
    """Readings a second of one ship, from a folder."""

    def fill(rows: Sequence[Row]) -> None:
        writer = OutboxWriter(scene.outbox)
        try:
            _fill(writer, 0, rows)
        finally:
            writer.close()

    def settled_rows() -> int:
        return settled(scene.outbox)

    fill([])
    with scene.central() as central:
        _deliver(central, [scene.program("ship")], settled_rows, REFERENCE_ROWS)
        fill(data)
        total = REFERENCE_ROWS + len(data)
        return len(data) / _deliver(central, [scene.program("ship")], settled_rows, total)


def _fleet_rate(
    scene: Scene, nodes: Sequence[str], count: int, stations: int, data: Sequence[Row]
) -> float:
    """Readings a second of so many shippers, from a stream of their own; ``data`` a station."""
    stream = scene.folder.name.upper()
    servers = ",".join(url.removeprefix("nats://") for url in nodes)
    folders = [scene.folder / f"shipper-{number}" for number in range(count)]
    shippers = []
    for folder in folders:
        ini = folder.with_suffix(".ini")
        ini.write_text(
            _INI.format(url=f"nats://{servers}/{stream}", folder=folder, centre=scene.url)
        )
        command = ["replicator", "ship", "--config", str(ini)]
        shippers.append(Child(folder.name, command, scene.folder, {}))

    def fill(rows: Sequence[Row]) -> None:
        for station in range(stations):
            bus = Bus(nodes)
            place = StationStream(bus, stream, f"s{station}")
            outbox = JetStreamOutbox(bus, place, REPLICAS, MAX_BYTES)
            try:
                _fill(outbox, station, rows)
            finally:
                outbox.close()

    def settled_rows() -> int:
        """A station that went from one to the other is in both folders: the later one counts."""
        return sum(
            max(settled(folder / f"s{station}") for folder in folders)
            for station in range(stations)
        )

    fill([])
    with scene.central() as central:
        _deliver(central, shippers, settled_rows, stations * REFERENCE_ROWS)
        fill(data)
        rows = stations * len(data)
        total = stations * REFERENCE_ROWS + rows
        return rows / _deliver(central, shippers, settled_rows, total)


def _fill(outbox: Outbox, station: int, data: Sequence[Row]) -> None:
    """Readings behind what they refer to; without ``data`` only that."""
    if not data:
        add_references(outbox, station)
    for first in range(0, len(data), _ENTRY_ROWS):
        rows = [at_station(station, row) for row in data[first : first + _ENTRY_ROWS]]
        outbox.append(Change("Reading", Op.INSERT, READING, rows))
        outbox.commit(Commit(Position("s", "b", _FIRST + first), AT))
        if outbox.grouped_rows >= _A_FLUSH:
            outbox.flush()
    outbox.flush()


def _deliver(
    central: Child, ships: Sequence[Child], settled_rows: Callable[[], int], total: int
) -> float:
    """Seconds until they have settled so many rows."""
    with ExitStack() as stack:

        def run() -> None:
            for ship in ships:
                stack.enter_context(ship)
            wait(lambda: settled_rows() >= total, central, *ships, pause=0.05)

        return seconds(run)
