"""Mappings seen, explained and corrected; a corrected one sends exactly what it concerns again."""

from __future__ import annotations

from typing import Any

import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.change import Op, Value
from replicator.model import TABLES
from replicator.repair.affected import concerned
from tests.cli.scene import Scene, until
from tests.faults.centres import Centre, bulk, post
from tests.faults.proxy import FaultProxy, say


def mapped(scene: Scene, table: str, number: int) -> dict[str, Any]:
    (found,) = [m for m in scene.json("map", "show", "--table", table) if m["local_id"] == number]
    said: dict[str, Any] = found
    return said


def place_of(centre: Centre, node: int) -> set[int]:
    return {row["locationId"] for row in centre.rows("Reading") if row["nodeId"] == node}


def steps(scene: Scene, row: str) -> list[tuple[bool, str]]:
    return [(s["ok"], s["said"]) for s in scene.json("map", "explain", row)["centre"]]


def test_they_are_listed(scene: Scene) -> None:
    assert scene.said("map", "show") == "nothing\n"
    scene.readings(1, [1])
    scene.ship()
    house = mapped(scene, "House", 1)
    assert house["natural_key"]["address"] == "1 Main St"
    assert (house["matched_by"], house["destination"]) == ("created", "centre")
    assert f"House:1 → {house['remote_id']} (created" in scene.said("map", "show")


def test_a_house_set_by_hand_takes_exactly_its_rows_along(
    scene: Scene, centre: Centre, proxy: FaultProxy
) -> None:
    """The centre knows the house under another address."""
    scene.readings(1, range(3))
    scene.readings(2, range(3))
    scene.readings(1, [9], locationId=None)  # of its node, but in no place
    scene.write("NodeState", *state(61))
    scene.ship()
    wrong = place_of(centre, 61) - {None}
    deployment = mapped(scene, "Deployment", 1)["remote_id"]
    right = post(centre, "house", deploymentId=deployment, address="One, Main Street")
    before = len(proxy.arrivals)
    refused = scene.run("map", "set", "House:1", str(right), answer="n\n")
    assert refused.exit_code == 1
    said = scene.said("map", "set", "House:1", str(right), "--why", "renamed", answer="y\n")
    assert "address: '1 Main St' here, 'One, Main Street' there" in said
    assert f"House:1 was {mapped_before(said)}, is {right}" in said
    assert "had 3 readings at the centre" in said
    assert mapped(scene, "House", 1)["matched_by"] == "by hand"
    scene.ship()
    place = mapped(scene, "Location", 1)["remote_id"]
    assert place_of(centre, 61) == {place, None}
    assert place not in wrong
    (location,) = [row for row in centre.rows("Location") if row["id"] == place]
    assert location["houseId"] == right
    (node,) = [row for row in centre.rows("Node") if row["id"] == 61]
    assert node["locationId"] == place
    again = [(row["nodeId"], row["__table__"]) for row in proxy.arrivals[before:]]
    assert again == [(61, "Reading")] * 3
    assert scene.backlog()["to_send_again"] == 0


def mapped_before(said: str) -> str:
    return said.split("House:1 was ")[1].split(",", maxsplit=1)[0]


def state(node: int) -> tuple[Any, Any, Any]:
    columns = ("id", "time", "nodeId", "parent", "localtime", "seq_num", "rssi")
    return Op.INSERT, columns, [(1, "2026-03-01T00:00:00", node, None, 0, 1, -60.0)]


def test_what_is_not_held_is_said(scene: Scene, centre: Centre) -> None:
    seq = scene.readings(1, range(3))
    scene.readings(1, range(3, 5))
    scene.ship()
    scene.writer.database.execute("DELETE FROM entry WHERE seq <= ?", (seq,))
    deployment = mapped(scene, "Deployment", 1)["remote_id"]
    right = post(centre, "house", deploymentId=deployment, address="One")
    said = scene.said("map", "set", "House:1", str(right), "--yes")
    assert "2 rows will be sent again" in said
    assert "no longer held, and not sent" in said
    assert "had 5 readings at the centre; those that are not sent again stay" in said


