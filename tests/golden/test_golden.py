"""Every golden case: ours against its file, against the library's decoder, and against SELECT."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from demo.mariadbd import PrivateMariaDB
from tests.conftest import create_station
from tests.golden import library
from tests.golden.case import CASES, Case, written
from tests.golden.played import Played, differences, folded, play
from tests.golden.settings import global_settings


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    """Each of the directories."""
    made = request.param
    assert isinstance(made, Case)
    return made


@pytest.fixture
def server(request: pytest.FixtureRequest, case: Case) -> Iterator[PrivateMariaDB]:
    """With the case's settings; the shared one where there are none."""
    name = "changeable" if case.known.globals else "mariadb"
    found: PrivateMariaDB = request.getfixturevalue(name)
    with global_settings(found, case.known.globals):
        yield found


@pytest.fixture(scope="session")
def changeable() -> Iterator[PrivateMariaDB]:
    """A server whose global settings a case may change."""
    with PrivateMariaDB() as server:
        yield server


def test_there_are_cases() -> None:
    assert len(CASES) >= 25


@pytest.mark.filterwarnings("ignore:.*utcfromtimestamp:DeprecationWarning")  # mysql-replication
def test_a_case(case: Case, server: PrivateMariaDB) -> None:
    create_station(server, "golden")
    try:
        played = play(case, server, "golden")
        assert written(played.told()) == case.expected.read_text()
        assert json.loads(case.expected.read_text()) == played.told()
        if played.stops is None:
            assert by_the_library(server, played) == set(case.known.library)
            assert differences(folded(played), played.after) == set(case.known.select)
        else:
            assert not case.known.library
            assert not case.known.select
    finally:
        server.execute("DROP DATABASE IF EXISTS golden")


def by_the_library(server: PrivateMariaDB, played: Played) -> set[str]:
    """Where the library says otherwise; "*" when it fails."""
    try:
        theirs = library.of_the_library(server, "golden", played.start, played.end)
    except Exception:  # noqa: BLE001  # it raises anything; the case says that it is known
        return {"*"}
    return library.differences(theirs, library.ours(played.changes))
