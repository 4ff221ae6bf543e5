"""Stations in one stream, a centre, and shippers as processes that share the stations."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

from demo.mariadbd import die_with_parent
from replicator.change import Change, Commit, Op, Position, Row
from replicator.jetstream.bus import Bus
from replicator.jetstream.leases import Seen, Session
from replicator.jetstream.stream import StationStream
from replicator.jetstream.writer import JetStreamOutbox
from tests.faults.centres import Centre

AT = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)
DEADLINE = 30.0
LEASE = 1.5
T = TypeVar("T")

_READING = ("time", "nodeId", "type", "locationId", "value")


def until(what: str, found: Callable[[], T], deadline: float = DEADLINE) -> T:
    """Wait until that is true."""
    end = time.monotonic() + deadline
    while not (value := found()):
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.05)
    return value


class Station:
    """Writes into its part of the stream, as its tail would."""

    def __init__(self, bus: Bus, stream: str, number: int) -> None:
        self.number = number
        self.name = f"station {number}"
        self._transactions = 0
        self._outbox = JetStreamOutbox(bus, StationStream(bus, stream, self.name), 1, 64 << 20)
        self._readings = 0
        self.node = 100 * number

    def commit(self, *changes: Change) -> None:
        for change in changes:
            self._outbox.append(change)
        self._transactions += 1
        at = Position(f"mariadb-{self.number}", "binlog.000001", self._transactions, "")
        self._outbox.commit(Commit(at, AT))
        self._outbox.flush()

    def furnish(self) -> None:
        """A house with a node in it."""
        n = self.number
        rows: list[tuple[str, Sequence[str], Row]] = [
            ("Deployment", ("id", "name", "description"), (1, "Trial", "a trial")),
            ("House", ("id", "deploymentId", "address"), (1, 1, f"{n} High St")),
            ("RoomType", ("id", "name"), (1, "Bedroom")),
            ("Room", ("id", "roomTypeId", "name"), (1, 1, "Front")),
            ("Location", ("id", "houseId", "roomId"), (1, 1, 1)),
            ("NodeType", ("id", "name"), (1, "base")),
            ("SensorType", ("id", "name", "units"), (0, "type 0", "u")),
            ("Node", ("id", "locationId", "nodeTypeId"), (self.node, 1, 1)),
        ]
        self.commit(*(Change(t, Op.INSERT, tuple(columns), [row]) for t, columns, row in rows))

    def read(self, count: int = 1) -> None:
        """Some readings more."""
        rows: list[Row] = []
        for _ in range(count):
            self._readings += 1
            minute, second = divmod(self._readings, 60)
            at = f"2026-03-01T00:{minute:02d}:{second:02d}"
            rows.append((at, self.node, 0, 1, float(self._readings)))
        self.commit(Change("Reading", Op.INSERT, _READING, rows))

    def set(self, value: float) -> None:
        """The first reading is worth something else."""
        row = ("2026-03-01T00:00:01", self.node, 0, 1, value)
        self.commit(Change("Reading", Op.UPDATE, _READING, [row]))

    def strange(self, op: Op = Op.INSERT) -> None:
        """A reading of a type that the station does not have: it is parked."""
        row = ("2026-03-01T00:00:00", self.node, 7, 1, 1.0)
        self.commit(Change("Reading", op, _READING, [row]))

    @property
    def readings(self) -> int:
        return self._readings


class Shipper:
    """`replicator ship` in a process of its own, with a folder of its own."""

    def __init__(self, folder: Path, server: str, stream: str, url: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.outbox = folder / "outbox"
        self.config = folder / "replicator.ini"
        self.log = folder / "log"
        self.config.write_text(
            f"[outbox]\nurl = {server}/{stream}\nreplicas = 1\npath = {self.outbox}\n"
            f"[fleet]\nstations = *\nlease = {LEASE}\ndesk = 1\n"
            f"[destination central]\nurl = {url}/\nretry_blocked = 0.2\nheartbeat = 0\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "replicator", "--config", str(self.config), *arguments]

    def start(self, *arguments: str) -> Shipper:
        self.close()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command("ship", *arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
                preexec_fn=die_with_parent,  # noqa: PLW1509  # only prctl
            )
        return self

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, timeout=60, check=False
        )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def ended(self) -> int:
        """Its exit code, once it has ended."""
        assert self._process is not None
        return self._process.wait(DEADLINE)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def said(self) -> str:
        return self.log.read_text()


class Fleet:
    """The whole."""

    def __init__(self, server: str, stream: str, folder: Path, centre: Centre) -> None:
        self.bus = Bus([server])
        self.server, self.stream, self.folder, self.centre = server, stream, folder, centre
        self.stations: list[Station] = []
        self.shippers: list[Shipper] = []
        self._observer = Session(self.bus, stream, 1, LEASE, dict)

    def station(self) -> Station:
        made = Station(self.bus, self.stream, len(self.stations) + 1)
        self.stations.append(made)
        made.furnish()
        return made

    def shipper(self, url: str | None = None) -> Shipper:
        folder = self.folder / f"shipper{len(self.shippers)}"
        made = Shipper(folder, self.server, self.stream, url or self.centre.url)
        self.shippers.append(made)
        return made

    def seen(self) -> Seen:
        return self._observer.look()

    def shares(self) -> dict[str, int]:
        """Session → stations that it holds."""
        seen = self.seen()
        counts = dict.fromkeys(seen.sessions, 0)
        for lease in seen.leases.values():
            if lease.holder in counts:
                counts[lease.holder] += 1
        return counts

    def arrived(self) -> bool:
        """All readings of all stations are at the centre, each once."""
        found = [(row["time"], row["nodeId"]) for row in self.centre.rows("Reading")]
        assert len(found) == len(set(found))
        return len(found) == sum(station.readings for station in self.stations)

    def close(self) -> None:
        for shipper in self.shippers:
            shipper.close()
        with closing(self.bus):
            pass
