"""Windows and a day's budget, with a ship that runs and one that starts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
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


def spent(scene: Scene) -> int:
    """Bytes counted; a reader, so that ship takes no notice."""
    uri = f"file:{scene.outbox / 'centre.db'}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        (found,) = connection.execute("SELECT coalesce(sum(bytes), 0) FROM traffic").fetchone()
    return int(found)


def waits_for(scene: Scene, words: str) -> None:
    """Until ship waits for that, and till a time."""

    def said() -> bool:
        daemon = scene.backlog()["daemon"]
        waits = daemon["state"] == "waiting" and daemon["wait_until"] is not None
        return waits and words in daemon["detail"]

    until(said, words)


def test_a_budget_that_is_used_up_holds_the_rest_also_after_a_restart(
    scene: Scene, proxy: FaultProxy, centre: Centre
) -> None:
    scene.configure({"centre": proxy.url}, daily_bytes=4096, batch_rows=5)
    for second in range(40):
        scene.readings(1, [second])
    first = scene.start("ship")
    waits_for(scene, "budget is used up")
    scene.kill(first)
    there, cost = len(centre.rows("Reading")), spent(scene)
    assert there < 40
    assert 4096 <= cost < 4096 + 2048, "overdrawn by one step at most"
    again = scene.start("ship")
    waits_for(scene, "budget is used up")
    scene.kill(again)
    assert (len(centre.rows("Reading")), spent(scene)) == (there, cost), "nothing was sent"
    scene.ship()  # an operator who says --once means now; it is counted all the same
    assert len(centre.rows("Reading")) == 40
    assert spent(scene) > cost


def test_requests_that_fail_are_paid_for(scene: Scene, proxy: FaultProxy) -> None:
    scene.configure({"centre": proxy.url}, daily_bytes="1 MiB")
    proxy.plan(say(503), times=None)
    ship = scene.start("ship")
    until(lambda: spent(scene) > 0, "the first answer")
    scene.kill(ship)


def test_outside_its_windows_nothing_is_sent(
    scene: Scene, proxy: FaultProxy, centre: Centre
) -> None:
    later = datetime.now(timezone.utc) + timedelta(hours=2)
    window = f"{later:%H:%M}-{later + timedelta(hours=1):%H:%M}"
    scene.configure({"centre": proxy.url}, windows=window)
    ship = scene.start("ship")
    waits_for(scene, f"outside its windows ({window} UTC)")
    assert not centre.rows("House")
    scene.kill(ship)


def test_inside_a_window_all_is_sent(scene: Scene, proxy: FaultProxy, centre: Centre) -> None:
    earlier = datetime.now(timezone.utc) - timedelta(hours=2)
    window = f"{earlier:%H:%M}-{earlier + timedelta(hours=12):%H:%M}"
    scene.configure({"centre": proxy.url}, windows=window)
    scene.readings(1, [1])
    ship = scene.start("ship")
    until(lambda: len(centre.rows("Reading")) == 1, "the reading")
    scene.kill(ship)
