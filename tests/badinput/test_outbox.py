"""An outbox without room, or held by somebody else: told, waited for, and nothing lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from tests.badinput.disk import Disk, Limit, Tmpfs, Way, small_disk
from tests.badinput.told import RIGHT, readings, refused
from tests.faults.world import World, until

_LOG = "REPLICATOR_LOG_FILE"


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """A write transaction of another process stays open on the file."""
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield
        holder.execute("ROLLBACK")


def daemons(world: World, log: Path) -> list[Popen[str]]:
    """tail and ship, with a log to look into."""
    world.environment[_LOG] = str(log)
    return [world.start("tail"), world.start("ship")]


def logged(log: Path, words: str) -> Callable[[], bool]:
    return lambda: log.exists() and words in log.read_text()


def test_a_full_disk_pauses_the_daemons_until_there_is_room(
    world: World, tmp_path: Path, way: Way, mounted: None
) -> None:
    log = tmp_path / "daemons.log"
    running = daemons(world, log)
    world.insert("Reading", *readings(range(100)))
    until(lambda: world.compare() == RIGHT, "the first rows")
    pids = [process.pid for process in running]
    disk: Disk = Tmpfs(world.outbox) if way == "tmpfs" else Limit(world.outbox, pids)
    disk.fill()
    for minute in range(2, 42):
        world.insert("Reading", *readings(range(minute * 60, minute * 60 + 59)))
    until(logged(log, "the outbox has no room"), "a word on the full disk")
    assert [process.poll() for process in running] == [None, None]
    disk.free()
    until(lambda: world.compare() == RIGHT, "all rows, without anybody's help")
    assert [process.poll() for process in running] == [None, None]
    assert "Traceback" not in log.read_text()


@pytest.fixture(params=["tmpfs", "limit"])
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


@pytest.fixture
def mounted(way: Way, tmp_path: Path) -> Iterator[None]:
    """The outbox's folder on a small disk, where the way needs one."""
    with ExitStack() as stack:
        if way == "tmpfs" and not stack.enter_context(small_disk(tmp_path / "outbox")):
            pytest.skip("only root may mount a small disk; the limit is tested instead")
        yield


def test_a_locked_outbox_is_told(world: World) -> None:
    world.tail_once()
    world.insert("Reading", *readings(range(5)))
    with locked(world.outbox / "outbox.db"):
        refused(world.run("tail", "--once"), 8, "locked", "outbox.db", "sqlite3 shell")
    world.tail_once()
    world.ship_once()
    world.insert("Reading", *readings(range(5, 10)))
    world.tail_once()
    with locked(world.outbox / "central.db"):
        refused(world.run("ship", "--once"), 8, "locked", "central.db", "sqlite3 shell")
    world.ship_once()
    assert world.compare() == RIGHT


@pytest.mark.parametrize("file", ["outbox.db", "central.db"])
def test_the_daemons_wait_for_a_locked_outbox(world: World, tmp_path: Path, file: str) -> None:
    log = tmp_path / "daemons.log"
    running = daemons(world, log)
    world.insert("Reading", *readings(range(5)))
    until(lambda: world.compare() == RIGHT, "the first rows")
    with locked(world.outbox / file):
        world.insert("Reading", *readings(range(5, 10)))
        until(logged(log, "the outbox is locked"), "a word on the lock")
        assert [process.poll() for process in running] == [None, None]
    until(lambda: world.compare() == RIGHT, "all rows, without anybody's help")
    assert [process.poll() for process in running] == [None, None]


def test_a_file_that_is_no_outbox_is_left_alone(world: World) -> None:
    world.insert("Reading", *readings(range(5)))
    world.outbox.mkdir()
    file = world.outbox / "outbox.db"
    file.write_text("my diary\n" * 1000)
    refused(world.run("tail", "--once"), 7, "outbox.db")
    assert file.read_text().startswith("my diary")
    file.unlink()
    world.replicate()
    assert world.compare() == RIGHT


def test_a_folder_that_cannot_be_made(world: World, tmp_path: Path) -> None:
    world.insert("Reading", *readings(range(5)))
    (tmp_path / "file").touch()
    world.environment["REPLICATOR_OUTBOX_PATH"] = str(tmp_path / "file" / "outbox")
    for command in ("tail", "ship"):
        refused(world.run(command, "--once"), 7, "[outbox] path")
    world.environment.clear()
    world.replicate()
    assert world.compare() == RIGHT
