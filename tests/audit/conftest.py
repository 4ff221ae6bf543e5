"""A complete replication beside a central server of each kind, and what verify says of it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from demo.mariadbd import PrivateMariaDB
from replicator.cli.main import main
from tests.faults.centres import Centre
from tests.faults.compare import Difference
from tests.faults.conftest import _server_ids, centre, furnish
from tests.faults.proxy import FaultProxy
from tests.faults.world import World

__all__ = ["_server_ids", "centre"]

Json = dict[str, Any]
Named = tuple[str, str, int, int]
MINUTES = [f"2015-03-{day:02d} {hour:02d}:{minute:02d}:03"
           for day in (1, 2, 31) for hour in (0, 13) for minute in (0, 5, 10)]  # fmt: skip
PLACES = {69: 1, 70: 2, 71: 3}
_VALUES = ["18.2596", "67669.95", "1e-38", "3.4e38", "-0.25", "0", "16777217", "NULL", "21.5"]


class Audited:
    """A world with rows in two months, three nodes, two houses, replicated."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.centre = world.centre

    def command(self, *arguments: str) -> None:
        """A command in this process: it takes half the time of one of its own."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "'db' is deprecated")  # mysql-replication's
            done = CliRunner().invoke(main, ["--config", str(self.world.config), *arguments])
        assert done.exit_code == 0, done.output

    def verify(self, *arguments: str) -> tuple[int, Json]:
        """Exit code, and what it says of the one destination."""
        config = ("--config", str(self.world.config))
        run = CliRunner().invoke(main, [*config, "verify", "--json", *arguments])
        code = run.exit_code
        said = json.loads(run.stdout) if code in (0, 20, 21) else [{"error": run.stderr}]
        found: Json = said[0]
        return code, found

    @staticmethod
    def named(said: Json) -> list[Named]:
        """(kind, time, node, type or sequence number) of each finding, sorted; without twins."""
        return sorted(
            (each["kind"], *each["key"].values())
            for each in said["findings"]
            if each["kind"] != "twin"
        )

    def is_whole(self) -> bool:
        """Whether the centre is right, by code that is not the replicator's."""
        found = self.world.compare()
        nameless = {key for key in found.missing if None in key}
        return found == Difference(missing=nameless)

    @property
    def ours(self) -> bool:
        """Whether the centre is ours."""
        return self.centre.kind == "ours"


def fill(world: World) -> None:
    """Readings of every value, some without a place; node states, one twice, one without a key."""
    values = iter(_VALUES * 40)
    readings = [
        f"('{time}', {node}, {kind}, {'NULL' if kind == 3 else place}, {next(values)})"
        for time in [*MINUTES, "2015-04-01 00:00:00"]
        for node, place in PLACES.items()
        for kind in (0, 3)
    ]
    states = [
        f"('{time}', {node}, {'NULL' if node == 70 else 7}, {2**40 + node}, {n}, -71.3)"
        for n, time in enumerate(MINUTES)
        for node in PLACES
    ]
    into = "INSERT INTO NodeState (time, nodeId, parent, `localtime`, seq_num, rssi) VALUES "
    world.sql(f"INSERT INTO Reading VALUES {','.join(readings)}", into + ",".join(states))
    world.sql(f"{into} ('{MINUTES[0]}', 69, 7, {2**40 + 69}, 0, -71.3)")
    world.sql(f"{into} ('{MINUTES[0]}', 69, 7, 5, NULL, -71.3)")


@contextmanager
def replicated(
    server: PrivateMariaDB, station: str, folder: Path, centre: Centre, server_id: int
) -> Iterator[Audited]:
    """A station whose rows have all arrived at a centre."""
    with FaultProxy(centre.url) as proxy:
        world = World(server, station, folder, centre, proxy, server_id)
        try:
            furnish(world)
            fill(world)
            audited = Audited(world)
            audited.command("tail", "--once")
            audited.command("ship", "--once")
            yield audited
        finally:
            world.close()


@pytest.fixture
def server_id(_server_ids: Iterator[int]) -> int:
    """One that no other reader has."""
    return next(_server_ids)


@pytest.fixture
def audited(
    mariadb: PrivateMariaDB,
    station: str,
    tmp_path: Path,
    centre: Centre,
    server_id: int,
) -> Iterator[Audited]:
    """Replicated, nothing wrong."""
    with replicated(mariadb, station, tmp_path, centre, server_id) as found:
        yield found
