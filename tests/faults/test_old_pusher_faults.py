"""What the old pusher got wrong, one test each, against both kinds of central server.

Each test does at the station or on the link what made the old pusher lose, double or misplace rows,
runs the real commands, and ends with the independent comparison of station and centre. Where the
original server cannot do what is needed, the test says what happens instead: parked, with a reason.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.faults.compare import Difference, Key
from tests.faults.proxy import garbage, hang, html, lose_reply, lose_request, say, stall, truncate
from tests.faults.world import World, until

RIGHT = Difference()
HOME = {69: 1, 70: 2, 71: 3}  # node: location
KINDS = (0, 1, 2, 3)
Row = dict[str, Any]


def at(second: int) -> str:
    """Seconds after the first of March 2015, as ISO text."""
    return (datetime(2015, 3, 1) + timedelta(seconds=second)).isoformat()  # noqa: DTZ001  # no zone


def reading(second: int, node: int = 69, kind: int = 0, **more: Any) -> Row:
    value = second % 50 + node / 7 + kind / 3
    row = {"time": at(second), "nodeId": node, "type": kind, "locationId": HOME[node]}
    return {**row, "value": value, **more}


def readings(seconds: Iterable[int], nodes: Iterable[int] = HOME) -> list[Row]:
    """One of each type, node and second."""
    return [reading(s, node, kind) for s in seconds for node in nodes for kind in KINDS]


def state(second: int, node: int = 69, seq_num: int | None = 0, **more: Any) -> Row:
    row = {"time": at(second), "nodeId": node, "seq_num": seq_num, "parent": 1}
    return {**row, "localtime": 5_000_000_000 + second, "rssi": -70.5, **more}


def log(world: World, seconds: Iterable[int], nodes: Iterable[int] = HOME) -> None:
    """Packets as a logger writes them: one transaction, a state and a reading of each type."""
    nodes = tuple(nodes)
    for second in seconds:
        for node in nodes:
            rows = [("NodeState", state(second, node, second % 256))]
            rows += [("Reading", reading(second, node, kind)) for kind in KINDS]
            world.commit(*rows)


def key(row: Mapping[str, Any], table: str = "Reading") -> Key:
    """As the comparison names it."""
    last = row["type"] if table == "Reading" else row["seq_num"]
    return (table, row["time"], row["nodeId"], last)


def original(world: World) -> bool:
    return world.centre.kind == "original"


def test_01_rows_of_the_same_second_as_the_last_of_a_page(world: World) -> None:
    world.configure(batch_rows=7)
    world.insert("Reading", *readings(range(2)))
    world.replicate()
    world.insert("Reading", *readings(range(2, 4)))
    world.replicate()
    assert world.requests("bulk/") > 4
    assert world.compare() == RIGHT


def test_02_rows_of_the_last_second_sent_and_the_one_after(world: World) -> None:
    world.insert("Reading", reading(100))
    world.replicate()
    world.insert("Reading", reading(100, kind=1), reading(101), reading(100, node=70))
    world.replicate()
    assert world.compare() == RIGHT


def test_03_late_rows_and_one_from_the_future(world: World) -> None:
    world.insert("Reading", reading(500_000), reading(500_000_000))
    world.replicate()
    world.insert("Reading", *readings(range(400_000, 400_040)))
    world.insert("Reading", reading(500_001))
    world.replicate()
    assert world.compare() == RIGHT


def test_04_readings_without_a_location(world: World) -> None:
    world.sql("INSERT INTO Node VALUES (72, NULL, 1)")
    world.insert("Reading", *(reading(s, locationId=None) for s in range(5)))
    world.replicate()
    log(world, range(5, 8), nodes=[69])
    world.insert("Reading", *({**reading(s), "nodeId": 72, "locationId": None} for s in range(5)))
    world.replicate()
    assert world.compare() == RIGHT


def test_05_changes_of_a_finished_house(world: World) -> None:
    world.sql("UPDATE House SET endDate = '2014-12-31 00:00:00' WHERE id = 2")
    log(world, range(3))
    world.replicate()
    world.sql(
        "UPDATE House SET endDate = '2015-01-01 12:00:00', address = '14a High St' WHERE id = 2",
        "INSERT INTO Location VALUES (4, 2, 2)",
        "UPDATE Node SET locationId = 4 WHERE id = 71",
    )
    world.insert("Reading", reading(10, node=71, locationId=4))
    world.replicate()
    assert world.compare() == RIGHT


def test_06_corrected_and_deleted_rows(world: World) -> None:
    log(world, range(6))
    world.replicate()
    deleted, blanked, gone = reading(1), reading(2), state(3, seq_num=3)
    world.sql(
        f"UPDATE Reading SET value = 77.7 WHERE time = '{at(0)}'",
        f"DELETE FROM Reading WHERE time = '{at(1)}' AND nodeId = 69 AND type = 0",
        f"UPDATE Reading SET value = NULL WHERE time = '{at(2)}' AND nodeId = 69 AND type = 0",
        f"DELETE FROM NodeState WHERE time = '{at(3)}' AND nodeId = 69",
        f"UPDATE NodeState SET parent = 2 WHERE time = '{at(4)}'",
    )
    world.replicate()
    if original(world):  # it can neither delete such rows nor set them to NULL
        left = Difference(phantom={key(deleted), key(gone, "NodeState")}, different={key(blanked)})
        assert world.compare() == left
        assert world.parked() == {"cannot-delete": 2, "null-not-applied": 1}
    else:
        assert world.compare() == RIGHT
        assert world.parked() == {}


def test_07_calibrations_node_types_and_the_other_tables(world: World) -> None:
    world.replicate()
    assert world.compare() == RIGHT
    world.sql(
        "UPDATE Sensor SET calibrationSlope = 1.25, calibrationOffset = -0.1 WHERE nodeId = 69",
        "INSERT INTO Sensor (sensorTypeId, nodeId, calibrationSlope) VALUES (3, 71, 2.5)",
        "INSERT INTO NodeType VALUES (9, 'clamp', '2015-01-01', 1, 2, 300, 1, 'yes')",
        "UPDATE NodeType SET name = 'base 2' WHERE id = 1",
        "INSERT INTO SensorType (id, name, code, units, c1) VALUES (40, 'CO2', 'co2', 'ppm', 0.5)",
        "INSERT INTO RoomType VALUES (2, 'Attic')",
        "INSERT INTO Room VALUES (3, 2, 'Left')",
    )
    world.replicate()
    assert world.compare() == RIGHT
    assert world.parked() == {}


def test_08_a_location_without_a_room(world: World) -> None:
    world.sql(
        "INSERT INTO Location VALUES (4, 1, NULL)", "INSERT INTO Location VALUES (5, 2, NULL)"
    )
    rows = [reading(s, locationId=place) for s, place in enumerate((1, 4, 2, 4, 5, 3, 5))]
    world.insert("Reading", *rows[:4])
    world.replicate()
    world.insert("Reading", *rows[4:])
    world.replicate()
    assert world.compare() == RIGHT


def test_09_answers_that_are_no_success(world: World) -> None:
    world.configure(batch_rows=5)
    world.insert("Reading", *readings(range(4)))
    world.tail_once()
    world.proxy.plan(say(404, b"not here"), times=None)
    assert world.ship_once(10, 11).err
    waiting = world.backlog()
    assert waiting["waiting_rows"] >= len(world.rows("Reading"))
    assert waiting["parked_rows"] == 0
    world.proxy.calm()
    for fault in (say(503), html(), garbage(), say(502, after_store=True), garbage()):
        world.proxy.plan(fault, path="bulk/", skip=1)
    world.ship_once()
    assert world.proxy.struck >= 6
    assert world.compare() == RIGHT
    assert world.parked() == {}


def test_10_killed_between_pages_and_replies_lost(world: World) -> None:
    world.configure(batch_rows=20)
    world.tail_once()
    log(world, range(8))
    world.tail_once()
    for fault in (hang(60), stall(60)):  # killed before the batch was stored, and after
        world.proxy.plan(fault, path="bulk/", skip=1)
        ship = world.start("ship", "--once")
        until(world.proxy.has_struck_since_calm, "a bulk request")
        world.end(ship)
        world.proxy.calm()
    for fault in (lose_reply(), lose_request(), truncate()):
        world.proxy.plan(fault, path="bulk/")
    world.ship_once()
    assert world.compare() == RIGHT
    assert world.backlog()["waiting_rows"] == 0


def test_11_a_node_state_without_a_sequence_number(world: World) -> None:
    world.insert("NodeState", state(1, seq_num=1), state(2, seq_num=None), state(3, seq_num=3))
    log(world, range(10, 13))
    world.replicate()
    log(world, range(20, 23))
    world.replicate()
    nameless = ("NodeState", at(2), 69, None)  # no central server can tell it from another one
    assert world.compare() == Difference(missing={nameless})
    assert world.parked() == {"null-key": 1}


def test_12_a_node_type_unknown_at_the_centre(world: World) -> None:
    world.sql(
        "INSERT INTO NodeType (id, name) VALUES (33, 'brand new')",
        "INSERT INTO Node VALUES (60, 1, 33)",
    )
    world.insert("Reading", {**reading(0), "nodeId": 60})
    log(world, range(3))
    world.replicate()
    assert world.compare() == RIGHT
    world.sql("INSERT INTO NodeType (id, name) VALUES (34, 'newer still')")
    world.sql("UPDATE Node SET nodeTypeId = 34 WHERE id = 69")
    log(world, range(3, 5))
    world.replicate()
    assert world.compare() == RIGHT


def test_13_a_sensor_type_that_means_something_else(world: World) -> None:
    world.sql(
        "UPDATE SensorType SET c1 = 0.5 WHERE id = 0",  # no other meaning
        "UPDATE SensorType SET units = 'kg' WHERE id = 1",
    )
    log(world, range(3))
    world.replicate()
    conflicting = {key(row) for row in readings(range(3)) if row["type"] == 1}
    assert world.compare() == Difference(missing=conflicting)
    parked = world.parked()
    assert set(parked) == {"conflict"}
    assert parked["conflict"] >= len(conflicting)


def test_14_a_renamed_house(world: World) -> None:
    log(world, range(4))
    world.replicate()
    sent = len(world.arrived())
    (before,) = (row for row in world.centre.rows("House") if row["address"] == "14 High St")
    world.sql("UPDATE House SET address = 'The Old Mill' WHERE id = 2")
    world.replicate()
    (after,) = (row for row in world.centre.rows("House") if row["address"] == "The Old Mill")
    assert after["id"] == before["id"]
    asked = len(world.proxy.requests)
    world.replicate()
    assert len(world.arrived()) == sent
    assert len(world.proxy.requests) - asked <= 3
    assert world.compare() == RIGHT


def test_15_two_houses_with_one_address(world: World) -> None:
    world.sql(
        "INSERT INTO Deployment (id, name) VALUES (2, 'Second')",
        "INSERT INTO House (id, deploymentId, address) VALUES (3, 2, '12 High St')",
        "INSERT INTO Location VALUES (4, 3, 1)",
        "INSERT INTO Node VALUES (80, 4, 1)",
    )
    log(world, range(5), nodes=[69])
    world.insert("Reading", *({**reading(s), "nodeId": 80, "locationId": 4} for s in range(3, 9)))
    world.replicate()
    log(world, range(1, 3), nodes=[70])
    world.insert("Reading", {**reading(0), "nodeId": 80, "locationId": 4})
    world.replicate()
    assert world.compare() == RIGHT


def test_16_odd_addresses_and_lost_mappings(world: World) -> None:
    for number, address in enumerate(("7_High St", "High St", "None", "7*", "7 HIGH ST", "é_7"), 3):
        world.insert("House", {"id": number, "deploymentId": 1, "address": address})
        world.insert("Location", {"id": number + 10, "houseId": number, "roomId": 1})
        world.insert("Reading", reading(number, locationId=number + 10))
    world.replicate()
    assert world.compare() == RIGHT
    world.lose_mappings()
    log(world, range(20, 22))
    world.replicate()
    assert world.compare() == RIGHT
    assert world.backlog()["mappings"] > 0


def test_17_ids_that_differ(world: World) -> None:
    others = {table: world.centre.rows(table) for table in ("House", "Location", "Room")}
    log(world, range(3))
    tables = ("Deployment", "House", "RoomType", "Room", "Location", "Node", "Sensor", "Reading")
    before = {table: world.rows(table) for table in tables}
    world.replicate()
    assert world.compare() == RIGHT
    assert {table: world.rows(table) for table in tables} == before
    for table, rows in others.items():
        there = {row["id"]: row for row in world.centre.rows(table)}
        assert [there[row["id"]] for row in rows] == rows


def test_18_pages_of_node_states_in_no_order(world: World) -> None:
    world.configure(batch_rows=15)
    world.tail_once()
    seconds = random.Random(18).sample(range(300), 60)
    sent = [state(s, node, s % 256) for s in seconds for node in (69, 70)]
    world.insert("NodeState", *sent)
    world.replicate()
    assert world.compare() == RIGHT
    arrived = [key(row, "NodeState") for row in world.arrived("NodeState")]
    assert arrived == [key(row, "NodeState") for row in sent]  # both nodes are in one house


def test_19_two_at_once(world: World) -> None:
    log(world, range(3))
    tail = world.start("tail")
    until(world.captures, "the first tail")
    assert world.run("tail", "--once").code == 8
    world.end(tail)
    world.tail_once()
    world.proxy.plan(hang(60), path="house/", method="POST")
    ship = world.start("ship", "--once")
    until(world.proxy.has_struck_since_calm, "the first ship")
    assert world.run("ship", "--once").code == 8
    world.proxy.calm()
    assert ship.wait(60) == 0
    world.end(ship)
    assert world.compare() == RIGHT


def test_20_a_non_ascii_address_and_a_silent_server(world: World) -> None:
    world.sql(
        "UPDATE House SET address = 'Höhenweg 3, 2. Stock «links»' WHERE id = 1",
        "UPDATE House SET address = '高台通り 3' WHERE id = 2",
        "UPDATE Room SET name = 'Küche' WHERE id = 2",
    )
    log(world, range(3))
    world.tail_once()
    world.configure(timeout=0.2)
    world.proxy.plan(hang(60), times=None)
    world.ship_once(10)
    world.proxy.calm()
    world.configure()
    world.ship_once()
    assert world.compare() == RIGHT


def test_21_every_bit_of_a_value(world: World) -> None:
    chance = random.Random(21)
    values = [67669.95, 0.1, -0.0, 16777217.0, 1e-30, 3.4e38, 18.2596, 8.589973e9]
    while len(values) < 300:
        (value,) = struct.unpack("<f", struct.pack("<I", chance.getrandbits(32)))
        if 1e-30 < abs(value) < 3e38:
            values.append(value)
    rows = [reading(s, value=repr(value)) for s, value in enumerate(values)]
    world.insert("Reading", *rows[:150])
    world.replicate()
    world.insert("Reading", *rows[150:])
    world.replicate()
    assert world.compare() == RIGHT
