"""The outbox's budget with real processes: capture pauses, says so, and goes on by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.centres import Centre, centre_of
from tests.faults.compare import Difference
from tests.faults.conftest import others
from tests.faults.world import World, until


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    """What a server is does not matter here."""
    with centre_of("ours", tmp_path) as running:
        others(running)
        yield running


def tail_of(world: World) -> dict[str, Any]:
    said: dict[str, Any] = world.whole_backlog()["tail"]
    return said


def test_capture_pauses_at_its_budget_and_goes_on(world: World, tmp_path: Path) -> None:
    ini = tmp_path / "replicator.ini"
    ini.write_text(ini.read_text().replace("[outbox]\n", "[outbox]\nmax_size = 1 MiB\n"))
    world.sql(
        "INSERT INTO Reading (time, nodeId, type, locationId, value) "
        "SELECT '2015-03-01' + INTERVAL seq SECOND, 69, 0, 1, 0.5 FROM seq_1_to_30000"
    )
    world.tail_once()
    tail = world.start("tail")
    until(lambda: world.says_tail("paused"), "the pause")
    daemon = tail_of(world)["daemon"]
    assert "budget" in daemon["detail"]
    assert "raise max_size" in daemon["detail"]
    captured, entries = (tail_of(world)[name] for name in ("rows_captured", "entries"))
    world.sql("INSERT INTO Reading VALUES ('2016-01-01', 69, 0, 1, 1.5)")
    assert tail_of(world)["rows_captured"] == captured, "the binlog is the overflow"
    world.ship_once()
    until(lambda: tail_of(world)["rows_captured"] > captured, "the new reading")
    assert tail_of(world)["entries"] < entries, "what was settled went, before its time"
    until(lambda: world.says_tail("running"), "tail to say so")
    world.end(tail)
    world.ship_once()
    assert world.compare() == Difference()
    assert json.loads((world.run("backlog", "--json")).out)["gaps"] == []
