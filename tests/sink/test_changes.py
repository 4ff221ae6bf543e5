"""Updates and deletes of readings and node states, at both kinds of server."""

from __future__ import annotations

from typing import Any

import pytest

from replicator.change import Op, Value
from replicator.delivery import Blocked, Delivered, Outcome, QueuedRow, Rejected
from replicator.errors import DestinationUnavailable
from replicator.sink.batch import folded
from tests.faults.centres import Centre, Kind
from tests.faults.proxy import FaultProxy, say
from tests.sink.kit import Kit, queued, readings, times

STATE: dict[str, Any] = {"time": times(1)[0], "nodeId": 69, "seq_num": 7, "rssi": -61.5}


def sent(sink: Kit, table: str, op: Op, **values: Value) -> Outcome:
    (outcome,) = sink.bulk.deliver([sink.parcel(table, op, **values)]).outcomes
    return outcome


def reading(second: int = 0, **values: Value) -> dict[str, Any]:
    whole = {"nodeId": 69, "type": 0, "locationId": 1, "value": 1.5}
    return {"time": times(second + 1)[second], **whole, **values}


@pytest.mark.parametrize("op", [Op.INSERT, Op.UPDATE, Op.SNAPSHOT])
def test_a_new_value_takes_the_place_of_the_old_one(op: Op, sink: Kit, centre: Centre) -> None:
    assert isinstance(sent(sink, "Reading", Op.INSERT, **reading()), Delivered)
    assert isinstance(sent(sink, "Reading", op, **reading(value=2.5)), Delivered)
    assert isinstance(sent(sink, "NodeState", Op.INSERT, **STATE), Delivered)
    assert isinstance(sent(sink, "NodeState", op, **{**STATE, "rssi": -70.0}), Delivered)
    assert [row["value"] for row in centre.rows("Reading")] == [2.5]
    assert [row["rssi"] for row in centre.rows("NodeState")] == [-70.0]


def test_a_null_in_a_node_state_is_applied_everywhere(sink: Kit, centre: Centre) -> None:
    sent(sink, "NodeState", Op.INSERT, **STATE)
    assert isinstance(sent(sink, "NodeState", Op.UPDATE, **{**STATE, "rssi": None}), Delivered)
    assert [row["rssi"] for row in centre.rows("NodeState")] == [None]


@pytest.mark.parametrize("table", ["Reading", "NodeState"])
def test_a_delete_is_done_or_parked_with_a_reason(
    table: str, kind: Kind, sink: Kit, centre: Centre
) -> None:
    values = reading() if table == "Reading" else STATE
    sent(sink, table, Op.INSERT, **values)
    if kind == "ours":
        assert isinstance(sent(sink, table, Op.DELETE, **values), Delivered)
        assert centre.rows(table) == []
    else:
        body = sink.resolver.body(queued(table, Op.DELETE, **values))
        assert isinstance(body, Rejected)
        assert body.reason == "cannot-delete"
        assert len(centre.rows(table)) == 1


@pytest.mark.parametrize("column", ["value", "locationId"])
@pytest.mark.parametrize("op", [Op.UPDATE, Op.SNAPSHOT])
def test_a_null_over_a_value_is_applied_or_noticed(
    op: Op, column: str, kind: Kind, sink: Kit, centre: Centre
) -> None:
    sent(sink, "Reading", Op.INSERT, **reading())
    outcome = sent(sink, "Reading", op, **{**reading(), column: None})
    (row,) = centre.rows("Reading")
    if kind == "ours":
        assert isinstance(outcome, Delivered)
        assert row[column] is None
    else:
        assert isinstance(outcome, Rejected)
        assert (outcome.reason, column in outcome.detail) == ("null-not-applied", True)
        assert row[column] is not None


def test_many_nulls_cost_one_question_a_node_and_column(kind: Kind, sink: Kit) -> None:
    """A station whose node stands nowhere reads all its rows by a snapshot."""
    sink.bulk.deliver(readings(sink, 100, locationId=None))
    sink.bulk.deliver(readings(sink, 5))  # these five have a place there
    rows = [
        sink.parcel("Reading", Op.SNAPSHOT, **reading(n, locationId=None, value=n / 2))
        for n in range(100)
    ]
    delivery = sink.bulk.deliver(rows)
    rejected = [n for n, o in enumerate(delivery.outcomes) if isinstance(o, Rejected)]
    assert rejected == ([0, 1, 2, 3, 4] if kind == "original" else [])
    assert delivery.requests == (2 if kind == "original" else 1)


def test_nulls_of_new_rows_cost_nothing(sink: Kit) -> None:
    assert sink.bulk.deliver(readings(sink, 50, locationId=None)).requests == 1


def test_an_insert_that_replaces_an_older_version_is_an_update() -> None:
    def version(second: int, op: Op) -> QueuedRow:
        return queued("Reading", op, **reading(second))

    rows = [
        version(0, Op.INSERT),
        version(1, Op.DELETE),
        version(1, Op.INSERT),
        version(2, Op.INSERT),
        version(2, Op.SNAPSHOT),
        version(3, Op.INSERT),
        version(3, Op.DELETE),
    ]
    assert [(row.key[0], row.op) for row in folded(rows)] == [
        (times(1)[0], Op.INSERT),
        (times(2)[1], Op.UPDATE),
        (times(3)[2], Op.SNAPSHOT),
        (times(4)[3], Op.DELETE),
    ]


# --- a server that stores nothing now ----------------------------------------------------------


@pytest.mark.parametrize("before", ["nothing", "a node", "a reading"])
@pytest.mark.parametrize("status", [400, 422, 500])
def test_a_server_that_creates_nothing_now_is_ill_and_no_row_is_bad(
    status: int, before: str, sink: Kit, centre: Centre, proxy: FaultProxy
) -> None:
    """Its probe is fine; only writing fails, as with a full disk."""
    if before != "nothing":
        sink.remote("Node", 69)
    if before == "a reading":
        sent(sink, "Reading", Op.INSERT, **reading())
    rooms = len(centre.rows("RoomType"))
    sink.station.put("RoomType", 2, name="Kitchen")
    for method in ("POST", "PUT"):
        proxy.plan(say(status, b"disk full"), method=method, times=None)
    with pytest.raises(DestinationUnavailable, match="stores nothing now"):
        sink.resolver.apply("RoomType", 2, Op.INSERT)
    proxy.calm()
    assert sink.resolver.apply("RoomType", 2, Op.INSERT) == Delivered()
    assert len(centre.rows("RoomType")) == rooms + 1


def test_a_row_that_is_bad_is_still_found_bad(sink: Kit) -> None:
    sent(sink, "Reading", Op.INSERT, **reading())
    sink.station.put("RoomType", 2, name="x" * 21)
    sink.station.put("Room", 2, roomTypeId=2, name="Back")
    found = sink.resolver.apply("RoomType", 2, Op.INSERT)
    assert isinstance(found, Rejected)
    assert found.reason == "refused"
    assert isinstance(sink.identities.remote("Room", 2), Blocked)


def test_a_sensor_refused_by_a_server_that_stores_nothing(
    kind: Kind, sink: Kit, proxy: FaultProxy
) -> None:
    sink.station.put("Sensor", 5, nodeId=69, sensorTypeId=1)
    sink.remote("Node", 69)
    sink.remote("SensorType", 1)
    for method in ("POST", "PUT"):
        proxy.plan(say(500), method=method, times=None)
    with pytest.raises(DestinationUnavailable):
        sink.resolver.apply("Sensor", 5, Op.INSERT)
    proxy.calm()
    assert sink.resolver.apply("Sensor", 5, Op.INSERT) == Delivered()
