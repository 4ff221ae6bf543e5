"""From a station with a server of its own, whose disk is lost, to a centre: real commands."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.mariadbd import PrivateMariaDB
from tests.faults.centres import Centre, centre_of
from tests.faults.conftest import _server_ids, furnish
from tests.faults.proxy import FaultProxy
from tests.faults.world import Run, World, until
from tests.jetstream.test_leaves import Field

__all__ = ["_server_ids"]


class Two:
    """A configuration at the station, where tail runs, and one at the hub, where ship does."""

    def __init__(self, world: World, field: Field, folder: Path) -> None:
        self.world, self.field = world, field
        self.leaf = field.leaves["a"]
        self.hub_folder = folder / "hub"
        text = world.config.read_text()
        size = "replicas = 1\nmax_size = 16 MiB\n"
        at_station = f"[outbox]\nurl = {self.leaf.url}/S\nhub = hub\n{size}"
        at_hub = f"[fleet]\ndesk = 1\n[outbox]\nurl = {field.hub.url}/S\n{size}"
        self.configs = {"station": folder / "station.ini", "hub": folder / "hub.ini"}
        for name, section in (("station", at_station), ("hub", at_hub)):
            mended = text.replace("[outbox]\n", section).replace(
                str(world.outbox), str(folder / name)
            )
            self.configs[name].write_text(mended)

    def run(self, where: str, *arguments: str) -> Run:
        self.world.config = self.configs[where]
        return self.world.run(*arguments)

    def done(self, where: str, *arguments: str) -> str:
        run = self.run(where, *arguments)
        assert run.code == 0, run.out + run.err
        return run.out

    def read(self, day: int, count: int) -> None:
        """So many readings of a day at the station."""
        rows = ",".join(f"('2026-03-{day:02d} 00:00:{n:02d}', 69, 0, 1, {n})" for n in range(count))
        self.world.sql(f"INSERT INTO Reading VALUES {rows}")

    def complete(self, count: int) -> bool:
        return len(self.world.centre.rows("Reading")) == count


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    with centre_of("ours", tmp_path) as running:
        yield running


@pytest.fixture
def two(
    mariadb: PrivateMariaDB,
    station: str,
    tmp_path: Path,
    centre: Centre,
    _server_ids: Iterator[int],
) -> Iterator[Two]:
    field = Field(tmp_path / "field")
    with FaultProxy(centre.url) as proxy:
        world = World(mariadb, station, tmp_path, centre, proxy, next(_server_ids))
        try:
            furnish(world)
            field.hub.start()
            field.leaves["a"].start()
            yield Two(world, field, tmp_path)
        finally:
            world.close()
            for server in field.servers:
                server.close()


def test_the_disk_of_the_stations_own_server_is_lost(two: Two) -> None:
    world = two.world
    two.read(1, 20)
    two.done("station", "tail", "--once")
    two.done("hub", "leaf", "add", "fieldstation", "--domain", "a")
    world.config = two.configs["hub"]
    ship = world.start("ship")
    until(lambda: two.complete(20), "the first readings")

    two.leaf.kill()
    shutil.rmtree(two.leaf.folder / "data")
    two.read(2, 20)
    world.sql("UPDATE Reading SET value = 99.5 WHERE time = '2026-03-01 00:00:03'")
    two.leaf.start()
    two.done("station", "tail", "--once")

    def may() -> bool:
        run = two.run("hub", "leaf", "reset", "fieldstation")
        assert run.code in (0, 7, 12), run.err  # not settled, or its link is not up yet
        return run.code == 0

    until(may, "a desk with which all is settled")
    told = two.done("hub", "leaf", "reset", "fieldstation")
    assert "of an earlier stream, settled by ship" in told
    assert "Nothing was done. `--yes` does it." in told
    assert two.complete(20)
    told = two.done("hub", "leaf", "reset", "fieldstation", "--yes")
    assert "tail and ship go on by themselves" in told
    until(lambda: two.complete(40), "what was read again")
    assert "nothing to do" in two.done("hub", "leaf", "reset", "fieldstation", "--yes")

    two.read(3, 20)
    two.done("station", "tail", "--once")
    until(lambda: two.complete(60), "new readings")
    ship.terminate()
    _, said = ship.communicate(timeout=60)
    assert ship.returncode == 0, said
    found = world.compare()
    assert found == type(found)()
    new = [row["time"] for row in world.arrived("Reading") if "-03-03" in row["time"]]
    assert new == sorted(new)
    assert set(Counter(new).values()) == {1}


def test_the_folder_of_ship_is_lost_as_well(two: Two) -> None:
    """The newest desk that was kept is of the stream of before."""
    world = two.world
    two.read(1, 20)
    two.done("station", "tail", "--once")
    two.done("hub", "leaf", "add", "fieldstation", "--domain", "a")
    world.config = two.configs["hub"]
    ship = world.start("ship")
    until(lambda: two.complete(20), "the first readings")
    two.leaf.kill()
    shutil.rmtree(two.leaf.folder / "data")
    two.leaf.start()
    two.read(2, 20)
    two.done("station", "tail", "--once")
    until(lambda: two.run("hub", "leaf", "reset", "fieldstation").code == 0, "a desk")
    ship.terminate()
    ship.communicate(timeout=60)
    shutil.rmtree(two.hub_folder)
    two.done("hub", "leaf", "reset", "fieldstation", "--yes")
    world.config = two.configs["hub"]
    ship = world.start("ship")
    until(lambda: two.complete(40), "what was read again")
    ship.terminate()
    _, said = ship.communicate(timeout=60)
    assert ship.returncode == 0, said
    assert "made from the desk" in said
    found = world.compare()
    assert found == type(found)()


def test_what_is_not_delivered_is_refused(two: Two) -> None:
    two.read(1, 5)
    two.done("station", "tail", "--once")
    two.done("hub", "leaf", "add", "fieldstation", "--domain", "a")
    refused = two.run("station", "leaf", "reset", "fieldstation")
    assert refused.code == 2
    assert "not the hub" in refused.err
    two.leaf.kill()
    refused = two.run("hub", "leaf", "reset", "fieldstation", "--yes")
    assert refused.code == 12
    assert "does not answer" in refused.err
    shutil.rmtree(two.leaf.folder / "data")
    two.leaf.start()
    until(lambda: two.run("hub", "leaf", "reset", "fieldstation").code == 7, "its link")
    refused = two.run("hub", "leaf", "reset", "fieldstation", "--yes")
    assert refused.code == 7
    assert "not settled" in refused.err
    assert "replicator ship" in refused.err
