"""bulk/: atomic for plain clients, row by row with a receipt, idempotent for both."""

from __future__ import annotations

import zlib
from typing import Any

import orjson
import sqlalchemy as sa

from replicator.central.schema import RECEIPT as RECEIPT_TABLE
from tests.central.conftest import RECEIPT, Client, Row, reading


def reasons(receipt: Row) -> dict[int, str]:
    return {r["index"]: r["reason"] for r in receipt["rejected"]}


def state(time: str = "2015-03-01T00:00:03", node: int = 1, seq: int = 7, **more: Any) -> Row:
    row = {"__table__": "NodeState", "time": time, "nodeId": node, "seq_num": seq}
    return {**row, "parent": None, "localtime": 1, "rssi": -71.5, **more}


def test_zlib_or_plain_json(central: Client) -> None:
    central.world()
    for place, header in enumerate(("", "deflate", "identity")):
        for packed in (True, False):
            row = reading(f"2015-03-01T00:00:0{place}", node=1 + packed)
            body = zlib.compress(orjson.dumps([row])) if packed else orjson.dumps([row])
            headers = {"Content-Encoding": header} if header else {}
            reply = central.request("POST", "bulk/", data=body, headers=headers)
            assert (reply.status_code, reply.json()) == (201, [])
            assert row in central.get("reading/")


def test_tables_may_be_mixed_in_any_order(central: Client) -> None:
    rows: list[Row] = [
        reading(node=9, kind=3, locationId=5),
        {"__table__": "Sensor", "nodeId": 9, "sensorTypeId": 3, "calibrationSlope": 0.1},
        {"__table__": "Node", "id": 9, "locationId": 5},
        {"__table__": "Location", "id": 5, "houseId": 7},
        {"__table__": "SensorType", "id": 3, "name": "CO2"},
        {"__table__": "House", "id": 7, "address": "A"},
        state(node=9),
    ]
    receipt = central.bulk(rows)
    assert (receipt["stored"], receipt["rejected"]) == (7, [])
    assert central.get("reading/")[0]["locationId"] == 5
    assert central.get("node/9")[0]["locationId"] == 5


def test_replay_changes_nothing_and_a_new_value_overwrites(central: Client) -> None:
    where = central.world()["id"]
    sensor = {"__table__": "Sensor", "nodeId": 1, "sensorTypeId": 2, "calibrationSlope": 2.0}
    rows = [reading(locationId=where), state(), sensor]
    for _ in range(2):
        assert central.bulk(rows)["stored"] == 3
    before = [central.get(path) for path in ("reading/", "nodestate/", "sensor/")]
    assert [len(found) for found in before] == [1, 1, 1]
    central.bulk([reading(value=1.0, locationId=where), state(rssi=0.0)])
    central.bulk([{**sensor, "calibrationSlope": 3.0}])
    assert central.get("reading/")[0]["value"] == 1.0
    assert central.get("nodestate/")[0]["rssi"] == 0.0
    assert central.get("sensor/") == [{**before[2][0], "calibrationSlope": 3.0}]


def test_a_null_overwrites_only_for_receipt_clients(central: Client) -> None:
    where = central.world()["id"]
    central.bulk([reading(locationId=where, value=5.0)])
    assert central.plain_bulk([reading(value=None)]).status_code == 201
    assert central.get("reading/") == [reading(locationId=where, value=5.0)]
    central.bulk([reading(value=None)])
    assert central.get("reading/") == [reading(value=None)]


def test_columns_that_were_not_sent_stay(central: Client) -> None:
    central.post("house/", {"address": "A", "serverid": 4, "startDate": "2015-01-01T00:00:00"})
    central.bulk([{"__table__": "House", "address": "A", "endDate": "2016-01-01T00:00:00"}])
    house = central.get("house/")[0]
    assert (house["serverid"], house["startDate"]) == (4, "2015-01-01T00:00:00")
    assert house["endDate"] == "2016-01-01T00:00:00"


