"""A central server that cannot be used, and what happens once it can."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from replicator.central.tokens import create_token
from tests.badinput.told import RIGHT, failed_checks, readings, refused
from tests.faults.proxy import Fault, garbage, html, say
from tests.faults.world import World, until

_TEAPOT = say(418, b"I am a teapot")


@pytest.fixture
def waiting(world: World) -> World:
    """Rows wait in the outbox."""
    world.insert("Reading", *readings(range(50)))
    world.tail_once()
    return world


def arrives(world: World) -> None:
    """Nothing was lost or parked: all arrives now."""
    assert world.backlog()["waiting_rows"] >= 50
    assert world.backlog()["parked_rows"] == 0
    world.ship_once()
    assert world.compare() == RIGHT


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (html(), ("this is not a central server", "200: <!DOCTYPE html>", "url")),
        (say(404, b"no such page"), ("this is not a central server", "404", "url")),
        (say(302, b""), ("this is not a central server", "302", "url")),
        (_TEAPOT, ("this is not a central server", "418: I am a teapot", "url")),
        (say(403, b"not you"), ("does not let us in", "403: not you", "token")),
    ],
    ids=["html", "404", "redirect", "teapot", "403"],
)
def test_something_else_answers(waiting: World, fault: Fault, words: tuple[str, ...]) -> None:
    waiting.proxy.plan(fault, times=None)
    refused(waiting.run("ship", "--once"), 11, *words)
    assert words[1] in failed_checks(waiting, 11)["server"]["message"]
    waiting.proxy.calm()
    arrives(waiting)


@pytest.mark.parametrize(
    "fault", [garbage(), say(200, b"null"), say(500, b"boom")], ids=["garbage", "null", "500"]
)
def test_garbage_is_no_answer(waiting: World, fault: Fault) -> None:
    waiting.proxy.plan(fault, times=None)
    refused(waiting.run("ship", "--once"), 10, "central cannot be reached", "replicator ship")
    failed_checks(waiting, 10)
    waiting.proxy.calm()
    arrives(waiting)


def test_the_central_server_is_down(waiting: World) -> None:
    with waiting.proxy.refusing():
        refused(waiting.run("ship", "--once"), 10, "Connection refused", "replicator ship")
        assert "refused" in failed_checks(waiting, 10)["server"]["message"]
    arrives(waiting)


def test_a_daemon_that_is_refused_says_so_and_goes_on_waiting(waiting: World) -> None:
    waiting.proxy.plan(say(401, b"who are you?"), times=None)
    ship = waiting.start("ship")

    def daemon() -> dict[str, str]:
        run = waiting.run("backlog", "--json")
        found: dict[str, str] = json.loads(run.out)["destinations"][0]["daemon"]
        return found

    until(lambda: daemon()["state"] == "refused", "the daemon's word")
    assert "who are you?" in daemon()["detail"]
    assert ship.poll() is None
    waiting.end(ship)
    waiting.proxy.calm()
    arrives(waiting)


@contextmanager
def token_of(database: Path) -> Iterator[str]:
    """The centre asks for a token from now on."""
    engine = sa.create_engine(f"sqlite:///{database}")
    yield create_token(engine, "fieldstation")
    engine.dispose()


@pytest.mark.parametrize("wrong", ["", "guessed"], ids=["no token", "a wrong one"])
def test_the_token(waiting: World, tmp_path: Path, wrong: str) -> None:
    with token_of(tmp_path / "central.db") as token:
        waiting.configure(token=wrong)
        run = waiting.run("ship", "--once")
        refused(run, 11, "does not let us in", "401", "--create-token")
        assert "--create-token" in failed_checks(waiting, 11)["server"]["hint"]
        waiting.configure(token=token)
        arrives(waiting)


def test_a_destination_that_is_not_configured(waiting: World) -> None:
    refused(waiting.run("ship", "--once", "elsewhere"), 2, "elsewhere", "[destination NAME]")
    arrives(waiting)
