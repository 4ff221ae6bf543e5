"""A furnished station beside a central server of each kind in which others were first."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.mariadbd import PrivateMariaDB
from demo.natsd import PrivateNats
from tests.faults.centres import KINDS, Centre, Kind, bulk, centre_of, post
from tests.faults.proxy import FaultProxy
from tests.faults.world import World
from tests.fire.zygote import Zygote

# The faults where it matters which outbox it is; on a stream they run always, the others with
# FIRE_LONG=1: deleted rows, deaths, a lost folder, order, two at once.
_ON_STREAM = ("test_06", "test_10", "test_16", "test_18", "test_19")
_LONG = bool(os.environ.get("FIRE_LONG"))


@pytest.fixture(scope="session")
def _server_ids() -> Iterator[int]:
    return itertools.count(5000)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The old pusher's faults with both kinds of outbox."""
    if metafunc.module.__name__ != "tests.faults.test_old_pusher_faults":
        return
    telling = _LONG or metafunc.function.__name__.startswith(_ON_STREAM)
    outboxes = ("folder", "stream") if telling else ("folder",)
    metafunc.parametrize("stream", outboxes, indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a stream is does not depend on the centre: one kind, but for FIRE_LONG=1."""
    items[:] = [item for item in items if _LONG or "[original-stream]" not in item.name]


@pytest.fixture
def stream(request: pytest.FixtureRequest, station: str) -> str:
    """[outbox] url, "" where the outbox is a folder, as it is unless a test asks for a stream."""
    if getattr(request, "param", "folder") == "folder":
        return ""
    server: PrivateNats = request.getfixturevalue("nats_server")
    return f"{server.url}/{station}"


@pytest.fixture(params=KINDS)
def centre(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Centre]:
    """One of each kind, with another station's rows, so that ids differ."""
    kind: Kind = request.param
    with centre_of(kind, tmp_path) as running:
        others(running)
        yield running


@pytest.fixture
def world(
    mariadb: PrivateMariaDB,
    station: str,
    tmp_path: Path,
    centre: Centre,
    _server_ids: Iterator[int],
    zygote: Zygote,
    stream: str,
) -> Iterator[World]:
    """A furnished station, an empty outbox, a proxy that does no harm yet."""
    with FaultProxy(centre.url) as proxy:
        own = next(_server_ids)
        running = World(
            mariadb, station, tmp_path, centre, proxy, own, zygote=zygote, stream=stream
        )
        try:
            furnish(running)
            yield running
        finally:
            running.close()


def others(centre: Centre) -> None:
    """Another station: names that ours has too, other ids."""
    for name in ("Elsewhere", "Nowhere"):
        deployment = post(centre, "deployment", name=name)
        house = post(centre, "house", deploymentId=deployment, address="12 High St")
        kind = post(centre, "roomtype", name=f"{name} room")
        room = post(centre, "room", roomTypeId=kind, name="Front")
        post(centre, "location", houseId=house, roomId=room)
    base = {"__table__": "NodeType", "id": 1, "name": "base", "blink": 0}
    types = [
        {"__table__": "SensorType", "id": number, "name": f"type {number}", "units": "u"}
        for number in range(2)
    ]
    bulk(centre, base, *types, {"__table__": "Node", "id": 7, "nodeTypeId": 1})


def furnish(world: World) -> None:
    """Two houses in one deployment, three nodes with a calibrated sensor each, four types."""
    world.sql(
        "INSERT INTO Deployment VALUES (1, 'Trial', 'a trial', '2015-01-01', NULL)",
        "INSERT INTO House VALUES (1, 1, '12 High St', '2015-01-01', NULL, NULL),"
        " (2, 1, '14 High St', '2015-01-01', NULL, NULL)",
        "INSERT INTO RoomType VALUES (1, 'Bedroom')",
        "INSERT INTO Room VALUES (1, 1, 'Front'), (2, 1, 'Back')",
        "INSERT INTO Location VALUES (1, 1, 1), (2, 1, 2), (3, 2, 1)",
        "INSERT INTO NodeType VALUES (1, 'base', NULL, NULL, NULL, NULL, 0, NULL)",
        "INSERT INTO SensorType (id, name, units) VALUES"
        " (0, 'type 0', 'u'), (1, 'type 1', 'u'), (2, 'type 2', 'u'), (3, 'type 3', 'u')",
        "INSERT INTO Node VALUES (69, 1, 1), (70, 2, 1), (71, 3, 1)",
        "INSERT INTO Sensor (sensorTypeId, nodeId, calibrationSlope, calibrationOffset)"
        " VALUES (0, 69, 1.1, 0.2), (0, 70, 1, 0), (0, 71, 0.9, -0.3)",
    )
