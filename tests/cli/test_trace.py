"""`replicator trace`: the life of one row, before both kinds of centre."""

from __future__ import annotations

import re
from typing import Any

import pytest

from replicator.change import Op
from replicator.trace import settlements
from tests.cli.scene import STATE, Scene, moment, until
from tests.faults.centres import Centre
from tests.faults.proxy import FaultProxy, say
from tests.test_backlog import DOCS, names


def traced(scene: Scene, second: int, *options: str, house: int = 1) -> tuple[Any, Any]:
    """(the trace, what it says of the centre) of a reading."""
    node, time = str(60 + house), moment(second)
    found = scene.json("trace", "--node", node, "--type", "0", "--time", time, *options)
    (delivery,) = found["deliveries"]
    return found, delivery


def test_from_its_commit_to_the_centre(scene: Scene, centre: Centre) -> None:
    seq = scene.readings(1, range(5))
    found, delivery = traced(scene, 3)
    assert not delivery["started"]
    assert delivery["centre"]["present"] is False
    scene.ship()
    found, delivery = traced(scene, 3)
    (version,) = found["versions"]
    assert (version["seq"], version["place"], version["op"]) == (seq, 3, "insert")
    assert version["row"]["value"] == 1.5
    assert version["position"] == f"s/b.1:{100 * seq}/"
    (fate,) = delivery["fates"]
    (receipt,) = fate["receipts"]
    assert (fate["state"], fate["since"]) == ("settled", receipt["settled_at"])
    assert receipt["delivered"] >= 5
    assert receipt["requests"] > 0
    ids = {mapped["row"]: mapped["remote_id"] for mapped in delivery["mappings"]}
    places = {row["id"] for row in centre.rows("Location")}
    assert set(ids) == {"Node:61", "SensorType:0", "Location:1"}
    assert ids["Location:1"] in places
    assert (delivery["centre"]["present"], delivery["centre"]["same"]) == (True, True)


def test_missing_and_different_at_the_centre(scene: Scene, centre: Centre) -> None:
    scene.readings(1, range(3))
    scene.ship()
    centre.execute("DELETE FROM Reading WHERE value = 0.5")
    centre.execute("UPDATE Reading SET value = 77 WHERE value = 1.0")
    _, delivery = traced(scene, 1)
    assert delivery["centre"]["present"] is False
    _, delivery = traced(scene, 2)
    assert (delivery["centre"]["same"], delivery["centre"]["differing"]) == (False, ["value"])
    said = scene.said("trace", "--node", "61", "--type", "0", "--time", moment(1))
    assert "it is NOT there" in said
    assert "not kept: which rows an attempt that failed had sent" in said


def test_every_version_has_its_fate(scene: Scene) -> None:
    first = scene.readings(1, [7])
    scene.ship()
    second = scene.readings(1, [7], value=40.0, op=Op.UPDATE)
    found, delivery = traced(scene, 7)
    assert [version["seq"] for version in found["versions"]] == [first, second]
    assert [fate["state"] for fate in delivery["fates"]] == ["settled", "waiting"]
    assert delivery["centre"]["same"] is False
    scene.said("rewind", "centre", "--to", "0")
    scene.ship()
    _, delivery = traced(scene, 7)
    assert [len(fate["receipts"]) for fate in delivery["fates"]] == [2, 1]
    assert delivery["operations"][0]["command"] == "rewind"
    assert delivery["centre"]["same"] is True


def test_a_parked_row_says_why(scene: Scene) -> None:
    seq = scene.readings(1, [9], locationId=99)
    scene.ship()
    _, delivery = traced(scene, 9)
    (fate,) = delivery["fates"]
    assert (fate["seq"], fate["state"]) == (seq, "rejected")
    assert fate["detail"].startswith("dangling: it refers to Location:99")
    scene.said("parked", "drop", f"{seq}/0", "--why", "a test", "--yes")
    _, delivery = traced(scene, 9)
    assert delivery["fates"][0]["state"] == "dropped"
    assert "a test" in scene.said(
        "trace", "--node", "61", "--type", "0", "--time", moment(9), "--offline"
    )


