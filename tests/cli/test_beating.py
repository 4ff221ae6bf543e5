"""Heartbeats of a real ship to a central server of each kind; delivery does not feel them."""

from __future__ import annotations

import pytest

from replicator.cli.beating import Heart
from replicator.cli.pipelines import address
from replicator.config import Config
from tests.cli.scene import Scene, until
from tests.faults.centres import Centre
from tests.faults.proxy import FaultProxy, hang, say


def beats(proxy: FaultProxy) -> int:
    found = [request.path for request in proxy.requests]
    return sum("heartbeat/" in path or "pushstatus/" in path for path in found)


def heart(scene: Scene, wall: list[float]) -> Heart:
    config = Config.load(scene.path, {})
    (destination,) = config.destinations
    return Heart(config, destination, address(destination), lambda: None, lambda: wall[0])


def settle(before: Heart) -> None:
    thread = before._thread
    assert thread is not None
    thread.join(30)


def test_a_ship_that_has_nothing_to_do_says_that_it_lives(
    scene: Scene, proxy: FaultProxy, centre: Centre
) -> None:
    scene.configure({"centre": proxy.url}, heartbeat=0.3)
    scene.start("ship")
    until(lambda: beats(proxy) >= 2, "two heartbeats")
    if centre.kind == "ours":

        def told() -> bool:
            (row,) = centre.rows("station")
            return (row["waiting_rows"], row["ship"]) == (0, "running")

        until(told, "one when all was sent")
        (row,) = centre.rows("station")
        assert row["open_gaps"] == 0
        assert row["disk_free"] > 0
        assert row["version"]
    else:
        assert centre.rows("Pushstatus")[0]["hostname"]


def test_it_beats_once_an_interval_also_when_the_clock_is_set_back(
    scene: Scene, proxy: FaultProxy
) -> None:
    scene.configure({"centre": proxy.url}, heartbeat=3600)
    wall = [1e9]
    beating = heart(scene, wall)
    for _ in range(36):
        wall[0] += 100
        beating.look()
        if beating._thread is not None:
            settle(beating)
    assert beats(proxy) == 1
    wall[0] -= 1e8
    beating.look()
    wall[0] += 3600
    beating.look()
    settle(beating)
    assert beats(proxy) == 2


def test_one_that_hangs_or_is_refused_does_not_keep_rows_from_arriving(
    scene: Scene, proxy: FaultProxy, centre: Centre
) -> None:
    path = "heartbeat/" if centre.kind == "ours" else "pushstatus/"
    scene.configure({"centre": proxy.url}, heartbeat=0.1)
    proxy.plan(hang(60), path=path)
    proxy.plan(say(500), path=path, times=None)
    scene.start("ship")
    until(lambda: proxy.struck >= 1, "the first heartbeat")
    scene.readings(1, range(5))
    until(lambda: len(centre.rows("Reading")) == 5, "readings beside it")
    until(lambda: scene.backlog()["daemon"]["state"] == "running", "ship to say so")


def test_the_same_failure_is_told_once(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.configure({"centre": "http://127.0.0.1:9"}, heartbeat=3600)
    beating = heart(scene, [1e9])
    beating.beat()
    beating.beat()
    said = [record.getMessage() for record in caplog.records if "no heartbeat" in record.msg]
    assert len(said) == 1
    assert "cannot be reached" in said[0]
