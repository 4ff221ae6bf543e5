"""One station for all tests of a process, and copies of what replication made of it at each stage.

The station is furnished, captured, and changed once; then it stands still. A stage is a folder with
the outbox and the centre's database as they were at one moment. A test copies a stage, does harm
while a real command works on the copy, lets clean commands finish, and judges: every row once, with
the right bits, in the right place, in the order of its house.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from types import MappingProxyType
from typing import Any

from demo.conservation import reordered
from demo.mariadbd import PrivateMariaDB
from demo.witness import Act, station_acts, watch_station
from replicator.backlog import Waiting, read_backlog
from replicator.central.settings import CentralSettings
from tests.central.conftest import running
from tests.conftest import create_station
from tests.crash.rig import arrival_acts
from tests.faults.centres import KINDS, Centre, Kind, Original, Ours
from tests.faults.compare import Difference, compare
from tests.faults.conftest import furnish, others
from tests.faults.proxy import FaultProxy, say
from tests.faults.test_old_pusher_faults import log, reading, state
from tests.faults.world import PASSWORD, USER, World
from tests.fire.zygote import Ended, Zygote
from tests.original.server import OriginalServer

DATABASE = "fire"
TABLES = (
    *("Deployment", "House", "RoomType", "Room", "Location", "NodeType", "SensorType"),
    *("Node", "Sensor", "Reading", "NodeState"),
)
_DATABASES: Mapping[Kind, str] = {"original": "original.db", "ours": "central.db"}
_SERVER_IDS = itertools.count(9_000)
_ADDED = (
    "INSERT INTO House VALUES (3, 1, '16 High St', '2015-02-01', NULL, NULL)",
    "INSERT INTO Location VALUES (4, 3, 2)",
    "INSERT INTO Node VALUES (72, 4, 1)",
    "INSERT INTO Sensor (sensorTypeId, nodeId, calibrationSlope) VALUES (1, 72, 2.5)",
)


class Case:
    """One copy of a stage with a centre and a link to it. ``folder`` holds everything."""

    def __init__(
        self,
        field: Field,
        folder: Path,
        centre: Centre,
        proxy: FaultProxy,
        ordered: bool,
        **keys: Any,
    ) -> None:
        self.folder = folder
        self.outbox = folder / "outbox"
        self.centre = centre
        self.proxy = proxy
        self._field = field
        self._acts: Sequence[Act] = field.acts if ordered else ()
        self.configure(proxy.url, **keys)

    def configure(self, url: str, **keys: Any) -> None:
        """Write replicator.ini with these keys of [outbox] and [destination central].

        ``stream``: [outbox] url.
        """
        of_outbox = ("synchronous", "keep", "stream", "replicas", "max_size")
        named = {"stream": "url"}
        outbox = {named.get(k, k): value for k, value in keys.items() if k in of_outbox}
        keys = {key: value for key, value in keys.items() if key not in of_outbox}
        destination = {"url": f"{url}/", "timeout": 10, "retry_blocked": 0.05, "heartbeat": 0}
        destination |= keys
        file = self.folder / "replicator.ini"
        file.write_text(
            f"[station]\nname = fieldstation\n[source]\n"
            f"unix_socket = {self._field.server.socket}\nuser = {USER}\npassword = {PASSWORD}\n"
            f"database = {DATABASE}\nserver_id = {next(_SERVER_IDS)}\nsnapshot_chunk = 7\n"
            f"[outbox]\npath = {self.outbox}\n{_lines(outbox)}"
            f"[destination central]\n{_lines(destination)}"
        )
        file.chmod(0o600)

    def run(self, *argv: str, **how: Any) -> Ended:
        """`replicator ARGV` in a process of its own; ``how``: see tests.fire.zygote."""
        config = str(self.folder / "replicator.ini")
        return self._field.zygote.run(["--config", config, *argv], self.folder, **how)

    def finish(self, *commands: str) -> None:
        """Let clean commands do what is left."""
        for command in commands or ("tail", "ship"):
            ended = self.run(command, "--once", hurry=20)
            assert ended.code == 0, ended.err

    def waiting(self) -> Waiting:
        """What `replicator backlog` says of the destination."""
        now = datetime.now(timezone.utc)
        backlog = read_backlog(self.outbox, [("central", True)], now, now.isoformat())
        return backlog.destinations[0]

    def judge(self, doubled: Sequence[str] = (), parked: Sequence[str] = ()) -> None:
        """Every row once, right, in its place, in order; nothing waits, nothing is parked.

        What a snapshot reads comes in the order of keys, so there order is not judged.
        ``doubled``: reference tables in which one row is there twice. ``parked``: reasons.
        """
        found = compare(self._field.rows, self.centre.rows)
        twice = [said for said in found.references if said.endswith("is there 2 times")]
        assert [said.split()[0] for said in twice] == list(doubled)
        assert replace(found, references=found.references - set(twice)) == Difference()
        assert reordered(self._acts, arrival_acts(self.proxy.arrivals)) == []
        waiting = self.waiting()
        assert (waiting.waiting_rows, [each.reason for each in waiting.parked]) == (0, list(parked))


class Field:
    """``stages``: by name, folders to copy. ``acts``: what happened after the tables were read."""

    def __init__(self, server: PrivateMariaDB, folder: Path, zygote: Zygote) -> None:
        self.server = server
        self.zygote = zygote
        self.acts: Sequence[Act] = ()
        self._rows: dict[str, Sequence[Mapping[str, Any]]] = {}
        self._folder = folder
        create_station(server, DATABASE)
        watch_station(server, DATABASE)
        self._furnish()

    def rows(self, table: str) -> Sequence[Mapping[str, Any]]:
        """The station's rows."""
        return self._rows[table]

    @contextmanager
    def case(
        self, stage: str, kind: Kind, folder: Path, centre: Path | None = None, **keys: Any
    ) -> Iterator[Case]:
        """A copy of a stage in an empty folder, with keys for its replicator.ini.

        Where there is an outbox already it stays, and the centre's file comes from ``centre``.
        """
        if centre is None:
            if not self.stage(stage, kind).exists():
                _LATER[stage](self, kind, self._folder / f"x-{stage}-{kind}")
            shutil.copytree(self.stage(stage, kind), folder, dirs_exist_ok=True)
        else:
            shutil.copy(centre, folder / _DATABASES[kind])
        with centre_at(kind, folder) as running_centre, FaultProxy(running_centre.url) as proxy:
            yield Case(self, folder, running_centre, proxy, ordered=stage != "empty", **keys)

    def stage(self, stage: str, kind: Kind) -> Path:
        """Where a stage is kept."""
        return self._folder / f"{stage}-{kind}"

    def save(self, case: Case, stage: str, kind: Kind) -> None:
        """Keep a case's folder as a stage."""
        target = self.stage(stage, kind)
        shutil.copytree(case.folder, target, ignore=shutil.ignore_patterns("*.log", "*.ini"))

    def _furnish(self) -> None:
        """Stages: empty, base (all delivered), log (changed since), due (captured), first."""
        for kind in KINDS:
            (self._folder / f"inhabited-{kind}").mkdir()
            with self.case("inhabited", kind, self._folder / f"x0-{kind}") as case:
                others(case.centre)
            self.save(case, "empty", kind)
        with self.case("empty", "ours", self._folder / "x1") as case:
            station = World(self.server, DATABASE, case.folder, case.centre, case.proxy, 1)
            furnish(station)
            log(station, range(2))
            case.configure(case.proxy.url)
            assert case.run("tail", "--once").code == 0
            captured = case.outbox
        for kind in KINDS:
            with self.case("empty", kind, self._folder / f"x2-{kind}") as case:
                shutil.copytree(captured, case.outbox)
                assert case.run("ship", "--once").code == 0
            self.save(case, "base", kind)
        before = len(station_acts(self.server, DATABASE))
        self._change(station)
        self.acts = station_acts(self.server, DATABASE)[before:]
        self._rows = {table: station.rows(table) for table in TABLES}
        station.disconnect()
        for kind in KINDS:
            with self.case("base", kind, self._folder / f"x3-{kind}") as case:
                assert case.run("tail", "--once").code == 0
            self.save(case, "due", kind)
            with self.case("empty", kind, self._folder / f"x4-{kind}") as first:
                shutil.copytree(case.outbox, first.outbox)
                (first.outbox / "central.db").unlink()
            self.save(first, "first", kind)

    def _change(self, station: World) -> None:
        log(station, range(10, 12))
        station.sql(*_ADDED)
        station.sql("UPDATE House SET address = 'The Old Mill' WHERE id = 2")
        station.sql("UPDATE Sensor SET calibrationSlope = 1.25 WHERE nodeId = 69")
        for second in range(12, 14):
            row = {**reading(second), "nodeId": 72, "locationId": 4}
            station.commit(("NodeState", {**state(second), "nodeId": 72}), ("Reading", row))
        station.sql("UPDATE Reading SET value = 77.25 WHERE nodeId = 69 AND type = 0")
        log(station, range(14, 15))


