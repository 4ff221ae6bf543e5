"""A log that can no longer be read: said loudly, shown, healed, and then everything is there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from demo.mariadbd import PrivateMariaDB
from tests.conftest import create_station
from tests.faults.centres import centre_of
from tests.faults.compare import Difference
from tests.faults.conftest import furnish, others
from tests.faults.proxy import FaultProxy
from tests.faults.test_old_pusher_faults import log
from tests.faults.world import World


@pytest.fixture
def lonely(
    private_mariadb: Callable[..., PrivateMariaDB], tmp_path: Path
) -> Iterator[tuple[World, PrivateMariaDB]]:
    """A world on a server of its own, whose log may be purged."""
    server = private_mariadb()
    create_station(server, "ch")
    with centre_of("ours", tmp_path) as centre, FaultProxy(centre.url) as proxy:
        others(centre)
        world = World(server, "ch", tmp_path, centre, proxy, 77)
        try:
            furnish(world)
            yield world, server
        finally:
            world.close()


def last_log(server: PrivateMariaDB) -> str:
    """Name of the file that is being written."""
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW MASTER STATUS")
        row = cursor.fetchone()
        assert row is not None
        return str(row[0])


@pytest.mark.parametrize("how", ["PURGE BINARY LOGS TO '{last}'", "RESET MASTER"])
def test_a_lost_log_is_told_and_healed(lonely: tuple[World, PrivateMariaDB], how: str) -> None:
    world, server = lonely
    log(world, range(3))
    world.replicate()
    log(world, range(3, 6))
    server.execute("FLUSH BINARY LOGS")
    server.execute(how.format(last=last_log(server)))
    log(world, range(6, 9))

    lost = world.run("tail", "--once")
    assert lost.code == 5
    assert "replicator heal" in lost.err
    assert "Traceback" not in lost.err
    assert "open: run `replicator heal`" in world.run("backlog").out
    assert world.backlog()["waiting_rows"] == 0  # what was captured is still there and delivered

    assert world.run("heal").code == 0
    assert "being healed" in world.run("backlog").out
    world.replicate()
    assert world.compare() == Difference()
    (gap,) = json.loads(world.run("backlog", "--json").out)["gaps"]
    assert gap["healed_at"] is not None


def test_healing_while_tail_runs_is_refused(lonely: tuple[World, PrivateMariaDB]) -> None:
    world, _ = lonely
    tail = world.start("tail")
    while not world.says_tail("running"):
        assert tail.poll() is None
    refused = world.run("heal")
    assert refused.code == 8
    assert "Traceback" not in refused.err
