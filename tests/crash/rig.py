"""A station under a live logger, the daemons and a centre, all real processes that get killed.

The station's database is as durable as a database can be told to be: what it has after the last
recovery is the truth that the centre is compared with.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

from demo.conservation import Conservation, conserve
from demo.mariadbd import PrivateMariaDB
from demo.neighbours import seed_neighbours
from demo.processes import Child
from demo.proof import Proof, prove
from demo.scratch import build_scratch, float_bits, text
from demo.seed import create_schema, seed_station
from demo.sides import MariaDBSide, SQLiteSide
from demo.witness import Act, station_acts, watch_station
from replicator.backlog import Backlog, read_backlog
from replicator.errors import OutboxError
from tests.crash.centres import CentreProcess
from tests.crash.plan import Victim
from tests.faults.arrivals import Row
from tests.faults.centres import Kind
from tests.faults.proxy import FaultProxy
from tests.faults.world import until

DURABLE = ("--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1")
DATABASE = "ch"
_USER = "fieldstation"
_PASSWORD = "only-reads"  # a loopback user of a throw-away server
_LOOK_SECONDS = 0.02


class Killable(Protocol):
    """A process of the rig."""

    def start(self) -> None: ...
    def kill(self) -> None: ...


class Rig:
    """``kills``: processes killed so far. Everything random comes from ``seed``.

    ``judged_acts``: changes at the station whose order was judged.
    """

    def __init__(
        self,
        kind: Kind,
        folder: Path,
        server: PrivateMariaDB,
        centre: CentreProcess,
        proxy: FaultProxy,
        seed: int,
    ) -> None:
        self.server = server
        self.centre = centre
        self.proxy = proxy
        self.rng = random.Random(seed)
        self.kills = 0
        self._kind = kind
        self._seed = seed
        self._folder = folder
        self._began = time.monotonic()
        self._daemons: list[Child] = []
        self._down: Killable | None = None
        self._markers = 0
        self._in_order_from: int | None = None
        self._watched = False
        self.judged_acts = 0
        self.outbox_keys = ""  # further lines of [outbox]
        print(f"seed {seed}: to repeat it, run with CRASH_SEED={seed}")

    # --- the station ---------------------------------------------------------------------------

    def furnish(self, readings: int, *, watched: bool = False) -> None:
        """The simulated station with some history; ``watched``: with a witness of the order."""
        connection = self.server.connect(autocommit=False)
        with closing(connection):
            create_schema(connection, DATABASE)
            seed_station(connection, self._seed, readings)
        self.server.execute(
            f"CREATE USER {_USER}@'127.0.0.1' IDENTIFIED BY '{_PASSWORD}'",
            f"GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO {_USER}@'127.0.0.1'",
            f"GRANT SELECT ON {DATABASE}.* TO {_USER}@'127.0.0.1'",
        )
        self._watched = watched
        if watched:
            watch_station(self.server, DATABASE)
        seed_neighbours(self.centre.url, "", self._seed)

    def configure(self, **source: int | float) -> None:
        """Write replicator.ini, with these keys in [source]."""
        keys = "".join(f"{key} = {value}\n" for key, value in source.items())
        (self._folder / "replicator.ini").write_text(
            f"[station]\nname = fieldstation\n"
            f"[source]\nport = {self.server.port}\nuser = {_USER}\npassword = {_PASSWORD}\n"
            f"database = {DATABASE}\n{keys}"
            f"[outbox]\npath = {self.outbox}\n{self.outbox_keys}"
            f"[destination central]\nurl = {self.proxy.url}/\ntimeout = 10\nretry_blocked = 1\n"
            "heartbeat = 0\n"
        )

    def sql(self, *statements: str) -> None:
        """Statements at the station, each a transaction of its own."""
        self.server.execute(*statements, database=DATABASE)

    def logger(self, rate: float = 40.0) -> Child:
        """The live logger, not started; it writes until it is stopped."""
        arguments = ["demo.logger", "--socket", self.server.socket, "--database", DATABASE]
        arguments += ["--seed", str(self._seed), "--packets", "1000000", "--rate", str(rate)]
        if self._kind == "original":  # it cannot delete rows or set values to NULL
            arguments.append("--keep-all")
        return Child("logger", arguments, self._folder, {})

    # --- the daemons ---------------------------------------------------------------------------

    @property
    def outbox(self) -> Path:
        return self._folder / "outbox"

    def daemon(self, name: str) -> Child:
        """`replicator NAME`, started; it must run until ``stop`` or a kill."""
        config = str(self._folder / "replicator.ini")
        child = Child(name, ["replicator", name, "--config", config], self._folder, {})
        child.start()
        self._daemons.append(child)
        return child

    def kill(self, name: Victim, victim: Killable) -> None:
        """SIGKILL, written down."""
        self._down = victim
        victim.kill()
        self.kills += 1
        print(f"{time.monotonic() - self._began:7.3f} s: kill {self.kills}, {name}")

    def restart(self, victim: Killable) -> None:
        """Start what was killed."""
        victim.start()
        self._down = None

    def watch(self, seconds: float) -> None:
        """Look on; a daemon that ends by itself is a failure."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look()
            time.sleep(_LOOK_SECONDS)

    def look(self) -> None:
        """Fail where a daemon has ended by itself; note when the snapshot is complete."""
        for child in self._daemons:
            assert child is self._down or child.running, f"{child.name} has ended"
        unknown = self._watched and self._in_order_from is None
        if unknown and self.server is not self._down and self.has_read_the_tables():
            self._in_order_from = len(station_acts(self.server, DATABASE))

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something that must happen while all daemons run."""

        def met() -> bool:
            self.look()
            return condition()

        until(met, what)

    def storm(self, victims: Sequence[tuple[Victim, Killable]], kills: int, logger: Child) -> None:
        """Kill them in turn at random moments while the logger writes.

        The first one wherever it is, the others when the tables have been read.
        """
        for number in range(kills):
            name, victim = victims[number % len(victims)]
            if number:
                self.wait_for(self.has_read_the_tables, "the snapshot's end")
            self.watch(self.rng.uniform(0.1, 2.0))
            assert logger.running
            self.kill(name, victim)
            self.watch(self.rng.uniform(0.0, 0.4))
            self.restart(victim)

    def stop(self) -> None:
        """End the daemons in an orderly way."""
        for child in self._daemons:
            child.stop()
        self._daemons.clear()

    # --- what came of it -----------------------------------------------------------------------

    def backlog(self) -> Backlog | None:
        """What `replicator backlog` shows; None before there is an outbox."""
        now = datetime.now(timezone.utc)
        try:
            return read_backlog(self.outbox, [("central", True)], now, now.isoformat())
        except OutboxError:
            return None

    def has_read_the_tables(self) -> bool:
        """Whether the snapshot is complete."""
        backlog = self.backlog()
        return backlog is not None and bool(backlog.tail.position) and not backlog.tail.snapshot

    def settle(self) -> None:
        """Wait until a row written now has come to the centre, and nothing waits any more."""
        self._markers += 1
        marker = f"2031-01-01T00:00:{self._markers:02d}"
        self.sql(f"INSERT INTO Reading VALUES ('{marker}', 101, 0, NULL, 1.5)")
        self.wait_for(lambda: self._arrived(marker), "the last row at the centre")
        self.wait_for(self._nothing_waits, "an empty backlog")

    def _arrived(self, marker: str) -> bool:
        return any(row["time"] == marker for row in self.proxy.arrivals[-2000:])

    def _nothing_waits(self) -> bool:
        backlog = self.backlog()
        if backlog is None or backlog.tail.snapshot is not None:
            return False
        (waiting,) = backlog.destinations
        return waiting.waiting_rows == 0 and waiting.parked_rows == 0

    def judge(self) -> tuple[Proof, Conservation]:
        """The independent check, and the conservation report.

        Order is judged from the end of the snapshot on: it reads tables, in the order of keys.
        """
        station = MariaDBSide(
            unix_socket=self.server.socket, user=self.server.user, database=DATABASE
        )
        with station, SQLiteSide(self.centre.database) as centre:
            scratch = build_scratch(station, centre)
        with closing(scratch):
            acts = station_acts(self.server, DATABASE) if self._watched else []
            written = acts[self._in_order_from :]
            self.judged_acts = len(written)
            return prove(scratch), conserve(scratch, written, arrival_acts(self.proxy.arrivals))

    def complaints(self) -> str:
        """Lines of the programs' logs that only a bug writes."""
        lines = (
            f"{path.name}: {line}"
            for path in sorted(self._folder.glob("*.log"))
            for line in path.read_text(errors="replace").splitlines()
        )
        return "\n".join(line for line in lines if "Traceback" in line or "a bug in" in line)

    def close(self) -> None:
        """Kill everything, and show the ends of the logs to whoever looks into a failure."""
        for child in self._daemons:
            child.kill()
            print(f"--- {child.name}\n{child.last_lines(15)}")
        self.centre.kill()


def arrival_acts(arrivals: Sequence[Row]) -> list[Act]:
    """The stream rows that the centre took, in order, as a witness there would tell them.

    A key alone (by which ship asks whether the centre stores at all) changes nothing there.
    """
    acts = []
    for row in arrivals:
        reading = row["__table__"] == "Reading"
        last = row["type"] if reading else row["seq_num"]
        key = text(row["__table__"], row["time"], row["nodeId"], last)
        deleted = row.get("__op__") == "delete"
        column = "value" if reading else "rssi"
        if not deleted and column not in row:
            continue
        content = "deleted" if deleted else float_bits(row[column])
        acts.append(Act(key, content))
    return acts
