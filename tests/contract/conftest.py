"""One fixture for each half of the contract, parametrised by backend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from replicator.outbox.deliveries import Deliveries
from tests.contract.backends import Backend, Sqlite


def backend_of(spec: Sequence[str]) -> Backend:
    """The backend that another process described."""
    return Sqlite(Path(spec[1]))


@pytest.fixture(params=["sqlite"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """An empty outbox."""
    return Sqlite(tmp_path)


@pytest.fixture(params=["sqlite"])
def ledger(tmp_path: Path) -> Iterator[Deliveries]:
    """A destination of which nothing is known."""
    opened = Deliveries(tmp_path, "centre")
    yield opened
    opened.close()
