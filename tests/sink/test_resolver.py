"""Reference rows kept at the centre as they are at the station, at both kinds of server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from replicator.change import Op
from replicator.delivery import Blocked, Delivered, QueuedRow, Rejected, Retry
from replicator.errors import DestinationUnavailable
from replicator.model import REFERENCE_TABLES
from replicator.sink.round import Round, Rounds
from tests.faults.centres import Centre, Kind, bulk, post
from tests.faults.proxy import FaultProxy, lose_reply, say
from tests.sink.kit import Kit, kit, queued, times


def row_at(centre: Centre, table: str, number: int) -> Mapping[str, Any]:
    (found,) = [row for row in centre.rows(table) if row["id"] == number]
    return found


def applied(sink: Kit, table: str, number: int, op: Op = Op.UPDATE) -> None:
    assert sink.resolver.apply(table, number, op) == Delivered()


@pytest.mark.parametrize("op", [Op.SNAPSHOT, Op.INSERT, Op.UPDATE])
def test_every_reference_table_arrives_and_a_repetition_changes_nothing(
    op: Op, sink: Kit, centre: Centre, tmp_path: Path
) -> None:
    sink.station.put("Sensor", 5, nodeId=69, sensorTypeId=1, calibrationSlope=1.1)
    numbers = {"Node": 69, "Sensor": 5}
    for table in REFERENCE_TABLES:
        applied(sink, table, numbers.get(table, 1), op)
    before = {table: centre.rows(table) for table in REFERENCE_TABLES}
    assert all(before.values())
    with kit(centre.url, tmp_path / "second", sink.station) as second:
        for table in REFERENCE_TABLES:
            applied(second, table, numbers.get(table, 1), op)
    assert {table: centre.rows(table) for table in REFERENCE_TABLES} == before


def test_a_row_that_is_as_it_should_be_costs_no_request(sink: Kit) -> None:
    applied(sink, "House", 1, Op.INSERT)
    asked = sink.rest.requests
    applied(sink, "House", 1, Op.UPDATE)
    assert sink.rest.requests == asked


def test_a_renamed_house_keeps_its_id_and_gets_its_name(sink: Kit, centre: Centre) -> None:
    applied(sink, "House", 1, Op.INSERT)
    number = sink.remote("House", 1)
    sink.station.put("House", 1, deploymentId=1, address="2 Side St", endDate="2026-03-01T00:00:00")
    applied(sink, "House", 1)
    row = row_at(centre, "House", number)
    assert (row["address"], row["endDate"]) == ("2 Side St", "2026-03-01T00:00:00")
    assert len(centre.rows("House")) == 4


def test_columns_there_that_we_do_not_send_stay(sink: Kit, centre: Centre) -> None:
    deployment = sink.remote("Deployment", 1)
    number = post(centre, "house", deploymentId=deployment, address="1 Main St", serverid=4)
    assert sink.remote("House", 1) == number
    sink.station.put("House", 1, deploymentId=1, address="2 Side St")
    applied(sink, "House", 1)
    row = row_at(centre, "House", number)
    assert (row["address"], row["serverid"]) == ("2 Side St", 4)


def test_a_name_that_another_row_has_already_is_a_conflict(
    kind: Kind, sink: Kit, centre: Centre
) -> None:
    number = sink.remote("House", 1)
    deployment = sink.remote("Deployment", 1)
    other = post(centre, "house", deploymentId=deployment, address="2 Side St")
    sink.station.put("House", 1, deploymentId=1, address="2 Side St")
    found = sink.resolver.apply("House", 1, Op.UPDATE)
    assert isinstance(found, Rejected)
    assert found.reason == ("conflict" if kind == "original" else "refused")
    assert row_at(centre, "House", number)["address"] == "1 Main St"
    assert row_at(centre, "House", other)["address"] == "2 Side St"


def test_a_node_that_moves_moves_there_too(sink: Kit, centre: Centre) -> None:
    applied(sink, "Node", 69, Op.INSERT)
    sink.station.put("Location", 2, houseId=1, roomId=None)
    sink.station.put("Node", 69, locationId=2, nodeTypeId=1)
    applied(sink, "Node", 69)
    assert row_at(centre, "Node", 69)["locationId"] == sink.remote("Location", 2)


def test_shared_rows_are_overwritten_by_a_change_only(sink: Kit, centre: Centre) -> None:
    number = post(centre, "deployment", name="Trial", description="theirs")
    sink.station.put("Deployment", 1, name="Trial", description="ours")
    applied(sink, "Deployment", 1, Op.SNAPSHOT)
    assert row_at(centre, "Deployment", number)["description"] == "theirs"
    applied(sink, "Deployment", 1, Op.UPDATE)
    assert row_at(centre, "Deployment", number)["description"] == "ours"


def test_a_calibration_arrives_with_all_its_bits(sink: Kit, centre: Centre) -> None:
    sink.station.put("Sensor", 5, nodeId=69, sensorTypeId=1, calibrationSlope=1.0)
    applied(sink, "Sensor", 5, Op.INSERT)
    sink.station.put("Sensor", 5, nodeId=69, sensorTypeId=1, calibrationSlope=1.0000001)
    applied(sink, "Sensor", 5)
    (row,) = centre.rows("Sensor")
    assert row["calibrationSlope"] == 1.0000001


def test_a_sensor_that_moved_does_not_stand_in_anothers_place(sink: Kit, centre: Centre) -> None:
    sink.station.put("Node", 70, locationId=1, nodeTypeId=1)
    sink.station.put("Sensor", 5, nodeId=69, sensorTypeId=1, calibrationSlope=1.0)
    applied(sink, "Sensor", 5, Op.INSERT)
    sink.station.put("Sensor", 5, nodeId=70, sensorTypeId=1, calibrationSlope=2.0)
    applied(sink, "Sensor", 5)
    sink.station.put("Sensor", 6, nodeId=69, sensorTypeId=1, calibrationSlope=3.0)
    applied(sink, "Sensor", 6, Op.INSERT)
    found = {(row["nodeId"], row["calibrationSlope"]) for row in centre.rows("Sensor")}
    assert {(70, 2.0), (69, 3.0)} <= found


def test_a_remote_row_that_is_gone_is_made_again(sink: Kit, centre: Centre) -> None:
    applied(sink, "House", 1, Op.INSERT)
    number = sink.remote("House", 1)
    requests.delete(f"{centre.url}/rest/house/{number}", timeout=10).raise_for_status()
    sink.station.put("House", 1, deploymentId=1, address="2 Side St")
    applied(sink, "House", 1)
    again = sink.remote("House", 1)
    assert again != number
    assert row_at(centre, "House", again)["address"] == "2 Side St"


def test_a_node_that_moves_to_a_place_gone_there_waits_and_then_moves(
    sink: Kit, centre: Centre
) -> None:
    sink.station.put("House", 2, deploymentId=1, address="2 Side St")
    sink.station.put("Location", 2, houseId=2, roomId=None)
    applied(sink, "Node", 69, Op.INSERT)
    gone = sink.remote("Location", 2)
    house = sink.remote("House", 2)
    requests.delete(f"{centre.url}/rest/house/{house}", timeout=10).raise_for_status()
    sink.station.put("Node", 69, locationId=2, nodeTypeId=1)
    assert isinstance(sink.resolver.apply("Node", 69, Op.UPDATE), Blocked)
    applied(sink, "Node", 69)
    there = row_at(centre, "Node", 69)["locationId"]
    assert there == sink.remote("Location", 2) != gone


def test_a_sensor_type_that_changes_its_meaning_here_is_a_conflict(
    sink: Kit, centre: Centre
) -> None:
    applied(sink, "SensorType", 1, Op.INSERT)
    sink.station.put("SensorType", 1, name="other", units="u")
    found = sink.resolver.apply("SensorType", 1, Op.UPDATE)
    assert isinstance(found, Rejected)
    assert found.reason == "conflict"
    assert row_at(centre, "SensorType", 1)["name"] == "type 1"


def test_what_was_wrong_and_is_mended_is_looked_at_again_at_once(sink: Kit, centre: Centre) -> None:
    bulk(centre, {"__table__": "SensorType", "id": 1, "name": "right", "units": "u"})
    assert isinstance(sink.resolver.apply("SensorType", 1, Op.INSERT), Rejected)
    sink.station.put("SensorType", 1, name="right", units="u")
    applied(sink, "SensorType", 1)


@pytest.mark.parametrize("table", ["House", "Node", "SensorType"])
def test_a_deleted_reference_row_is_for_the_operator(table: str, sink: Kit, centre: Centre) -> None:
    number = {"Node": 69}.get(table, 1)
    applied(sink, table, number, Op.INSERT)
    before = centre.rows(table)
    found = sink.resolver.apply(table, number, Op.DELETE)
    assert isinstance(found, Rejected)
    assert found.reason == "reference-delete"
    assert centre.rows(table) == before


def test_a_row_the_outbox_no_longer_has(sink: Kit) -> None:
    found = sink.resolver.apply("House", 99, Op.UPDATE)
    assert isinstance(found, Rejected)
    assert found.reason == "dangling"


def test_a_row_that_is_refused_itself_is_rejected_and_does_not_wait_for_itself(sink: Kit) -> None:
    sink.station.put("RoomType", 1, name="x" * 21)
    found = sink.resolver.apply("RoomType", 1, Op.INSERT)
    assert isinstance(found, Rejected)
    assert found.reason == "refused"
    assert isinstance(sink.resolver.apply("Room", 1, Op.INSERT), Blocked)


def test_an_update_that_is_refused_is_rejected(sink: Kit, centre: Centre) -> None:
    applied(sink, "RoomType", 1, Op.INSERT)
    sink.station.put("RoomType", 1, name="x" * 21)
    found = sink.resolver.apply("RoomType", 1, Op.UPDATE)
    assert isinstance(found, Rejected)
    assert row_at(centre, "RoomType", sink.remote("RoomType", 1))["name"] == "Bedroom"


@pytest.mark.parametrize("fault", [lose_reply(), say(500), say(503)])
def test_an_update_whose_outcome_is_not_known_is_made_again(
    fault: Any, sink: Kit, centre: Centre, proxy: FaultProxy
) -> None:
    applied(sink, "House", 1, Op.INSERT)
    sink.station.put("House", 1, deploymentId=1, address="2 Side St")
    proxy.plan(fault, method="PUT")
    proxy.plan(say(500), path="sensortype")
    with pytest.raises(DestinationUnavailable):
        sink.resolver.apply("House", 1, Op.UPDATE)
    proxy.calm()
    applied(sink, "House", 1)
    assert row_at(centre, "House", sink.remote("House", 1))["address"] == "2 Side St"


@pytest.mark.parametrize("status", [400, 422, 500])
def test_a_server_that_changes_no_row_rejects_none(
    status: int, sink: Kit, centre: Centre, proxy: FaultProxy
) -> None:
    """Its probe is fine."""
    applied(sink, "House", 1, Op.INSERT)
    sink.station.put("House", 1, deploymentId=1, address="2 Side St")
    proxy.plan(say(status), method="PUT", times=None)
    with pytest.raises(DestinationUnavailable):
        sink.resolver.apply("House", 1, Op.UPDATE)
    proxy.calm()
    applied(sink, "House", 1)
    assert row_at(centre, "House", sink.remote("House", 1))["address"] == "2 Side St"


# --- stream rows -------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["time", "nodeId", "type"])
def test_a_reading_without_its_whole_key_is_rejected(column: str, sink: Kit) -> None:
    values: dict[str, Any] = {"time": times(1)[0], "nodeId": 69, "type": 0, column: None}
    found = sink.resolver.body(queued("Reading", **values))
    assert isinstance(found, Rejected)
    assert (found.reason, column in found.detail) == ("null-key", True)


@pytest.mark.parametrize("table", ["Reading", "NodeState"])
def test_a_delete_where_the_server_can(table: str, kind: Kind, sink: Kit) -> None:
    values: dict[str, Any] = {"time": times(1)[0], "nodeId": 69, "type": 0, "seq_num": 1}
    found = sink.resolver.body(queued(table, Op.DELETE, **values))
    if kind == "ours":
        assert not isinstance(found, Rejected | Blocked)
        assert found["__op__"] == "delete"
    else:
        assert isinstance(found, Rejected)
        assert found.reason == "cannot-delete"


# --- whole rounds ------------------------------------------------------------------------------


def rounds(sink: Kit) -> Rounds:
    return Rounds(sink.bulk, sink.resolver, lambda waits_for, op: Rejected("dangling", waits_for))


def reading(second: int, **values: Any) -> QueuedRow:
    whole = {"nodeId": 69, "type": 0, "locationId": 1, "value": 1.0, **values}
    return queued("Reading", time=times(second + 1)[second], **whole)


def settled(sink: Kit, rows: list[QueuedRow]) -> tuple[Round, list[object]]:
    done = rounds(sink).carry_out(rows, set())
    return done, list(done.settled(rows))


def test_readings_of_a_house_that_was_deleted_there_come_into_its_new_row(
    sink: Kit, centre: Centre
) -> None:
    assert settled(sink, [reading(0)])[1]
    house = sink.remote("House", 1)
    requests.delete(f"{centre.url}/rest/house/{house}", timeout=10).raise_for_status()
    rows = [reading(1), reading(2)]
    done, results = settled(sink, rows)
    assert isinstance(done.retry, Retry)
    assert results == []
    done, results = settled(sink, rows)
    assert done.retry is None
    assert [type(result) for result in results] == [Delivered, Delivered]
    location = sink.remote("Location", 1)
    assert [row["locationId"] for row in centre.rows("Reading")][1:] == [location, location]


def test_a_row_that_is_bad_in_itself_is_rejected_though_the_centre_has_all_it_needs(
    sink: Kit, centre: Centre
) -> None:
    rows = [reading(0), reading(1, value=1e300), reading(2)]
    done, results = settled(sink, rows)
    assert done.retry is None
    assert [type(result) for result in results] == [Delivered, Rejected, Delivered]
    assert len(centre.rows("Reading")) == 2


def test_what_refers_to_nothing_is_rejected_and_the_others_arrive(
    sink: Kit, centre: Centre
) -> None:
    rows = [reading(0), reading(1, locationId=99), reading(2, nodeId=98), reading(3)]
    _, results = settled(sink, rows)
    reasons = [result.reason if isinstance(result, Rejected) else "" for result in results]
    assert reasons == ["", "dangling", "dangling", ""]
    assert len(centre.rows("Reading")) == 2


def test_a_conflict_of_one_sensor_type_stops_no_other(sink: Kit, centre: Centre) -> None:
    bulk(centre, {"__table__": "SensorType", "id": 1, "name": "another"})
    _, results = settled(sink, [reading(0, type=1), reading(1), reading(2, type=1)])
    assert [type(result) for result in results] == [Rejected, Delivered, Rejected]
