"""Whose row is whose, at both kinds of server: found, created, never doubled, never mixed up."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from replicator.change import Value
from replicator.delivery import Blocked, Rejected
from replicator.errors import DestinationUnavailable
from replicator.model import TABLES
from replicator.sink.identities import Identities
from tests.faults.centres import Centre, Kind, bulk, centre_of, post
from tests.faults.proxy import Fault, FaultProxy, garbage, html, lose_reply, say, truncate
from tests.sink.kit import Kit, Station, kit


def row_at(centre: Centre, table: str, number: int) -> Mapping[str, Any]:
    (found,) = [row for row in centre.rows(table) if row["id"] == number]
    return found


def count(centre: Centre, table: str, **values: Value) -> int:
    rows = centre.rows(table)
    return sum(all(row[name] == value for name, value in values.items()) for row in rows)


def test_what_is_missing_is_created_with_all_it_refers_to(sink: Kit, centre: Centre) -> None:
    location = row_at(centre, "Location", sink.remote("Location", 1))
    house = row_at(centre, "House", location["houseId"])
    assert (house["address"], house["id"]) == ("1 Main St", sink.remote("House", 1))
    assert house["id"] != 1, "ids differ"
    assert row_at(centre, "Deployment", house["deploymentId"])["name"] == "Trial"
    room = row_at(centre, "Room", location["roomId"])
    assert (room["name"], room["id"]) == ("Front", sink.remote("Room", 1))
    for table in ("Deployment", "House", "RoomType", "Room", "Location"):
        assert sink.matched_by(table, 1) == "created"


def test_what_is_there_is_found_and_not_doubled(centre: Centre, sink: Kit, tmp_path: Path) -> None:
    before = sink.remote("Location", 1)
    tables = ("Deployment", "House", "RoomType", "Room", "Location", "Node", "NodeType")
    sink.remote("Node", 69)
    counts = [len(centre.rows(table)) for table in tables]
    with kit(centre.url, tmp_path / "second", sink.station) as second:  # all mappings lost
        assert second.remote("Location", 1) == before
        assert second.remote("Node", 69) == 69
        assert second.matched_by("Location", 1) == "found"
        assert second.matched_by("Node", 69) == "same id"
    assert [len(centre.rows(table)) for table in tables] == counts


def test_a_mapping_is_durable_before_its_first_use(
    sink: Kit, proxy: FaultProxy, tmp_path: Path
) -> None:
    """When the location's request fails, what it refers to is in the file already."""
    proxy.plan(lose_reply(), path="location", times=None)
    with pytest.raises(DestinationUnavailable):
        sink.identities.remote("Location", 1)
    with closing(sqlite3.connect(sink.deliveries.path)) as other:
        found = {table for (table,) in other.execute("SELECT table_name FROM mapping")}
    assert found == {"Deployment", "House", "RoomType", "Room"}


def test_a_mapping_is_kept_over_a_restart_and_costs_nothing(
    sink: Kit, centre: Centre, tmp_path: Path
) -> None:
    before = sink.remote("Location", 1)
    with kit(centre.url, tmp_path / "outbox", sink.station) as again:
        assert again.remote("Location", 1) == before
        assert again.rest.requests == 0


NAMES = [
    "12_High_St",
    "_",
    "None",
    "null",
    "*",
    "12*",
    "%",
    "a&b=c#d?e/f",
    "Straße 5, Göteborg",
    "東京",
    " leading",
    "trailing ",
    'a "quoted" \\ name',
    "",
]