def test_one_bad_row_and_a_plain_batch_is_not_stored(central: Client) -> None:
    central.world()
    reply = central.plain_bulk([reading(), reading(node=99), reading(time="x")])
    assert reply.status_code == 422
    said = reply.json()
    assert said["error"] == "rejected"
    assert said["rejected"][0]["index"] in (1, 2)
    assert central.get("reading/") == []
    late = central.plain_bulk([reading(), reading(node=99)])  # seen only inside the transaction
    assert reasons(late.json()) == {1: "unknown-reference"}
    assert central.get("reading/") == []


BAD_ROWS: list[tuple[str, object]] = [
    ("bad-type", 5),
    ("bad-type", None),
    ("bad-type", [1]),
    ("unknown-table", {}),
    ("unknown-table", {"__table__": "Server", "id": 1}),
    ("unknown-table", {"__table__": "reading"}),
    ("unknown-table", {"__table__": "Pushstatus", "id": 1}),
    ("unknown-table", {"__table__": 7}),
    ("unknown-table", {"__table__": ["Reading"]}),
    ("bad-op", {**reading(), "__op__": "truncate"}),
    ("bad-op", {"__table__": "Node", "__op__": "delete", "id": 1}),
    ("null-key", {"__table__": "Reading", "time": "2015-03-01T00:00:00"}),
    ("null-key", reading(kind=None)),  # type: ignore[arg-type]  # on purpose
    ("null-key", state(seq=None)),  # type: ignore[arg-type]  # on purpose
    ("null-key", {"__table__": "Node", "id": None}),
    ("null-key", {"__table__": "Sensor", "nodeId": 1, "sensorTypeId": None}),
    ("bad-time", reading(time="0000-00-00T00:00:00")),
    ("bad-time", reading(time="2015-02-30T00:00:00")),
    ("bad-time", reading(time="0999-02-03T00:00:00")),
    ("bad-time", reading(time=5)),  # type: ignore[arg-type]  # on purpose
    ("bad-time", reading(time="2015-03-01")),
    ("bad-number", reading(value=1e39)),
    ("bad-number", reading(node=2**31)),
    ("bad-number", state(localtime=2**63)),
    ("bad-type", reading(value="1.5")),
    ("bad-type", reading(node=True)),
    ("bad-type", reading(node=1.0)),  # type: ignore[arg-type]  # on purpose
    ("bad-type", reading(value={"a": 1})),
    ("bad-type", reading(locationId=[1])),
    ("unknown-reference", reading(node=99)),
    ("unknown-reference", reading(kind=99)),
    ("unknown-reference", reading(locationId=99)),
    ("unknown-reference", state(node=99)),
    ("unknown-reference", {"__table__": "Room", "name": "R", "roomTypeId": 99}),
    ("too-long", {"__table__": "RoomType", "name": "é" * 21}),
    ("bad-type", {"__table__": "RoomType", "name": "a\0b"}),
    ("bad-type", {"__table__": "RoomType", "name": 5}),
    ("bad-number", {"__table__": "House", "id": 0, "address": "A"}),
    ("id-taken", {"__table__": "House", "id": 1000, "address": "1 Main St"}),
]


def test_bad_rows_are_named_and_the_good_ones_stored(central: Client) -> None:
    central.world()
    good = [reading(f"2015-03-01T00:{i // 60:02}:{i % 60:02}") for i in range(len(BAD_ROWS))]
    body: list[Any] = [
        row for pair in zip(good, BAD_ROWS, strict=True) for row in (pair[0], pair[1][1])
    ]
    receipt = central.bulk(body)
    assert reasons(receipt) == {2 * i + 1: reason for i, (reason, _) in enumerate(BAD_ROWS)}
    assert receipt["stored"] == len(good)
    assert central.get("reading/") == good


