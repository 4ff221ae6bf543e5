"""A station of its own in a stream of its own, and servers that a test may kill."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.natsd import PrivateNats
from tests.contract.backends import JetStream


@pytest.fixture
def jetstream(nats_server: PrivateNats, tmp_path: Path) -> JetStream:
    """On the server that others use too."""
    return JetStream(nats_server.url, "station 1", tmp_path, tmp_path.name.replace(".", "_"))


@pytest.fixture
def own_nats() -> Iterator[PrivateNats]:
    """A server that this test alone uses."""
    with PrivateNats() as server:
        yield server


@pytest.fixture
def own(own_nats: PrivateNats, tmp_path: Path) -> JetStream:
    """A station on it."""
    return JetStream(own_nats.url, "station 1", tmp_path)
