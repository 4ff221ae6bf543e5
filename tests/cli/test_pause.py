"""A destination paused and resumed, with a ship that runs and one that starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.scene import Scene, until
from tests.faults.centres import Centre, centre_of
from tests.faults.proxy import FaultProxy, say


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    """What a server is does not matter here."""
    with centre_of("original", tmp_path) as running:
        yield running


def test_a_running_ship_obeys_and_a_new_one_too(scene: Scene, centre: Centre) -> None:
    scene.readings(1, [1])
    first = scene.start("ship")
    until(lambda: len(centre.rows("Reading")) == 1, "the first reading")
    assert "paused by" in scene.said("pause", "centre", "--why", "their disk")
    until(lambda: scene.backlog()["daemon"]["state"] == "paused", "the pause")
    scene.readings(1, [2])
    said = scene.backlog()
    assert (said["paused"]["why"], said["waiting_rows"]) == ("their disk", 1)
    scene.kill(first)
    assert "already paused" in scene.said("pause", "centre", "--why", "again")
    assert "paused by" in scene.said("backlog")
    once = scene.run("ship", "--once")
    assert (once.exit_code, "replicator resume centre" in once.stderr) == (10, True)
    assert "their disk" in once.stderr
    second = scene.start("ship")
    until(lambda: scene.backlog()["daemon"]["state"] == "paused", "the pause")
    assert len(centre.rows("Reading")) == 1, "nothing is sent"
    assert "goes on" in scene.said("resume", "centre")
    until(lambda: len(centre.rows("Reading")) == 2, "the second reading")
    assert scene.backlog()["paused"] is None
    assert "was not paused" in scene.said("resume", "centre")
    scene.kill(second)


def test_a_ship_that_waits_for_the_link_obeys_too(scene: Scene, proxy: FaultProxy) -> None:
    proxy.plan(say(503, retry_after=3600), times=None)
    ship = scene.start("ship")
    until(lambda: scene.backlog()["daemon"]["state"] == "waiting", "the link")
    scene.said("pause", "centre")
    until(lambda: scene.backlog()["daemon"]["state"] == "paused", "the pause")
    scene.said("resume", "centre")
    until(lambda: scene.backlog()["daemon"]["state"] == "waiting", "the link again")
    scene.kill(ship)


def test_an_unknown_destination_is_2(scene: Scene) -> None:
    assert scene.run("pause", "nowhere").exit_code == 2
    assert scene.run("resume", "nowhere").exit_code == 2


def test_before_ship_ever_ran(scene: Scene, centre: Centre) -> None:
    scene.said("pause", "centre")
    assert scene.run("ship", "--once").exit_code == 10
    assert not centre.rows("House")
