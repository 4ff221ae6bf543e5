"""tail, ship and heal with `[outbox] url = nats://…`, from a station to a centre."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from demo.mariadbd import PrivateMariaDB, free_port
from demo.natsd import PrivateNats
from replicator.cli.main import main
from tests.faults.centres import Centre, centre_of
from tests.faults.conftest import _server_ids, furnish
from tests.faults.proxy import FaultProxy
from tests.faults.world import World

__all__ = ["_server_ids"]


class OnStream:
    """A world whose outbox is a stream."""

    def __init__(self, world: World, url: str, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.use(url)

    def use(self, url: str) -> None:
        text = self.world.config.read_text()
        lines = [line for line in text.splitlines() if not line.startswith(("url = nats", "rep"))]
        at = lines.index("[outbox]") + 1
        lines[at:at] = [f"url = {url}", "replicas = 1", "max_size = 16 MiB"]
        lines = [line for n, line in enumerate(lines) if line != "max_size = 16 MiB" or n == at + 2]
        self.world.config.write_text("\n".join(lines) + "\n")

    def run(self, *arguments: str) -> Result:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "'db' is deprecated")  # mysql-replication's
            return CliRunner().invoke(main, ["--config", str(self.world.config), *arguments])

    def done(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.output


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    with centre_of("ours", tmp_path) as running:
        yield running


@pytest.fixture
def on_stream(
    mariadb: PrivateMariaDB,
    station: str,
    tmp_path: Path,
    centre: Centre,
    _server_ids: Iterator[int],
    nats_server: PrivateNats,
) -> Iterator[OnStream]:
    with FaultProxy(centre.url) as proxy:
        world = World(mariadb, station, tmp_path, centre, proxy, next(_server_ids))
        furnish(world)
        yield OnStream(world, f"{nats_server.url}/{station}", tmp_path)
        world.close()


def test_from_a_station_to_a_centre(on_stream: OnStream) -> None:
    world = on_stream.world
    early = on_stream.run("ship", "--once")
    assert early.exit_code == 12
    assert "`replicator tail` makes it" in early.stderr
    for day in (1, 2):
        world.sql(f"INSERT INTO Reading VALUES ('2026-03-0{day} 00:00:00', 69, 0, 1, 20.5)")
        on_stream.done("tail", "--once")
        on_stream.done("ship", "--once")
        assert len(world.centre.rows("Reading")) == day
    world.sql("UPDATE Reading SET value = 21.5 WHERE time = '2026-03-01 00:00:00'")
    on_stream.done("tail", "--once")
    on_stream.done("ship", "--once")
    assert sorted(row["value"] for row in world.centre.rows("Reading")) == [20.5, 21.5]
    assert not world.compare().missing


def test_a_lost_log_is_read_again_when_asked(on_stream: OnStream, mariadb: PrivateMariaDB) -> None:
    world = on_stream.world
    on_stream.done("tail", "--once")
    assert on_stream.run("heal").exit_code == 2
    world.sql("INSERT INTO Reading VALUES ('2026-03-01 00:00:00', 69, 0, 1, 20.5)")
    told = on_stream.done("heal", "--everything")
    assert "reads all tables again" in told
    on_stream.done("tail", "--once")
    on_stream.done("ship", "--once")
    assert not world.compare().missing
    assert len(world.centre.rows("Reading")) == 1


def test_servers_that_are_not_there(on_stream: OnStream) -> None:
    on_stream.use(f"nats://127.0.0.1:{free_port()}/S")
    for command in ("tail", "ship"):
        result = on_stream.run(command, "--once")
        assert result.exit_code == 12
        assert "cannot be reached" in result.stderr


def test_without_the_package(on_stream: OnStream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for command in ("tail", "ship"):
        result = on_stream.run(command, "--once")
        assert result.exit_code == 2
        assert "replicator[jetstream]" in result.stderr
