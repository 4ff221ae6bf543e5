"""A request that hung somewhere on the way arrives after newer rows: nothing goes back."""

from __future__ import annotations

import shutil
import time
from contextlib import closing

import pytest

from replicator.change import Op
from replicator.outbox.files import open_file
from tests.cli.scene import Scene
from tests.faults.centres import Centre
from tests.faults.proxy import FaultProxy, hang


@pytest.fixture(autouse=True)
def impatient(scene: Scene, before: FaultProxy) -> None:
    """Ship gives a request up after a second."""
    scene.configure({"centre": before.url}, timeout=1)


def values(ours: Centre) -> list[object]:
    return [row["value"] for row in ours.rows("Reading")]


def let_go(before: FaultProxy, count: int) -> None:
    """What was held back goes on to the server, and is answered to nobody."""
    answered = len(before.requests) + count
    before.calm()
    deadline = time.monotonic() + 30
    while len(before.requests) < answered:
        assert time.monotonic() < deadline, "the held request has not come by"
        time.sleep(0.01)


@pytest.mark.parametrize("killed", [False, True], ids=["timed out", "killed"])
def test_a_batch_that_arrives_late(
    scene: Scene, ours: Centre, before: FaultProxy, killed: bool
) -> None:
    scene.ship()
    scene.readings(1, range(50), value=1.0)
    before.plan(hang(60), path="bulk/")
    if killed:
        child = scene.start("ship")
        deadline = time.monotonic() + 30
        while not before.struck:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        scene.kill(child)
    scene.ship()
    assert before.struck == 1
    assert values(ours) == [1.0] * 50
    scene.readings(1, range(50), value=2.0, op=Op.UPDATE)
    scene.ship()
    assert values(ours) == [2.0] * 50
    let_go(before, 1)
    assert values(ours) == [2.0] * 50, "what was given up went over what came behind it"
    scene.readings(1, range(3), value=3.0, op=Op.UPDATE)
    scene.ship()
    assert sorted(map(str, values(ours))) == ["2.0"] * 47 + ["3.0"] * 3


def test_a_renamed_house_that_arrives_late(scene: Scene, ours: Centre, before: FaultProxy) -> None:
    scene.readings(1, range(3))
    scene.ship()
    before.plan(hang(60), path="house/", method="PUT")
    scene.put("House", 1, Op.UPDATE, deploymentId=1, address="1 Old Name")
    scene.ship()
    scene.put("House", 1, Op.UPDATE, deploymentId=1, address="1 New Name")
    scene.ship()
    assert before.struck == 1
    addresses = {row["address"] for row in ours.rows("House")}
    assert addresses == {"1 New Name", "2 Main St"}
    let_go(before, 1)
    assert {row["address"] for row in ours.rows("House")} == addresses


def test_an_older_copy_of_the_file_is_told_and_goes_on(scene: Scene, ours: Centre) -> None:
    scene.ship()
    file = scene.outbox / "centre.db"
    shutil.copy(file, scene.folder / "copy.db")
    for second in range(3):
        scene.readings(1, [second], value=1.0)
        scene.ship()
    shutil.copy(scene.folder / "copy.db", file)
    for beside in ("centre.db-wal", "centre.db-shm"):
        (scene.outbox / beside).unlink(missing_ok=True)
    result = scene.run("ship", "--once")
    assert result.exit_code == 0, result.output
    assert values(ours) == [1.0] * 3
    with closing(open_file(file, "destination")) as connection:
        why = [row[0] for row in connection.execute("SELECT why FROM attempt").fetchall()]
    assert len([words for words in why if "copy of this destination's file" in words]) == 1
