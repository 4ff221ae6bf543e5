"""The station of this process and the process that forks its commands."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from demo.mariadbd import PrivateMariaDB
from tests.fire.field import DATABASE, Field
from tests.fire.zygote import Zygote


@pytest.fixture(scope="session")
def field(
    mariadb: PrivateMariaDB, zygote: Zygote, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Field]:
    """A station that stands still, and its stages."""
    yield Field(mariadb, tmp_path_factory.mktemp("stages"), zygote)
    mariadb.execute(f"DROP DATABASE {DATABASE}", f"DROP DATABASE {DATABASE}_witness")


@pytest.fixture(scope="session")
def _stream_numbers() -> Iterator[int]:
    return itertools.count(1)
