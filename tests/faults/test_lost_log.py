"""A log that can no longer be read: said loudly, shown, healed, and then everything is there."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from demo.mariadbd import PrivateMariaDB
from tests.conftest import create_station
from tests.faults.centres import centre_of
from tests.faults.compare import Difference
from tests.faults.conftest import furnish, others
from tests.faults.proxy import FaultProxy
from tests.faults.test_old_pusher_faults import KINDS, log
from tests.faults.world import World, until
from tests.fire.zygote import Zygote


@pytest.fixture
def lonely(
    private_mariadb: Callable[..., PrivateMariaDB], tmp_path: Path, zygote: Zygote
) -> Iterator[tuple[World, PrivateMariaDB]]:
    """A world on a server of its own, whose log may be purged."""
    server = private_mariadb()
    create_station(server, "ch")
    with centre_of("ours", tmp_path) as centre, FaultProxy(centre.url) as proxy:
        others(centre)
        world = World(server, "ch", tmp_path, centre, proxy, 77, zygote=zygote)
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


def gaps(world: World) -> list[dict[str, Any]]:
    """As `replicator backlog --json` tells them."""
    said: list[dict[str, Any]] = world.whole_backlog()["gaps"]
    return said


def test_a_lost_log_is_told_and_healed_when_asked(
    lonely: tuple[World, PrivateMariaDB],
) -> None:
    world, server = lonely
    world.environment["REPLICATOR_SOURCE_HEAL"] = "ask"
    log(world, range(3))
    world.replicate()
    log(world, range(3, 6))
    purge(server)
    log(world, range(6, 9))

    lost = world.run("tail", "--once")
    assert lost.code == 5
    assert "replicator heal" in lost.err
    assert "20 of the 20 rows captured last are there" in lost.err
    assert "Traceback" not in lost.err
    assert "open: run `replicator heal`" in world.run("backlog").out
    assert world.backlog()["waiting_rows"] == 0  # what was captured is still there and delivered

    assert world.run("heal").code == 0
    assert "being healed (by hand)" in world.run("backlog").out
    world.replicate()
    assert world.compare() == Difference()
    (gap,) = gaps(world)
    assert gap["healed_at"] is not None
    assert gap["kind"] == "purged"


@pytest.mark.parametrize("lose", [purge, reset])
def test_a_lost_log_heals_itself_and_only_what_differs_is_captured(
    lonely: tuple[World, PrivateMariaDB], lose: Callable[[PrivateMariaDB], None]
) -> None:
    world, server = lonely
    log(world, range(30))
    world.replicate()
    before = world.whole_backlog()["tail"]["rows_captured"]
    log(world, range(30, 32))
    world.sql(
        "UPDATE Reading SET value = 99 ORDER BY time LIMIT 1",
        "UPDATE House SET address = '16 High St' WHERE id = 2",
        "DELETE FROM Reading ORDER BY time DESC LIMIT 1",
    )
    lose(server)
    if lose is purge:
        world.sql("DELETE FROM NodeState ORDER BY id LIMIT 2")
    log(world, range(32, 34))

    ended = world.run("tail", "--once")
    assert ended.code == 0
    assert "a gap" in ended.err
    assert "is being healed" in ended.err
    world.ship_once()
    assert world.compare() == Difference()
    (gap,) = gaps(world)
    assert (gap["state"], gap["how"]) == ("healed", "automatic")
    assert gap["kind"] == ("purged" if lose is purge else "reset")
    assert gap["rows_compared"] > 100
    assert world.whole_backlog()["tail"]["rows_captured"] - before < 70
    assert "were captured already" in world.run("backlog").out


def test_a_comparison_that_is_killed_again_and_again_while_loggers_write(
    lonely: tuple[World, PrivateMariaDB],
) -> None:
    world, server = lonely
    world.environment["REPLICATOR_SOURCE_SNAPSHOT_CHUNK"] = "3"
    log(world, range(20))
    world.replicate()
    log(world, range(100, 200))
    world.sql("DELETE FROM Reading ORDER BY time LIMIT 5", "UPDATE NodeState SET rssi = 7")
    purge(server)

    def begun(after: str) -> bool:
        place = sqlite3.connect(world.outbox / "outbox.db")
        with closing(place):
            return bool(place.execute("SELECT snapshot FROM capture").fetchone()[0] != after)

    for second in range(40, 44):
        with closing(sqlite3.connect(world.outbox / "outbox.db")) as outbox:
            (before,) = outbox.execute("SELECT snapshot FROM capture").fetchone()
        child = world.start("tail")
        log(world, [second])
        until(lambda before=before: begun(before), "the comparison to go on")  # type: ignore[misc]
        world.sql(f"DELETE FROM Reading WHERE type = {second % 4} ORDER BY time DESC LIMIT 2")
        world.end(child)
    world.replicate()
    assert world.compare() == Difference()
    (gap,) = gaps(world)
    assert gap["state"] == "healed"


@contextmanager
def restored(world: World, server: PrivateMariaDB) -> Iterator[None]:
    """What happens inside is undone by an older copy of the server's disk."""
    world.disconnect()
    server.stop()
    shutil.copytree(server.folder / "data", server.folder / "copy")
    server.start()
    world.connect()
    yield
    world.disconnect()
    server.kill()
    shutil.rmtree(server.folder / "data")
    (server.folder / "copy").rename(server.folder / "data")
    server.start()
    world.connect()


def test_an_older_disk_asks_first_and_deletes_nothing_unless_told(
    lonely: tuple[World, PrivateMariaDB],
) -> None:
    """Nor does a clone of the disk in another station: the same numbers, other rows behind them."""
    world, server = lonely
    log(world, range(3))
    with restored(world, server):
        log(world, range(3, 8))
        world.replicate()
        kept = range(5 * 3 * (1 + len(KINDS)))
    log(world, range(100, 102))
    lost = world.run("tail", "--once")
    assert lost.code == 5
    assert "of the 20 rows captured last are there" in lost.err
    assert "rows that it no longer has stay at the destinations" in lost.err
    assert gaps(world)[0]["kind"] == "restored"

    assert "stay at the destinations" in world.run("heal").out
    world.replicate()
    more = world.compare()
    assert more == Difference(phantom=more.phantom)
    assert len(more.phantom) == gaps(world)[0]["rows_kept"] == len(kept)
    assert "`replicator heal --deletes` deletes them there" in world.run("backlog").out

    assert world.run("heal", "--deletes").code == 0
    world.replicate()
    assert world.compare() == Difference()


def test_a_server_that_is_killed_while_tail_reads_it(
    lonely: tuple[World, PrivateMariaDB],
) -> None:
    """Nothing is lost, so nothing is a gap."""
    world, server = lonely
    world.start("tail")
    until(lambda: world.says_tail("running"), "tail")
    for second in range(0, 30, 10):
        log(world, range(second, second + 10))
        world.disconnect()
        server.kill()
        server.start()
        world.connect()
    until(lambda: world.says_tail("running"), "tail to come back")
    log(world, [40])
    (child,) = world._children
    world.end(child)
    world.replicate()
    assert world.compare() == Difference()
    assert gaps(world) == []


def test_healing_while_tail_runs_is_refused(lonely: tuple[World, PrivateMariaDB]) -> None:
    world, _ = lonely
    world.start("tail")
    until(lambda: world.says_tail("running"), "tail")
    refused = world.run("heal")
    assert refused.code == 8
    assert "Traceback" not in refused.err