def test_attempts_that_failed_while_it_waited(scene: Scene, proxy: FaultProxy) -> None:
    scene.readings(1, [1])
    scene.ship()
    scene.readings(1, [2])
    proxy.plan(say(503, b"too busy"), times=None)
    ship = scene.start("ship")
    until(lambda: traced(scene, 2, "--offline")[1]["fates"][0]["failed"], "an attempt")
    scene.kill(ship)
    proxy.calm()
    scene.ship()
    failed = traced(scene, 2)[1]["fates"][0]["failed"]
    assert {attempt["state"] for attempt in failed} == {"waiting"}
    assert "503" in failed[0]["why"]
    assert failed[0]["seconds"] >= 0
    assert traced(scene, 1)[1]["fates"][0]["failed"] == []
    said = scene.said("trace", "--node", "61", "--type", "0", "--time", moment(2))
    assert f"{len(failed)} attempts failed while it waited" in said


def test_a_node_state(scene: Scene) -> None:
    scene.write("NodeState", Op.INSERT, STATE, [(5, moment(4), 61, None, 9, 8, -60.5)])
    scene.ship()
    found = scene.json("trace", "--node", "61", "--time", moment(4))
    assert found["versions"][0]["row"]["seq_num"] == 8
    assert found["deliveries"][0]["centre"]["same"] is True


def test_offline_asks_nobody(scene: Scene, proxy: FaultProxy) -> None:
    scene.readings(1, [1])
    scene.ship()
    proxy.plan(say(503), times=None)
    _, delivery = traced(scene, 1, "--offline")
    assert (delivery["centre"]["present"], delivery["centre"]["said"]) == (None, "not asked")
    _, delivery = traced(scene, 1)
    assert delivery["centre"]["present"] is None
    assert "cannot be asked" in delivery["centre"]["said"]


def test_a_row_that_nobody_captured(scene: Scene) -> None:
    scene.ship()
    found, _ = traced(scene, 1)
    assert found["versions"] == []
    said = scene.said("trace", "--node", "61", "--type", "0", "--time", moment(1))
    assert "never captured, or captured earlier and expired since" in said


def test_a_wrong_time_is_a_usage_error(scene: Scene) -> None:
    result = scene.run("trace", "--node", "61", "--type", "0", "--time", "yesterday")
    assert result.exit_code == 2
    assert "not a day or time" in result.output


@pytest.mark.parametrize(
    ("cursors", "settled"),
    [
        ([(1, 3, 0), (2, 4, 0)], ["2"]),
        ([(1, 3, 2), (2, 3, 3)], ["2"]),
        ([(1, 4, 0)], ["1"]),
        ([(7, 4, 0), (8, 5, 0)], []),
        ([(7, 4, 0), (8, 2, 0), (9, 6, 0)], ["9"]),
        ([(1, 3, 0)], []),
    ],
)
def test_the_receipts_with_which_the_cursor_passed_a_row(
    cursors: list[tuple[int, int, int]], settled: list[str]
) -> None:
    """Row 4/2, by (receipt, entry, rows of the next one)."""
    rows = [
        (number, seq, index, f"{number}", 1, 0, 1, 1, 0.1, "") for number, seq, index in cursors
    ]
    assert [receipt.settled_at for receipt in settlements(rows, 4, 2)] == settled


def test_every_field_of_the_json_is_documented(scene: Scene) -> None:
    scene.readings(1, [1])
    scene.ship()
    scene.said("rewind", "centre", "--to", "0")
    found, _ = traced(scene, 1)
    said = names(found) - set(re.findall(r"\w+", DOCS.read_text()))
    assert said - {"nodeId", "type", "locationId", "value"} == set()
