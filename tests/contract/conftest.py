"""One fixture for each half of the contract, parametrised by backend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from demo.natsd import PrivateNats
from replicator.outbox.deliveries import Deliveries
from tests.contract.backends import Backend, JetStream, Sqlite


def backend_of(spec: Sequence[str]) -> Backend:
    """The backend that another process described."""
    if spec[0] == "sqlite":
        return Sqlite(Path(spec[1]))
    return JetStream(spec[1], spec[2], Path(spec[3]), spec[4])


@pytest.fixture
def jetstream(nats_server: PrivateNats, tmp_path: Path) -> JetStream:
    """A station of its own."""
    return JetStream(nats_server.url, f"Höhe {tmp_path.parent.name}.{tmp_path.name}", tmp_path)


@pytest.fixture(params=["sqlite", "jetstream"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """An empty outbox."""
    if request.param == "sqlite":
        return Sqlite(tmp_path)
    made: JetStream = request.getfixturevalue("jetstream")
    return made


@pytest.fixture(params=["sqlite"])
def ledger(tmp_path: Path) -> Iterator[Deliveries]:
    """A destination of which nothing is known."""
    opened = Deliveries(tmp_path, "centre")
    yield opened
    opened.close()
