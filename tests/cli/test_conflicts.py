"""Conflicts of reference data at both kinds of server: what is done, what is said, what repairs.

The policies are in docs/delivery.md.
"""

from __future__ import annotations

import pytest

from replicator.change import Op
from replicator.model import TABLES
from tests.cli.scene import Scene
from tests.faults.centres import Centre, bulk


def reasons(scene: Scene, *options: str) -> set[str]:
    return {reason for _, _, reason in scene.parked(*options)}


def houses(centre: Centre) -> dict[str, list[str]]:
    """Address → the times of its readings, as the centre has it."""
    addresses = {row["id"]: row["address"] for row in centre.rows("House")}
    places = {row["id"]: addresses[row["houseId"]] for row in centre.rows("Location")}
    found: dict[str, list[str]] = {address: [] for address in addresses.values()}
    for row in centre.rows("Reading"):
        found[places[row["locationId"]]].append(row["time"][-2:])
    return found


def test_a_sensor_type_of_another_meaning_is_mended_at_the_centre(
    scene: Scene, centre: Centre
) -> None:
    """Parked one by one; the house's other readings go on."""
    bulk(centre, {"__table__": "SensorType", "id": 0, "name": "other"})
    scene.readings(1, [1])
    scene.readings(1, [2], type=1)
    scene.ship()
    assert reasons(scene) == {"conflict"}
    assert "has another meaning: name is 'type 0' here, 'other' there" in scene.said(
        "parked", "list"
    )
    assert [row["type"] for row in centre.rows("Reading")] == [1]
    bulk(centre, {"__table__": "SensorType", "id": 0, "name": "type 0", "units": "u"})
    scene.said("parked", "requeue", "--reason", "conflict")
    scene.ship()
    assert scene.parked() == []
    assert len(centre.rows("Reading")) == 2


def test_two_houses_of_one_address_until_one_is_renamed(scene: Scene, centre: Centre) -> None:
    """The second is parked with its rows, the first goes on; renamed, it is a house of its own."""
    scene.put("House", 3, deploymentId=1, address="1 Main St")
    scene.put("Location", 3, houseId=3, roomId=1)
    scene.put("Node", 63, locationId=3, nodeTypeId=1)
    scene.readings(1, [1])
    scene.readings(3, [2, 3])
    scene.ship()
    assert reasons(scene, "--house", "3") == {"conflict"}
    assert "House 3 and House 1 have the same identity" in scene.said("parked", "list")
    assert houses(centre) == {"1 Main St": ["01"], "2 Main St": []}
    scene.put("House", 3, Op.UPDATE, deploymentId=1, address="3 Main St")
    scene.ship()
    scene.said("parked", "requeue", "--house", "3")
    scene.ship()
    assert scene.parked() == []
    assert houses(centre)["3 Main St"] == ["02", "03"]
    assert houses(centre)["1 Main St"] == ["01"]


def test_two_houses_of_one_address_mapped_by_hand(scene: Scene, centre: Centre) -> None:
    """The centre has two of them, too: the operator says which is which."""
    scene.put("House", 3, deploymentId=1, address="1 Main St")
    scene.put("Location", 3, houseId=3, roomId=1)
    scene.put("Node", 63, locationId=3, nodeTypeId=1)
    scene.readings(1, [1])
    scene.readings(3, [2, 3])
    scene.ship()
    deployment = next(row["id"] for row in centre.rows("Deployment"))
    bulk(centre, {"__table__": "House", "id": 77, "deploymentId": deployment, "address": "1b"})
    scene.said("map", "set", "House:3", "77", "--yes")
    scene.ship()
    assert houses(centre)["1b"] == ["02", "03"]
    assert [row[2] for row in scene.parked("--table", "Reading")] == []


def test_two_rooms_of_one_name_are_one_room_there(scene: Scene, centre: Centre) -> None:
    scene.put("Room", 2, roomTypeId=1, name="Front")
    scene.put("Location", 9, houseId=1, roomId=2)
    scene.put("Node", 69, locationId=9, nodeTypeId=1)
    scene.readings(1, [1])
    scene.readings(1, [2], nodeId=69, locationId=9)
    scene.ship()
    assert scene.parked() == []
    assert houses(centre)["1 Main St"] == ["01", "02"]
    assert len(centre.rows("Room")) == 1
    assert len({row["locationId"] for row in centre.rows("Reading")}) == 1


def test_a_location_without_a_room_is_a_place_of_its_own(scene: Scene, centre: Centre) -> None:
    scene.put("Location", 8, houseId=1, roomId=None)
    scene.put("Location", 9, houseId=1, roomId=None)
    scene.readings(1, [1])
    scene.readings(1, [2], locationId=8)
    scene.readings(1, [3], locationId=9)
    scene.ship()
    assert scene.parked() == []
    rooms = {row["id"]: row["roomId"] for row in centre.rows("Location")}
    placed = {row["time"][-2:]: row["locationId"] for row in centre.rows("Reading")}
    assert [rooms[placed[second]] is None for second in ("01", "02", "03")] == [False, True, True]
    assert placed["02"] == placed["03"], "two of one identity are one there"


