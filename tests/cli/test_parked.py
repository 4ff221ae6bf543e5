"""Parked rows seen, sent again and given up, at both kinds of server."""

from __future__ import annotations

import pytest

from replicator.change import Op
from replicator.outbox.deliveries import Deliveries
from replicator.outbox.parking import Parking, Requeued, Wanted
from tests.cli.conftest import Station
from tests.cli.scene import Scene, until
from tests.faults.centres import Centre
from tests.faults.proxy import FaultProxy, stall

BAD = 1e300  # no FLOAT holds it


def values(centre: Centre) -> dict[str, float]:
    return {row["time"][-8:]: row["value"] for row in centre.rows("Reading")}


def test_they_are_listed_by_what_is_asked_for(scene: Scene) -> None:
    first = scene.readings(1, range(3), BAD)
    second = scene.readings(2, [7], BAD)
    null = scene.readings(1, [9], type=None)
    scene.ship()
    assert [row[:2] for row in scene.parked()] == [
        (first, 0), (first, 1), (first, 2), (second, 0), (null, 0),
    ]  # fmt: skip
    assert scene.parked("--house", "2") == scene.parked("--house", "2 Main St")
    assert [row[0] for row in scene.parked("--house", "2")] == [second]
    assert scene.parked("--reason", "null-key") == [(null, 0, "null-key")]
    assert scene.parked("--table", "NodeState") == []
    assert len(scene.parked("--destination", "centre")) == 5
    said = scene.json("parked", "list", "--limit", "2")
    assert (said["total"], len(said["rows"])) == (5, 2)
    assert "… 3 more rows" in scene.said("parked", "list", "--limit", "2")
    row = said["rows"][0]
    assert (row["row"]["value"], row["key"]) == (BAD, ["2026-03-01T00:00:00", 61, 0])
    assert "requeue" in row["advice"]


def test_one_is_shown_with_all_there_is_to_say(scene: Scene) -> None:
    seq = scene.readings(1, range(2), BAD)
    scene.ship()
    said = scene.said("parked", "show", f"{seq}/1")
    assert f"{seq}/1 Reading(2026-03-01T00:00:01, 61, 0) insert: rejected" in said
    assert '"value": 1e+300' in said
    assert "→ " in said
    assert len(scene.json("parked", "show", str(seq))) == 2
    refused = scene.run("parked", "show", "999/1")
    assert (refused.exit_code, "parked list" in refused.stderr) == (7, True)
    assert scene.run("parked", "show", "x/1").exit_code == 2


def test_a_mended_server_gets_them_again_in_order(scene: Scene, proxy: FaultProxy) -> None:
    """The station's node came late: what was dangling is not so any more."""
    scene.readings(1, range(5), nodeId=99)
    scene.ship()
    assert {reason for _, _, reason in scene.parked()} == {"dangling"}
    scene.put("Node", 99, locationId=1, nodeTypeId=1)
    assert "5 rows sent again" in scene.said("parked", "requeue", "--reason", "dangling")
    scene.ship()
    assert scene.parked() == []
    assert [row["time"][-2:] for row in proxy.arrivals] == ["00", "01", "02", "03", "04"]


def test_an_old_row_is_never_sent_over_a_newer_one(scene: Scene, centre: Centre) -> None:
    seq = scene.readings(1, [3], BAD)
    scene.ship()
    scene.readings(1, [3], 2.5, Op.UPDATE)
    scene.ship()
    said = scene.said("parked", "requeue", f"{seq}/0")
    assert "0 rows sent again; 1 row superseded: a newer version was delivered" in said
    scene.ship()
    assert list(values(centre).values()) == [2.5]
    (row,) = scene.json("parked", "list", "--superseded")["rows"]
    assert "has delivered the row since" in row["detail"]


def test_a_newer_version_waits_behind_a_row_that_is_sent_again(
    scene: Scene, centre: Centre, proxy: FaultProxy
) -> None:
    scene.readings(1, [3], 1.5, nodeId=99)
    scene.ship()
    scene.put("Node", 99, locationId=1, nodeTypeId=1)
    scene.readings(1, [3], 2.5, Op.UPDATE, nodeId=99)
    scene.said("parked", "requeue")
    scene.ship()
    assert [row["value"] for row in proxy.arrivals] == [1.5, 2.5]
    assert list(values(centre).values()) == [2.5]


