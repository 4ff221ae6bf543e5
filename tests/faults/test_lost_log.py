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
from tests.faults.world import World, until


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


def purge(server: PrivateMariaDB) -> None:
    """All log files but the last; the server may need a moment to let go of them."""

    def purged() -> bool:
        with closing(server.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SHOW BINARY LOGS")
            *older, (last, *_) = cursor.fetchall()
            cursor.execute(f"PURGE BINARY LOGS TO '{last}'")
        return not older

    server.execute("FLUSH BINARY LOGS")
    until(purged, "the log to be purged")


def reset(server: PrivateMariaDB) -> None:
    """The log begins anew."""
    server.execute("RESET MASTER")


@pytest.mark.parametrize("lose", [purge, reset])
def test_a_lost_log_is_told_and_healed(
    lonely: tuple[World, PrivateMariaDB], lose: Callable[[PrivateMariaDB], None]
) -> None:
    world, server = lonely
    log(world, range(3))
    world.replicate()
    log(world, range(3, 6))
    lose(server)
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
    world.start("tail")
    until(lambda: world.says_tail("running"), "tail")
    refused = world.run("heal")
    assert refused.code == 8
    assert "Traceback" not in refused.err