def test_a_sensor_type_of_another_meaning_gets_an_id_of_its_own(
    scene: Scene, centre: Centre
) -> None:
    bulk(centre, {"__table__": "SensorType", "id": 0, "name": "humidity", "units": "%"})
    bulk(centre, {"__table__": "SensorType", "id": 205, "name": "type 0", "units": "u"})
    bulk(centre, {"__table__": "SensorType", "id": 206, "name": "type 0", "units": "V"})
    scene.readings(1, range(3))
    scene.ship()
    assert {reason for _, _, reason in scene.parked()} == {"conflict"}
    assert centre.rows("Reading") == []
    found = steps(scene, "SensorType:0")
    assert any(not ok and "conflict" in said and "humidity" in said for ok, said in found)
    assert any("4 rows that refer to it are parked: conflict" in said for _, said in found)
    wrong = scene.run("map", "set", "SensorType:0", "206", "--yes")
    assert (wrong.exit_code, "units is 'u' here, 'V' there" in wrong.stderr) == (7, True)
    assert "4 parked rows sent again" in scene.said("map", "set", "SensorType:0", "205")
    scene.ship()
    assert scene.parked() == []
    assert [row["type"] for row in centre.rows("Reading")] == [205] * 3
    types = {row["id"]: row["name"] for row in centre.rows("SensorType")}
    assert (types[0], types[205]) == ("humidity", "type 0"), "nothing is overwritten"


def test_what_cannot_be_set(scene: Scene, centre: Centre) -> None:
    scene.readings(1, [1])
    scene.readings(2, [1])
    scene.ship()
    other = mapped(scene, "House", 2)["remote_id"]
    for told, code in (
        (("House:1", "999"), 7),
        (("House:77", str(other)), 7),
        (("House:1", str(other)), 7),
        (("Haus:1", "1"), 2),
        (("Reading:1", "1"), 2),
        (("House:x", "1"), 2),
    ):
        result = scene.run("map", "set", *told, "--yes")
        assert result.exit_code == code, (told, result.stderr)
    before = scene.json("map", "show")
    assert scene.run("map", "refresh").exit_code == 2
    assert scene.json("map", "show") == before


def test_a_refresh_that_finds_the_same_sends_nothing(scene: Scene, proxy: FaultProxy) -> None:
    scene.readings(1, range(3))
    scene.ship()
    before = [(m["table"], m["local_id"], m["remote_id"]) for m in scene.json("map", "show")]
    assert "nothing is sent again" in scene.said("map", "refresh", "--all")
    after = [(m["table"], m["local_id"], m["remote_id"]) for m in scene.json("map", "show")]
    assert after == before
    scene.ship()
    assert len(proxy.arrivals) == 3


def test_a_refresh_after_the_house_was_made_anew_there(scene: Scene, centre: Centre) -> None:
    scene.readings(1, range(3))
    scene.ship()
    house = mapped(scene, "House", 1)["remote_id"]
    requests.delete(f"{centre.url}/rest/house/{house}", timeout=10).raise_for_status()
    assert place_of(centre, 61) == {None}, "the centre lets go of its readings"
    found = steps(scene, "House:1")
    assert any(not ok and "replicator map refresh House:1" in said for ok, said in found)
    said = scene.said("map", "refresh", "House:1")
    assert "4 rows will be sent again" in said, "the node's own row comes, too"
    scene.ship()
    assert place_of(centre, 61) == {mapped(scene, "Location", 1)["remote_id"]}


def test_a_centre_that_is_down_changes_nothing(scene: Scene, proxy: FaultProxy) -> None:
    scene.readings(1, [1])
    scene.ship()
    before = scene.json("map", "show")
    proxy.plan(say(503), times=None)
    assert scene.run("map", "refresh", "--all").exit_code == 10
    assert scene.run("map", "set", "House:1", "5", "--yes").exit_code == 10
    assert any("cannot be asked" in said for _, said in steps(scene, "House:1"))
    proxy.calm()
    assert scene.json("map", "show") == before


