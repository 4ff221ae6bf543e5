"""A fleet of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.natsd import PrivateNats
from tests.contract.backends import JetStream
from tests.faults.centres import centre_of
from tests.fleet.world import Fleet


@pytest.fixture
def fleet(nats_server: PrivateNats, tmp_path: Path) -> Iterator[Fleet]:
    with centre_of("ours", tmp_path) as centre:
        made = Fleet(nats_server.url, tmp_path.name.replace(".", "_"), tmp_path, centre)
        yield made
        made.close()


@pytest.fixture
def jetstream(nats_server: PrivateNats, tmp_path: Path) -> JetStream:
    """A station of its own in a stream of its own."""
    return JetStream(nats_server.url, "station 1", tmp_path, tmp_path.name.replace(".", "_"))
