"""A furnished station beside our central server, for what people and machines get wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from demo.mariadbd import PrivateMariaDB
from tests.conftest import create_station
from tests.faults.centres import Centre, centre_of
from tests.faults.conftest import _server_ids, furnish, others, stream, world
from tests.faults.proxy import FaultProxy
from tests.faults.world import World
from tests.fire.zygote import Zygote

__all__ = ["_server_ids", "stream", "world"]  # fixtures of the tests of faults

MakeWorld = Callable[[PrivateMariaDB], World]


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    """Our central server, with another station's rows."""
    with centre_of("ours", tmp_path) as running:
        others(running)
        yield running


@pytest.fixture
def world_on(centre: Centre, tmp_path: Path, zygote: Zygote) -> Iterator[MakeWorld]:
    """A furnished station on a server of this test alone. A second one takes the first's place."""
    with ExitStack() as stack:

        def make(server: PrivateMariaDB) -> World:
            proxy = stack.enter_context(FaultProxy(centre.url))
            create_station(server, "ch")
            made = World(server, "ch", tmp_path, centre, proxy, 4711, zygote=zygote)
            stack.callback(made.close)
            furnish(made)
            return made

        yield make