@pytest.mark.parametrize("name", NAMES)
def test_an_address_is_matched_letter_by_letter(
    name: str, sink: Kit, centre: Centre, tmp_path: Path
) -> None:
    sink.station.put("House", 1, deploymentId=1, address=name)
    number = sink.remote("House", 1)
    assert row_at(centre, "House", number)["address"] == name
    with kit(centre.url, tmp_path / "second", sink.station) as second:
        assert second.remote("House", 1) == number
    assert count(centre, "House", address=name) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Main St", "MAIN ST"),
        ("Cafe", "Café"),
        ("Strasse", "Straße"),
        ("x", "x "),
        ("1_Main St", "2_Main St"),
        ("Café", "Cafe\u0301"),
    ],
)
def test_twins_for_the_servers_collation_are_two_rows(
    one: str, other: str, sink: Kit, centre: Centre, tmp_path: Path
) -> None:
    sink.station.put("House", 1, deploymentId=1, address=one)
    sink.station.put("House", 2, deploymentId=1, address=other)
    ids = [sink.remote("House", 1), sink.remote("House", 2)]
    assert [row_at(centre, "House", i)["address"] for i in ids] == [one, other]
    with kit(centre.url, tmp_path / "second", sink.station) as second:
        assert [second.remote("House", 1), second.remote("House", 2)] == ids


def test_a_location_without_a_room_is_not_the_houses_first_location(
    sink: Kit, centre: Centre, tmp_path: Path
) -> None:
    sink.station.put("Location", 2, houseId=1, roomId=None)
    ids = [sink.remote("Location", 1), sink.remote("Location", 2)]
    assert row_at(centre, "Location", ids[1])["roomId"] is None
    assert ids[0] != ids[1]
    with kit(centre.url, tmp_path / "second", sink.station) as second:
        assert [second.remote("Location", 2), second.remote("Location", 1)] == ids[::-1]


def test_a_house_without_a_deployment_is_another_than_one_with(
    sink: Kit, centre: Centre, tmp_path: Path
) -> None:
    sink.station.put("House", 2, deploymentId=None, address="1 Main St")
    ids = [sink.remote("House", 1), sink.remote("House", 2)]
    assert [row_at(centre, "House", i)["deploymentId"] is None for i in ids] == [False, True]
    with kit(centre.url, tmp_path / "second", sink.station) as second:
        assert second.remote("House", 2) == ids[1]


def test_one_address_in_two_deployments_is_two_houses(sink: Kit) -> None:
    sink.station.put("Deployment", 2, name="Trial 2")
    sink.station.put("House", 2, deploymentId=2, address="1 Main St")
    assert sink.remote("House", 1) != sink.remote("House", 2)
    assert sink.matched_by("House", 2) == "found"


def test_two_houses_of_one_identity_are_a_conflict(sink: Kit, centre: Centre) -> None:
    sink.station.put("House", 2, deploymentId=1, address="1 Main St")
    sink.remote("House", 1)
    found = sink.identities.remote("House", 2)
    assert isinstance(found, Rejected)
    assert found.reason == "conflict"
    assert "House 2 and House 1" in found.detail
    assert len(centre.rows("House")) == 4


def test_a_house_made_again_under_another_id_is_the_same_house(sink: Kit) -> None:
    first = sink.remote("House", 1)
    sink.station.deleted.add(("House", 1))
    sink.station.put("House", 2, deploymentId=1, address="1 Main St")
    assert sink.remote("House", 2) == first
    sink.station.put("House", 3, deploymentId=1, address="1 Main St")
    assert isinstance(sink.identities.remote("House", 3), Rejected), "the second is there still"


def test_late_rows_of_a_deleted_house_go_where_its_successor_is(sink: Kit) -> None:
    sink.station.put("House", 2, deploymentId=1, address="1 Main St")
    sink.station.deleted.add(("House", 1))
    second = sink.remote("House", 2)
    assert sink.remote("House", 1) == second


@pytest.mark.parametrize(
    "there", [{"name": "other"}, {"code": "X"}, {"units": "V"}, {"units": None}, {"name": "TYPE 0"}]
)
def test_a_sensor_type_of_another_meaning_is_a_conflict(
    there: dict[str, Value], sink: Kit, centre: Centre
) -> None:
    mine: dict[str, Value] = {"name": "type 0", "code": None, "units": "u"}
    bulk(centre, {"__table__": "SensorType", "id": 0, **mine, **there})
    found = sink.identities.remote("SensorType", 0)
    assert isinstance(found, Rejected)
    assert found.reason == "conflict"
    assert sink.remote("SensorType", 1) == 1, "another type is not concerned"
    assert count(centre, "SensorType", id=0, **{**mine, **there}) == 1, "and nothing is overwritten"


