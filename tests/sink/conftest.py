"""A central server of each kind in which another station was first, so that ids differ."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.scene import Scene
from tests.faults.centres import KINDS, Centre, Kind, centre_of, post
from tests.faults.proxy import FaultProxy
from tests.sink.kit import Kit, Station, kit


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Which kind of server."""
    found: Kind = request.param
    return found


def others(centre: Centre) -> None:
    """Another station: names that ours has too, other ids."""
    for name in ("Elsewhere", "Nowhere", "Trial 2"):
        deployment = post(centre, "deployment", name=name)
        house = post(centre, "house", deploymentId=deployment, address="1 Main St")
        room_type = post(centre, "roomtype", name=f"{name} room")
        room = post(centre, "room", roomTypeId=room_type, name="Front")
        post(centre, "location", houseId=house, roomId=room)


@pytest.fixture(scope="session")
def _inhabited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the file of one of ours, made once."""
    folder = tmp_path_factory.mktemp("inhabited")
    with centre_of("ours", folder) as running:
        others(running)
    return folder


@pytest.fixture
def centre(kind: Kind, tmp_path: Path, _inhabited: Path) -> Iterator[Centre]:
    """Another station's rows are in it."""
    if kind == "ours":
        shutil.copytree(_inhabited, tmp_path, dirs_exist_ok=True)
    with centre_of(kind, tmp_path) as running:
        if kind == "original":
            others(running)
        yield running


@pytest.fixture
def proxy(centre: Centre) -> Iterator[FaultProxy]:
    """Before that server, harmless until it is told otherwise."""
    with FaultProxy(centre.url) as running:
        yield running


@pytest.fixture
def station() -> Station:
    """One house, one room, one node."""
    made = Station()
    made.furnish()
    return made


@pytest.fixture
def sink(proxy: FaultProxy, tmp_path: Path, station: Station) -> Iterator[Kit]:
    """That station's shipper."""
    with kit(proxy.url, tmp_path / "outbox", station) as made:
        yield made


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Centre]:
    """One of ours, empty."""
    with centre_of("ours", tmp_path) as running:
        yield running


@pytest.fixture
def before(ours: Centre) -> Iterator[FaultProxy]:
    """Before that one."""
    with FaultProxy(ours.url) as running:
        yield running


@pytest.fixture
def scene(tmp_path: Path, before: FaultProxy) -> Iterator[Scene]:
    """A station that delivers to it."""
    made = Scene(tmp_path, {"centre": before.url})
    made.furnish()
    yield made
    made.close()
