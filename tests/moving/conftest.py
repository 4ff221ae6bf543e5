"""A station that the old pusher has served, beside a central server of each kind."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from demo.mariadbd import PrivateMariaDB
from replicator.cli.main import main
from tests.faults.centres import Centre, bulk, post
from tests.faults.conftest import _server_ids, centre, furnish
from tests.faults.proxy import FaultProxy
from tests.faults.world import PASSWORD, USER, World

__all__ = ["_server_ids", "centre"]

Row = dict[str, Any]
LOCAL_DAYS = range(1, 9)
VALUE = 20.123456  # more digits than the old one sent
PLACES = {69: 1, 70: 2, 71: 3}  # node: location


def reading(day: int, node: int, kind: int = 0, **more: Any) -> Row:
    """At the station."""
    time = f"2015-03-{day:02d}T12:00:0{kind}"
    row = {"time": time, "nodeId": node, "type": kind, "locationId": PLACES[node]}
    return {**row, "value": VALUE, **more}


class Served:
    """``ids``: what the old pusher had mapped; (table, local id) → remote id."""

    def __init__(self, world: World, server: PrivateMariaDB, database: str) -> None:
        self.world = world
        self.centre = world.centre
        self.folder = world.config.parent
        self.old = self.folder / "synchronise.conf"
        self.old.write_text(
            "#Configuration file for synchronisation\n[general]\n"
            f"localUrl = mysql://{USER}:{PASSWORD}@localhost/{database}"
            f"?unix_socket={server.socket}\n"
            "pushlimit = 10000 # items\nsynctime = 10\n"
            "[locations]\nlocal = 0\ncogentee = 1\n"
            "[local]\nresturl = http://127.0.0.1:6543/rest/\n"
            f"[cogentee]\nresturl = {world.proxy.url}/rest/\n"
        )
        self.ids = self._pushed_references()

    def _pushed_references(self) -> dict[tuple[str, int], int]:
        centre = self.centre
        ids = {("Deployment", 1): post(centre, "deployment", name="Trial")}
        for house, address in ((1, "12 High St"), (2, "14 High St")):
            ids["House", house] = post(
                centre, "house", deploymentId=ids["Deployment", 1], address=address
            )
        kind = post(centre, "roomtype", name="Bedroom")
        for room, name in ((1, "Front"), (2, "Back")):
            ids["Room", room] = post(centre, "room", roomTypeId=kind, name=name)
        for location, house, room in ((1, 1, 1), (2, 1, 2), (3, 2, 1)):
            where = {"houseId": ids["House", house], "roomId": ids["Room", room]}
            ids["Location", location] = post(centre, "location", **where)
        nodes = [
            {"__table__": "Node", "id": node, "locationId": ids["Location", at], "nodeTypeId": 1}
            for node, at in PLACES.items()
        ]
        bulk(centre, *nodes)
        return ids

    def push(self, *rows: Row) -> None:
        """As the old one did: values with six digits."""
        bulk(
            self.centre,
            *(
                {
                    "__table__": "Reading",
                    **row,
                    "locationId": self.ids["Location", row["locationId"]],
                    "value": float(f"{row['value']:.6g}"),
                }
                for row in rows
            ),
        )

    def map_file(self, changed: dict[tuple[str, int], int] | None = None) -> Path:
        """As the old one wrote it; ``changed``: ids that are wrong there."""
        ids = {**self.ids, **(changed or {})}
        lines = ["# this file holds details of mappings", f"[{self.world.proxy.url}/rest/]"]
        lines += ["[[lastupdate]]", "1 = 2015-03-06 12:00:00", "2 = None"]
        for table in ("Deployment", "House", "Location", "Room"):
            lines.append(f"[[{table.lower()}]]")
            lines += [f"{i} = {there}" for (t, i), there in ids.items() if t == table]
        path = self.folder / "localhost-ch_map.conf"
        path.write_text("\n".join(lines) + "\n")
        return path

    def command(self, *arguments: str) -> None:
        """A command in this process: it takes half the time of one of its own."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "'db' is deprecated")  # mysql-replication's
            done = CliRunner().invoke(main, ["--config", str(self.world.config), *arguments])
        assert done.exit_code == 0, done.output + done.stderr

    def tail(self) -> None:
        """Capture all there is."""
        self.command("tail", "--once")

    def ship(self) -> None:
        """Deliver all there is."""
        self.command("ship", "--once")

    def numbered(self) -> None:
        """A server id of our own, which no other test's reader has, behind the import."""
        text = self.world.config.read_text()
        server_id = f"server_id = {self.world._server_id}\n"
        self.world.config.write_text(text.replace("[source]\n", f"[source]\n{server_id}"))


@pytest.fixture
def served(
    mariadb: PrivateMariaDB,
    station: str,
    tmp_path: Path,
    centre: Centre,
    _server_ids: Iterator[int],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Served]:
    """Reference rows pushed; readings of a week at the station, in three nodes and two types."""
    with FaultProxy(centre.url) as proxy:
        world = World(mariadb, station, tmp_path, centre, proxy, next(_server_ids))
        world.config.unlink()
        world.environment["REPLICATOR_OUTBOX_PATH"] = str(world.outbox)
        monkeypatch.setenv("REPLICATOR_OUTBOX_PATH", str(world.outbox))
        try:
            furnish(world)
            rows = [reading(d, n, k) for d in LOCAL_DAYS for n in PLACES for k in (0, 1)]
            world.insert("Reading", *rows)
            yield Served(world, mariadb, station)
        finally:
            world.close()