def test_a_conflict_is_asked_for_again_only_after_a_while(sink: Kit, centre: Centre) -> None:
    bulk(centre, {"__table__": "SensorType", "id": 0, "name": "other"})
    now = 0.0
    identities = Identities(
        sink.link, sink.directory, sink.bulk, sink.mappings, sink.station, lambda: now
    )
    identities.remote("SensorType", 0)
    asked = sink.rest.requests
    assert isinstance(identities.remote("SensorType", 0), Rejected)
    assert sink.rest.requests == asked
    bulk(centre, {"__table__": "SensorType", "id": 0, "name": "type 0", "units": "u"})
    now = 31.0
    found = identities.remote("SensorType", 0)
    assert found == 0


def test_what_the_station_does_not_have_blocks(sink: Kit) -> None:
    found = sink.identities.remote("House", 99)
    assert found == Blocked("House:99", "the station's row has not come yet")
    sink.station.put("Location", 5, houseId=99)
    assert sink.identities.remote("Location", 5) == found


def test_ids_that_are_zero_or_negative(sink: Kit, centre: Centre) -> None:
    for number in (0, -1):
        sink.station.put("Node", number, locationId=1, nodeTypeId=1)
        assert sink.remote("Node", number) == number
        assert sink.directory.get(TABLES["Node"], number) is not None
    assert count(centre, "Node") == 2


# --- answers that get lost -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        lose_reply(),
        truncate(),
        html(after_store=True),
        garbage(after_store=True),
        say(503, after_store=True),
    ],
)
@pytest.mark.parametrize("path", ["deployment/", "house/", "room/", "location/", "node/"])
def test_a_reply_lost_on_create_is_found_again(
    fault: Fault, path: str, sink: Kit, centre: Centre, proxy: FaultProxy
) -> None:
    proxy.plan(fault, path=path, method="POST")
    with pytest.raises(DestinationUnavailable):
        sink.identities.remote("Node", 69)
    assert sink.remote("Node", 69) == 69
    assert count(centre, "Deployment", name="Trial") == 1
    assert count(centre, "House") == 4
    assert count(centre, "Room") == 4
    assert count(centre, "Location") == 4


def test_a_server_that_is_ill_while_creating_blocks_nothing(sink: Kit, proxy: FaultProxy) -> None:
    proxy.plan(say(500), times=None)
    with pytest.raises(DestinationUnavailable):
        sink.identities.remote("House", 1)


def test_a_row_that_is_refused_blocks_and_says_why(sink: Kit, centre: Centre) -> None:
    sink.station.put("RoomType", 1, name="x" * 21)
    found = sink.identities.remote("Room", 1)
    assert isinstance(found, Blocked)
    assert found.waits_for == "RoomType:1"
    assert "the central server answers" in found.detail
    sink.station.put("RoomType", 1, name="x" * 20)
    assert sink.remote("Room", 1)


def test_a_row_that_the_server_keeps_under_another_name_is_created_once(
    sink: Kit, proxy: FaultProxy, centre: Centre
) -> None:
    """As a server that cuts texts without a word."""
    body = b'{"__table__": "RoomType", "id": 77, "name": "Bed"}'
    proxy.plan(say(201, body, "application/json"), path="roomtype/", method="POST", times=None)
    for _ in range(3):
        found = sink.identities.remote("RoomType", 1)
        assert isinstance(found, Blocked)
    assert sum(request.method == "POST" for request in proxy.requests) == 1
    proxy.calm()
    sink.station.put("RoomType", 1, name="Bed")
    assert sink.remote("RoomType", 1)


# --- many rows, many stations ------------------------------------------------------------------


@pytest.mark.parametrize("rows", [499, 500, 501, 502, 1001])
def test_a_row_behind_many_others_is_found(rows: int, sink: Kit, centre: Centre) -> None:
    bulk(centre, *({"__table__": "RoomType", "name": f"kind {n:04d}"} for n in range(rows)))
    sink.station.put("RoomType", 1, name=f"kind {rows - 1:04d}")
    number = sink.remote("RoomType", 1)
    assert row_at(centre, "RoomType", number)["name"] == f"kind {rows - 1:04d}"
    assert count(centre, "RoomType") == rows + 3


