"""A furnished station beside a central server of each kind in which others were first."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.mariadbd import PrivateMariaDB
from tests.faults.centres import KINDS, Centre, Kind, bulk, centre_of, post
from tests.faults.proxy import FaultProxy
from tests.faults.world import World


@pytest.fixture(scope="session")
def _server_ids() -> Iterator[int]:
    return itertools.count(5000)


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
) -> Iterator[World]:
    """A furnished station, an empty outbox, a proxy that does no harm yet."""
    with FaultProxy(centre.url) as proxy:
        running = World(mariadb, station, tmp_path, centre, proxy, next(_server_ids))
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