def _done(field: Field, kind: Kind, folder: Path) -> None:
    """All delivered."""
    with field.case("due", kind, folder) as case:
        assert case.run("ship", "--once").code == 0
    field.save(case, "done", kind)


def _blocked(field: Field, kind: Kind, folder: Path) -> None:
    """The new house was refused, and what is in it waits."""
    with field.case("due", kind, folder, batch_rows=20) as case:
        case.proxy.plan(say(500, b"no"), path="house/", method="POST", times=None)
        assert case.run("ship", "--once", hurry=20).code == 0
        parked = {reason.kind for reason in case.waiting().parked}
        assert parked == {"rejected", "blocked"}
    field.save(case, "blocked", kind)


def _fallen(field: Field, kind: Kind, folder: Path) -> None:
    """The outbox came back from a copy that is older than what was delivered."""
    with field.case("done", kind, folder) as case:
        outbox = field.stage("base", kind) / "outbox" / "outbox.db"
        shutil.copy(outbox, case.outbox / "outbox.db")
    field.save(case, "fallen", kind)


_LATER = MappingProxyType({"done": _done, "blocked": _blocked, "fallen": _fallen})


@contextmanager
def centre_at(kind: Kind, folder: Path) -> Iterator[Centre]:
    """A central server of a kind on its file in a folder."""
    if kind == "original":
        with OriginalServer(folder / _DATABASES[kind]) as server:
            yield Original(server)
    else:
        database = folder / _DATABASES[kind]
        with running(CentralSettings(database_url=f"sqlite:///{database}")) as client:
            yield Ours(client.root, database)


def _lines(keys: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {value}\n" for key, value in keys.items())