def test_lost_mappings_are_found_again(scene: Scene, centre: Centre) -> None:
    scene.readings(1, range(3))
    scene.readings(2, range(3))
    scene.ship()
    before = {table: centre.rows(table) for table in TABLES}
    for file in scene.outbox.glob("centre.db*"):
        file.unlink()
    scene.readings(1, [3])
    scene.ship()
    assert scene.parked() == []
    after = {table: centre.rows(table) for table in TABLES}
    assert len(after["Reading"]) == 7
    for table in ("Deployment", "House", "RoomType", "Room", "Location", "Node"):
        assert after[table] == before[table], "nothing is there twice"


# --- ids used again ----------------------------------------------------------------------------


def moved_out(scene: Scene, *, cascade: bool) -> None:
    """House 1 goes, and another house gets its id; with a cascade the log has only the house."""
    if not cascade:
        scene.put("Location", 1, Op.DELETE, houseId=1, roomId=1)
    scene.put("House", 1, Op.DELETE, deploymentId=1, address="1 Main St")
    scene.put("House", 1, deploymentId=1, address="9 Side St")
    scene.put("Location", 1, houseId=1, roomId=1)
    scene.put("Node", 61, Op.UPDATE, locationId=1, nodeTypeId=1)


@pytest.mark.parametrize("cascade", [False, True])
@pytest.mark.parametrize("sent", ["all the time", "at the end, but mapped", "after a kill"])
def test_an_id_used_again_is_another_house(
    sent: str, cascade: bool, scene: Scene, centre: Centre
) -> None:
    scene.readings(1, [1])
    scene.ship()
    scene.readings(1, [2])
    if sent != "at the end, but mapped":
        scene.ship()
    before = scene.seq
    moved_out(scene, cascade=cascade)
    if sent == "all the time":
        scene.ship()
    scene.readings(1, [3])
    scene.ship()
    if sent == "after a kill":  # the deletes come again
        scene.said("rewind", "centre", "--to", str(before))
        scene.ship()
    assert houses(centre)["1 Main St"] == ["01", "02"]
    assert houses(centre)["9 Side St"] == ["03"]
    assert scene.parked() == []


@pytest.mark.parametrize("cascade", [False, True])
def test_rows_that_would_go_to_the_wrong_house_are_parked(
    cascade: bool, scene: Scene, centre: Centre
) -> None:
    """Nothing was sent before the id was given away: where the old rows belong is not known."""
    seq = scene.readings(1, [1, 2])
    moved_out(scene, cascade=cascade)
    scene.readings(1, [3])
    scene.ship()
    assert houses(centre)["9 Side St"] == ["03"]
    assert [row[:2] for row in scene.parked("--reason", "id-reused")] == [(seq, 0), (seq, 1)]
    assert "gave the id House:1 to another row" in scene.said("parked", "list")
    scene.said("parked", "requeue")
    scene.ship()
    assert houses(centre)["9 Side St"] == ["03"], "not even when they are sent again"


def test_a_rewind_over_an_id_used_again_moves_nothing(scene: Scene, centre: Centre) -> None:
    scene.readings(1, [1, 2])
    scene.ship()
    moved_out(scene, cascade=True)
    scene.readings(1, [3])
    scene.ship()
    scene.said("rewind", "centre", "--to", "0")
    scene.ship()
    assert houses(centre)["1 Main St"] == ["01", "02"]
    assert houses(centre)["9 Side St"] == ["03"]


def test_a_renamed_house_is_the_same_house(scene: Scene, centre: Centre) -> None:
    scene.readings(1, [1])
    scene.ship()
    scene.put("House", 1, Op.UPDATE, deploymentId=1, address="9 Side St")
    scene.readings(1, [2])
    scene.ship()
    assert houses(centre)["9 Side St"] == ["01", "02"]
    assert scene.parked() == []


# --- deletes that a server cannot do -----------------------------------------------------------


def test_a_null_inserted_over_a_row_that_could_not_be_deleted(scene: Scene, centre: Centre) -> None:
    scene.readings(1, [1], 5.5)
    scene.ship()
    scene.readings(1, [1], 5.5, Op.DELETE)
    scene.ship()
    scene.write(
        "Reading",
        Op.INSERT,
        ("time", "nodeId", "type", "locationId", "value"),
        [("2026-03-01T00:00:01", 61, 0, 1, None)],
    )
    scene.ship()
    (row,) = centre.rows("Reading")
    if centre.kind == "ours":
        assert row["value"] is None
        assert scene.parked() == []
    else:
        assert row["value"] == 5.5
        assert reasons(scene) == {"null-not-applied", "cannot-delete"}
