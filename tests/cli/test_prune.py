"""Entries and superseded rows let go by hand, beside a tail and a ship."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from replicator.change import Op
from tests.cli.conftest import Station
from tests.cli.scene import Scene, until
from tests.faults.centres import Centre, centre_of


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    """What a server is does not matter here."""
    with centre_of("original", tmp_path) as running:
        yield running


def held(scene: Scene) -> list[int]:
    rows = scene.writer.database.execute("SELECT seq FROM entry ORDER BY seq").fetchall()
    return [seq for (seq,) in rows]


def test_what_is_settled_goes_and_its_room_too(scene: Scene) -> None:
    for _ in range(15):
        scene.readings(1, range(1000))
    scene.ship()
    last = scene.readings(1, [1], 9.5, Op.UPDATE)
    file = scene.outbox / "outbox.db"
    scene.writer.database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    size = file.stat().st_size
    dry = scene.said("prune", "--older-than", "0", "--dry-run")
    assert "15,012 rows" in dry
    assert f"entries {last} to {last} stay: centre has not settled them" in dry
    assert len(held(scene)) == last
    assert "returned to the disk" in scene.said("prune", "--older-than", "0")
    assert held(scene) == [last]
    assert file.stat().st_size < size / 3
    scene.ship()
    assert scene.parked() == []


def test_the_configured_time_holds_where_none_is_said(scene: Scene) -> None:
    scene.readings(1, [1])
    scene.ship()
    assert scene.said("prune").startswith("0 rows")
    assert scene.run("prune", "--older-than", "soon").exit_code == 2


def test_superseded_rows_go_and_parked_ones_stay(scene: Scene) -> None:
    scene.readings(1, [1, 2], 1e300)
    scene.ship()
    scene.readings(1, [1], 2.5, Op.UPDATE)
    scene.ship()
    assert "1 superseded row deleted" in scene.said("prune", "--older-than", "0")
    assert scene.parked("--superseded") == []
    assert len(scene.parked()) == 1


def test_beside_a_ship_that_runs(scene: Scene, centre: Centre) -> None:
    ship = scene.start("ship")
    for n in range(3):
        scene.readings(1, [n])
        until(lambda n=n: len(centre.rows("Reading")) > n, "a reading")  # type: ignore[misc]  # a default in a lambda
        until(lambda: scene.backlog()["waiting_rows"] == 0, "its receipt")
        scene.said("prune", "--older-than", "0")
    assert len(held(scene)) == 1
    scene.kill(ship)


def test_without_an_outbox_it_is_7(folder: Station) -> None:
    folder.ini("[source]\nuser = u\npassword = p\n[outbox]\npath = outbox\n")
    assert folder.run("prune").exit_code == 7
