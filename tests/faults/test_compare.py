"""The comparison itself: it sees each kind of wrong, and nothing where all is right."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.compare import Difference, compare
from tests.faults.world import World

Tables = dict[str, list[dict[str, Any]]]
NOON = "2015-03-01T12:00:00"
READING = ("Reading", NOON, 69, 0)
STATE = ("NodeState", NOON, 69, 1)


def station() -> Tables:
    return {
        "Deployment": [{"id": 1, "name": "Trial"}],
        "House": [
            {"id": number, "deploymentId": 1, "address": f"{number}", "startDate": None}
            | {"endDate": None}
            for number in (1, 2)
        ],
        "RoomType": [{"id": 1, "name": "Bedroom"}],
        "Room": [{"id": 1, "roomTypeId": 1, "name": "Front"}],
        "Location": [
            {"id": 1, "houseId": 1, "roomId": None},
            {"id": 2, "houseId": 1, "roomId": 1},
            {"id": 3, "houseId": 2, "roomId": None},
        ],
        "NodeType": [],
        "SensorType": [{"id": 0, "name": "Temperature"}],
        "Node": [{"id": 69, "locationId": 1, "nodeTypeId": None}],
        "Sensor": [
            {"id": 1, "nodeId": 69, "sensorTypeId": 0, "calibrationSlope": 1.1}
            | {"calibrationOffset": None}
        ],
        "Reading": [{"time": NOON, "nodeId": 69, "type": 0, "locationId": 1, "value": 67669.95}],
        "NodeState": [
            {"time": NOON, "nodeId": 69, "seq_num": 1, "parent": 1, "localtime": 5, "rssi": -70.0}
        ],
    }


def centre() -> Tables:
    """The same with other ids, values widened to doubles, and another station's rows."""
    there = copy.deepcopy(station())
    there["House"].append({**there["House"][0], "id": 9, "deploymentId": 5})
    there["Deployment"].append({"id": 5, "name": "Elsewhere"})
    there["Node"].append({"id": 7, "locationId": None, "nodeTypeId": None})
    there["Reading"].append({**there["Reading"][0], "nodeId": 7, "locationId": None})
    there["Reading"][0]["value"] = 67669.953125
    for row in there["Location"]:
        row["id"] += 100
    for row in (there["Reading"][0], there["Node"][0]):
        row["locationId"] = 101
    return there


def differ(there: Tables) -> Difference:
    return compare(station().__getitem__, there.__getitem__)


def test_right() -> None:
    assert differ(centre()) == Difference()


def _change(table: str, **cells: Any) -> Callable[[Tables], None]:
    return lambda there: there[table][0].update(cells)


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (lambda there: there["Reading"].pop(0), Difference(missing={READING})),
        (lambda there: there["NodeState"].clear(), Difference(missing={STATE})),
        (lambda there: there["Reading"].append(there["Reading"][0]), Difference(doubled={READING})),
        (_change("Reading", locationId=102), Difference(misplaced={READING})),
        (_change("Reading", locationId=103), Difference(misplaced={READING})),
        (_change("Reading", locationId=None), Difference(misplaced={READING})),
        (_change("Reading", value=67670.0), Difference(different={READING})),
        (_change("NodeState", localtime=6), Difference(different={STATE})),
        (
            lambda there: there["Reading"].append({**there["Reading"][0], "type": 5}),
            Difference(phantom={("Reading", NOON, 69, 5)}),
        ),
        (
            lambda there: there["RoomType"].append({"id": 2, "name": "Bedroom"}),
            Difference(references={"RoomType ('Bedroom',) is there 2 times"}),
        ),
        (
            _change("House", endDate="2016-01-01T00:00:00"),
            Difference(references={"House (('Trial',), '1') is different"}),
        ),
        (
            _change("Sensor", calibrationSlope=1.2),
            Difference(references={"Sensor (69, 0) is different"}),
        ),
        (
            _change("Node", locationId=None),
            Difference(references={"Node (69,) is different"}),
        ),
    ],
)
def test_wrong(harm: Callable[[Tables], object], expected: Difference) -> None:
    there = centre()
    harm(there)
    assert differ(there) == expected


def test_a_fresh_world_lacks_what_nobody_sent(world: World) -> None:
    """Station and both centres can be read; floats come with all their bits."""
    row = {"time": NOON, "nodeId": 69, "type": 0, "locationId": 1, "value": 67669.95}
    world.insert("Reading", row)
    assert world.rows("Reading") == [{**row, "value": 67669.953125}]
    found = world.compare()
    assert found.missing == {READING}
    assert "House (('Trial',), '12 High St') is there 0 times" in found.references
    assert not found.phantom | found.doubled | found.misplaced | found.different