def test_ids_are_honoured_where_free_and_refused_where_taken(central: Client) -> None:
    house = {"__table__": "House"}
    first = [{**house, "id": 50, "address": "A"}, {**house, "address": "B"}]
    assert central.bulk(first)["rejected"] == []
    ids = {row["address"]: row["id"] for row in central.get("house/")}
    assert ids == {"A": 50, "B": 51}
    receipt = central.bulk(
        [
            {**house, "id": 50, "address": "A", "serverid": 1},
            {**house, "id": 50, "address": "C"},
            {**house, "id": 60, "address": "B"},
            {**house, "id": 70, "address": "D"},
            {**house, "id": 70, "address": "E"},
            {**house, "address": "F"},
        ]
    )
    assert reasons(receipt) == {1: "id-taken", 2: "id-taken", 4: "id-taken"}
    ids = {row["address"]: row["id"] for row in central.get("house/")}
    assert ids == {"A": 50, "B": 51, "D": 70, "F": 71}


def test_every_index_of_a_refused_key_is_named(central: Client) -> None:
    house = {"__table__": "House", "address": "A"}
    central.bulk([{**house, "id": 5}])
    receipt = central.bulk([house, {**house, "id": 6}])
    assert reasons(receipt) == {0: "id-taken", 1: "id-taken"}


def test_deletes_are_idempotent_and_keep_their_place(central: Client) -> None:
    central.world()
    key = {k: v for k, v in reading().items() if k not in ("value", "locationId")}
    gone = {**key, "__op__": "delete"}
    state_gone = {**state(), "__op__": "delete"}
    central.bulk([reading(), reading(node=2), state()])
    for _ in range(2):
        assert central.bulk([gone, state_gone])["rejected"] == []
        assert [r["nodeId"] for r in central.get("reading/")] == [2]
        assert central.get("nodestate/") == []
    central.bulk([gone, reading(value=3.0)])
    assert central.get("reading/?nodeId=1") == [reading(value=3.0)]
    central.bulk([reading(value=4.0), gone])
    assert central.get("reading/?nodeId=1") == []
    central.bulk([reading(value=4.0, locationId=None), gone, key])
    assert central.get("reading/?nodeId=1") == [reading(value=None)]


def test_a_plain_client_may_delete_too(central: Client) -> None:
    central.world()
    central.bulk([reading()])
    assert central.plain_bulk([{**reading(), "__op__": "delete"}]).status_code == 201
    assert central.get("reading/") == []


def test_many_deletes_in_one_body(central: Client) -> None:
    central.world()
    times = [f"2015-03-01T{i // 60:02}:{i % 60:02}:00" for i in range(1200)]
    central.bulk([reading(t) for t in times])
    central.bulk([{**reading(t), "__op__": "delete"} for t in times[1:]])
    assert central.get("reading/") == [reading(times[0])]


def test_receipts_are_kept_with_the_rows(central: Client) -> None:
    central.world()
    receipt = central.bulk([reading(), reading(node=99)])
    query = sa.select(RECEIPT_TABLE).where(RECEIPT_TABLE.c.id == receipt["receipt"])
    with central.database.engine.connect() as connection:
        row = connection.execute(query).one()
    assert (row.rows, row.rejected, row.station) == (1, 1, "")
    assert row.at > "2024"


def test_an_empty_list_is_stored(central: Client) -> None:
    assert central.plain_bulk([]).status_code == 201
    assert central.bulk([])["stored"] == 0


def test_a_body_that_is_no_list_is_400(central: Client) -> None:
    for body in (b"", b"{}", b"5", b"[", b"[NaN]", b"[Infinity]", b"\xff\xfe[]"):
        reply = central.request("POST", "bulk/", data=body, headers=RECEIPT)
        assert reply.status_code == 400
        assert set(reply.json()) == {"error", "detail"}


def test_times_are_read_as_the_original_reads_them(central: Client) -> None:
    central.world()
    sent = [
        "2015-03-01 00:00:01",
        "2015-03-01T00:00:02.999",
        "2015-03-01T00:00:03Z",
        "2015-03-01T00:00:04+02:00",
    ]
    assert central.bulk([reading(t) for t in sent])["stored"] == 4
    assert [r["time"] for r in central.get("reading/")] == [
        f"2015-03-01T00:00:0{i}" for i in (1, 2, 3, 4)
    ]