def test_it_is_explained_what_a_row_waits_for(scene: Scene, centre: Centre) -> None:
    scene.put("RoomType", 2, name="x" * 21)  # too long for the centre
    scene.put("Room", 2, roomTypeId=2, name="Back")
    scene.put("Location", 9, houseId=1, roomId=2)
    scene.readings(1, range(4), locationId=9)
    scene.ship()
    found = steps(scene, "RoomType:2")
    assert any("rows of house:1 wait for it" in said for _, said in found)
    found = steps(scene, "Location:9")
    text = "\n".join(said for _, said in found)
    assert "it waits for what it refers to" in text
    assert "it will be created" in text
    assert "the station has" in scene.said("map", "explain", "Location:9")
    assert any("never captured" in said for _, said in steps(scene, "Node:777"))
    rows = len(centre.rows("Room"))
    assert rows == 1, "it only looks"


def test_a_running_ship_uses_a_corrected_mapping(scene: Scene, centre: Centre) -> None:
    scene.readings(1, range(3))
    ship = scene.start("ship")
    until(lambda: len(centre.rows("Reading")) == 3, "the readings")
    deployment = mapped(scene, "Deployment", 1)["remote_id"]
    right = post(centre, "house", deploymentId=deployment, address="One")
    scene.said("map", "set", "House:1", str(right), "--yes")
    place = mapped(scene, "Location", 1)["remote_id"]
    scene.readings(1, [3])
    until(lambda: len(centre.rows("Reading")) == 4, "the next one")
    until(lambda: place_of(centre, 61) == {place}, "all in the new place")
    scene.kill(ship)


# --- what is concerned -------------------------------------------------------------------------

Names = dict[str, dict[int, dict[str, Value]]]
numbers = st.integers(1, 3)


@st.composite
def stations(draw: st.DrawFn) -> Names:
    return {
        "House": {n: {"deploymentId": draw(numbers)} for n in (1, 2, 3)},
        "Room": {n: {"roomTypeId": draw(numbers)} for n in (1, 2, 3)},
        "Location": {n: {"houseId": draw(numbers), "roomId": draw(numbers)} for n in (1, 2, 3)},
        "Node": {n: {"locationId": draw(numbers), "nodeTypeId": draw(numbers)} for n in (1, 2, 3)},
        "Sensor": {n: {"nodeId": draw(numbers), "sensorTypeId": draw(numbers)} for n in (1, 2, 3)},
    }


@settings(max_examples=80, deadline=None)
@given(
    stations(),
    st.sampled_from(["Deployment", "House", "RoomType", "Location", "Node", "SensorType"]),
    numbers,
    numbers,
)
def test_concerned_is_who_reaches_the_corrected_row(
    names: Names, table: str, root: int, place: int
) -> None:
    """A location by its house and that one's deployment; a node keeps its id and is told."""
    found = concerned(
        [(table, root)], lambda t: [(i, row, False) for i, row in names.get(t, {}).items()]
    )

    def identity(t: str, i: int) -> set[tuple[str, int]]:
        """All rows that stand in a row's natural key, itself included."""
        reached = {(t, i)}
        for column, target in TABLES[t].references.items():
            value = names.get(t, {}).get(i, {}).get(column)
            if column in TABLES[t].natural_key and isinstance(value, int):
                reached |= identity(target, value)
        return reached

    for t, rows in names.items():
        for i in rows:
            assert ((t, i) in found.mappings) is ((table, root) in identity(t, i)), (t, i)
    reading: dict[str, Value] = {"locationId": place, "nodeId": 1, "type": 1}
    reaches = any(
        (table, root) in identity(target, value)
        for target, value in (("Location", place), ("Node", 1), ("SensorType", 1))
    )
    assert found.to_send("Reading", reading) is reaches
    assert found.bodies.isdisjoint(found.mappings)