def test_a_newer_version_that_is_under_way_supersedes_a_row_requeued_meanwhile(
    scene: Scene, centre: Centre, proxy: FaultProxy
) -> None:
    """Ship has the newer version in its hands when the operator sends the older one again."""
    scene.readings(1, [3], 1.5, nodeId=99)
    scene.ship()
    scene.put("Node", 99, locationId=1, nodeTypeId=1)
    scene.ship()
    ship = scene.start("ship")
    until(lambda: scene.backlog()["daemon"]["state"] == "running", "ship")
    proxy.plan(stall(60), path="bulk")
    scene.readings(1, [3], 2.5, Op.UPDATE, nodeId=99)
    until(lambda: centre.rows("Reading"), "the newer version")
    assert "1 row sent again" in scene.said("parked", "requeue")
    proxy.calm()
    until(lambda: scene.backlog()["waiting_rows"] == 0 and not scene.parked(), "the end")
    scene.kill(ship)
    assert [row["value"] for row in proxy.arrivals] == [2.5]
    assert len(scene.parked("--superseded")) == 1


def test_a_running_ship_sends_them_at_once(scene: Scene, centre: Centre) -> None:
    scene.readings(1, [1], nodeId=99)
    scene.ship()
    scene.put("Node", 99, locationId=1, nodeTypeId=1)
    ship = scene.start("ship")
    until(lambda: scene.backlog()["waiting_rows"] == 0, "the node")
    scene.said("parked", "requeue")
    until(lambda: centre.rows("Reading"), "the row")
    scene.kill(ship)


def test_a_row_sent_again_in_vain_does_not_hold_its_house(scene: Scene, centre: Centre) -> None:
    seq = scene.readings(1, [1], BAD)
    scene.ship()
    for _ in range(2):
        scene.said("parked", "requeue")
        scene.readings(1, [2], 4.5)
        scene.ship()
        assert [row[:2] for row in scene.parked()] == [(seq, 0)]
        assert values(centre) == {"00:00:02": 4.5}
    (row,) = scene.json("parked", "list", "--house", "1")["rows"]
    assert row["lane"] == "requeued house:1"


def test_a_drop_asks_and_is_on_record(scene: Scene) -> None:
    seq = scene.readings(1, range(3), BAD)
    scene.ship()
    assert scene.run("parked", "drop", f"{seq}/1", answer="n\n").exit_code == 1
    assert len(scene.parked()) == 3
    scene.said("parked", "drop", f"{seq}/1", "--why", "lab test", answer="y\n")
    assert "2 rows dropped" in scene.said("parked", "drop", "--house", "1", "--yes")
    assert scene.parked() == []
    dropped = scene.json("parked", "list", "--dropped")["rows"]
    assert [(row["row_index"], row["dropped"]["why"]) for row in dropped] == [
        (0, ""), (1, "lab test"), (2, ""),
    ]  # fmt: skip
    assert all(row["dropped"]["by"] and row["dropped"]["at"] for row in dropped)
    assert dropped[0]["row"]["value"] == BAD
    assert "lab test" in scene.said("parked", "list", "--dropped")
    assert "dropped by" in scene.said("parked", "show", f"{seq}/1")
    assert scene.run("parked", "drop", f"{seq}/1", "--yes").exit_code == 7
    assert scene.run("parked", "drop", "--yes").exit_code == 2, "not everything by accident"


def test_held_rows_that_are_dropped_hold_nothing(scene: Scene, centre: Centre) -> None:
    scene.put("RoomType", 2, name="x" * 21)  # too long for the centre
    scene.put("Room", 2, roomTypeId=2, name="Back")
    scene.put("Location", 9, houseId=1, roomId=2)
    scene.readings(1, [1], locationId=9)
    scene.readings(1, [2])
    scene.ship()
    assert values(centre) == {}, "the house waits"
    scene.said("parked", "drop", "--reason", "waits for", "--yes", "--house", "1")
    scene.readings(1, [3])
    scene.ship()
    assert values(centre) == {"00:00:03": 1.5}


def test_without_an_outbox_or_a_destination(folder: Station) -> None:
    folder.ini(
        "[source]\nuser = u\npassword = p\n[outbox]\npath = outbox\n[destination c]\nurl = http://x/\n"
    )
    assert folder.run("parked", "list").output == "nothing\n"
    assert folder.run("parked", "list", "--destination", "d").exit_code == 2
    assert folder.run("parked", "list", "--house", "3").exit_code == 7


@pytest.mark.parametrize("reason", ["refused", "conflict"])
def test_a_wish_for_what_is_not_there_changes_nothing(scene: Scene, reason: str) -> None:
    scene.readings(1, [1], BAD, type=None)
    scene.ship()
    deliveries = Deliveries(scene.outbox, "centre")
    parking = Parking(deliveries.database, deliveries.path)
    assert parking.requeue(Wanted(reason=reason), "me") == Requeued(0, 0, 0)
    assert list(deliveries.database.query("SELECT * FROM operation")) == []
    deliveries.close()
