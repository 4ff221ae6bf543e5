"""`replicator outbox move` of a station that goes on writing, with a centre."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from demo.mariadbd import PrivateMariaDB
from replicator.outbox.lock import RoleLock
from tests.faults.world import until
from tests.jetstream.test_commands import OnStream, _server_ids, centre, on_stream

__all__ = ["_server_ids", "centre", "on_stream"]


class Clerk:
    """Writes readings at the station until told to stop."""

    def __init__(self, mariadb: PrivateMariaDB, database: str) -> None:
        self._mariadb, self._database = mariadb, database
        self.written = 0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=self._write, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _write(self, stop: threading.Event) -> None:
        connection = self._mariadb.connect(self._database)
        with connection.cursor() as cursor:
            while not stop.is_set():
                minute, second = divmod(self.written, 60)
                at = f"2026-03-01 00:{minute % 60:02d}:{second:02d}"
                cursor.execute(f"INSERT INTO Reading VALUES ('{at}', 69, {minute // 60}, 1, 20.5)")
                self.written += 1
                stop.wait(0.02)
        connection.close()


def folder_only(on_stream: OnStream) -> None:
    """[outbox] path alone, as replicator.ini was at first."""
    world = on_stream.world
    lines = [
        line for line in world.config.read_text().splitlines() if not line.startswith("url = nats")
    ]
    world.config.write_text("\n".join(lines) + "\n")


def sent_once(on_stream: OnStream) -> bool:
    """No reading has come to the centre in two requests."""
    rows = on_stream.world.arrived("Reading")
    times = Counter((row["time"], str(row.get("nodeId")), str(row.get("typeId"))) for row in rows)
    return bool(rows) and len(rows) == len(times)


def test_there_and_back_while_the_station_writes(
    on_stream: OnStream, mariadb: PrivateMariaDB, station: str
) -> None:
    world = on_stream.world
    url = next(
        line.split(" = ")[1]
        for line in world.config.read_text().splitlines()
        if line.startswith("url = nats")
    )
    home = f"sqlite:///{world.outbox}"
    folder_only(on_stream)
    clerk = Clerk(mariadb, station)
    on_stream.done("tail", "--once")  # rows written meanwhile are read twice, as ever
    with clerk.at_work():
        until(lambda: clerk.written > 0, "the first reading")
        on_stream.done("tail", "--once")
        ship = world.start("ship")
        until(lambda: bool(world.centre.rows("Reading")), "the first reading at the centre")
        on_stream.done("tail", "--once")

        told = on_stream.done("outbox", "move", "--to", url)
        assert "Nothing was done" in told
        lock = RoleLock(world.outbox, "tail")
        assert on_stream.run("outbox", "move", "--to", url, "--yes").exit_code == 8
        lock.release()
        told = on_stream.done("outbox", "move", "--to", url, "--yes")
        assert f"  url = {url}\n" in told

        _, said = ship.communicate(timeout=60)  # it ran on with the configuration of before
        assert ship.returncode == 7
        assert f"set `[outbox] url = {url}`" in said
        for command in (("tail", "--once"), ("ship", "--once"), ("heal",)):
            refused = on_stream.run(*command)
            assert refused.exit_code == 7, command
            assert f"set `[outbox] url = {url}`" in refused.stderr

        on_stream.use(url)
        on_stream.done("tail", "--once")
        on_stream.done("ship", "--once")
        on_stream.done("tail", "--once")  # what ship has not read before it moves back
        assert on_stream.run("outbox", "move", "--to", "sqlite:////elsewhere").exit_code == 2
        assert "Nothing was done" in on_stream.done("outbox", "move", "--to", home)
        moved = on_stream.run("outbox", "move", "--to", home, "--yes", "--json")
        assert moved.exit_code == 0, moved.output
        said = json.loads(moved.stdout)
        assert said["set"] == f"path = {world.outbox}"
        for command in (("tail", "--once"), ("ship", "--once")):
            refused = on_stream.run(*command)
            assert refused.exit_code == 7, command
            assert "moved from the stream to a folder" in refused.stderr
        folder_only(on_stream)
        on_stream.done("tail", "--once")
    on_stream.done("tail", "--once")
    on_stream.done("ship", "--once")
    assert not world.compare().missing
    assert len(world.centre.rows("Reading")) == clerk.written
    assert sent_once(on_stream), on_stream.world.arrived("Reading")[:3]