def test_of_doubles_the_lowest_id_counts(tmp_path: Path) -> None:
    with centre_of("original", tmp_path) as centre:
        ids = [post(centre, "roomtype", name="Bedroom") for _ in range(3)]
        with kit(centre.url, tmp_path / "outbox") as sink:
            assert sink.remote("RoomType", 1) == min(ids)


def test_two_shippers_that_create_one_room_at_once_agree(centre: Centre, tmp_path: Path) -> None:
    barrier = threading.Barrier(4)
    found: list[int] = []
    failures: list[BaseException] = []

    def ship(number: int) -> None:
        try:
            with kit(centre.url, tmp_path / f"station {number}") as made:
                _ = made.link.dialect
                barrier.wait(30)
                found.append(made.remote("Room", 1))
        except BaseException as error:  # noqa: BLE001  # raised below, in the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=ship, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    assert len(found) == 4
    assert len(set(found)) == 1


# --- sensors -----------------------------------------------------------------------------------


def sensor(station: Station, number: int = 5, **values: Value) -> None:
    calibration: dict[str, Value] = {"calibrationSlope": 1.25, "calibrationOffset": -0.5}
    station.put("Sensor", number, **{"nodeId": 69, "sensorTypeId": 1, **calibration, **values})


def test_a_sensor_is_there_once_however_often_it_is_sent(
    kind: Kind, sink: Kit, centre: Centre, tmp_path: Path
) -> None:
    sensor(sink.station)
    number = sink.remote("Sensor", 5)
    if kind == "original":
        assert number == 1_000_000_000 + 69 * 1_000 + 1
        assert sink.matched_by("Sensor", 5) == "computed"
    with kit(centre.url, tmp_path / "second", sink.station) as second:
        assert second.remote("Sensor", 5) == number
    (row,) = centre.rows("Sensor")
    assert (row["id"], row["nodeId"], row["calibrationSlope"]) == (number, 69, 1.25)


@pytest.mark.parametrize(("node", "sensor_type"), [(69, 1_000), (1_200_000, 1), (-1, 1)])
def test_a_sensor_without_a_computable_id_is_rejected(
    node: int, sensor_type: int, kind: Kind, sink: Kit
) -> None:
    sink.station.put("SensorType", sensor_type, name="far")
    sink.station.put("Node", node, locationId=1, nodeTypeId=1)
    sensor(sink.station, nodeId=node, sensorTypeId=sensor_type)
    found = sink.identities.remote("Sensor", 5)
    if kind == "original":
        assert isinstance(found, Rejected)
        assert found.reason == "id-range"
    else:
        assert isinstance(found, int)


@pytest.mark.parametrize("column", ["nodeId", "sensorTypeId"])
def test_a_sensor_that_belongs_to_nothing_is_rejected(column: str, sink: Kit) -> None:
    lacking: dict[str, Value] = {column: None}
    sink.station.put("Sensor", 5, **{"nodeId": 69, "sensorTypeId": 1, **lacking})
    found = sink.identities.remote("Sensor", 5)
    assert isinstance(found, Rejected)
    assert (found.reason, column in found.detail) == ("null-key", True)


# --- what others do there ----------------------------------------------------------------------


def test_the_mapping_of_a_row_that_is_gone_there_is_forgotten_with_what_it_stood_on(
    sink: Kit, centre: Centre
) -> None:
    sink.remote("Node", 69)
    location, house = sink.remote("Location", 1), sink.remote("House", 1)
    assert not sink.identities.outdated(TABLES["Reading"], {"locationId": 1, "nodeId": 69})
    reply = requests.delete(f"{centre.url}/rest/house/{house}", timeout=10)
    assert reply.status_code == 204
    assert sink.identities.outdated(TABLES["Reading"], {"locationId": 1, "nodeId": 69})
    assert sink.remote("Location", 1) != location
    assert sink.remote("House", 1) != house
    assert sink.mappings.get("Node", 69) == 69
