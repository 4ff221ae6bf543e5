"""The REST contract, spoken to a real server over each kind of database."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.central.conftest import Client, reading


def test_capabilities_name_the_server(central: Client) -> None:
    said = central.get("capabilities/")
    assert said["server"] == "replicator-central"
    assert {"receipts", "delete", "sensor-get"} <= set(said["features"])


def test_a_wrong_slash_is_a_json_error(start: Callable[..., Client]) -> None:
    central = start()
    for path in ("house", "bulk", "capabilities", "lastsync", "nonsense", "house/7/"):
        for method in ("GET", "POST", "PUT", "DELETE"):
            reply = central.request(method, path, json=[])
            assert reply.status_code in (404, 405), (method, path)
            assert set(reply.json()) == {"error", "detail"}


def test_an_unknown_path_is_a_json_404(start: Callable[..., Client]) -> None:
    central = start()
    for path in ("nonsense/", "nonsense/3", "", "../", "/house/", "server/", "node/9999999999"):
        reply = central.request("GET", path)
        assert reply.status_code == 404, path
        assert set(reply.json()) == {"error", "detail"}


def test_a_wrong_method_is_a_json_405(start: Callable[..., Client]) -> None:
    reply = start().request("DELETE", "house/")
    assert (reply.status_code, reply.json()["error"]) == (405, "method-not-allowed")
    assert "GET" in reply.headers["Allow"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "bulk/", "OPTIONS, POST"),
        ("PUT", "bulk/?id=1", "OPTIONS, POST"),
        ("PATCH", "digests/", "OPTIONS, POST"),
        ("POST", "capabilities/", "GET, HEAD, OPTIONS"),
        ("PUT", "reading/?id=1", "GET, HEAD, OPTIONS, POST"),
        ("DELETE", "counts/1", "GET, HEAD, OPTIONS"),
    ],
)
def test_each_name_takes_its_own_methods(
    start: Callable[..., Client], method: str, path: str, allowed: str
) -> None:
    central = start()
    reply = central.request(method, path, json={})
    assert (reply.status_code, reply.headers["Allow"]) == (405, allowed)
    reply = central.request("OPTIONS", path)
    assert (reply.status_code, reply.headers["Allow"]) == (204, allowed)


@pytest.mark.parametrize(
    "path",
    ["lastsync/?hause=1", "lastnodesync/1?x=1", "counts/1?typeId=2", "node/?sort(id)=x"],
)
def test_a_parameter_that_means_nothing_is_refused(start: Callable[..., Client], path: str) -> None:
    reply = start().request("GET", path)
    assert (reply.status_code, reply.json()["error"]) == (400, "bad-filter")


def test_ids_that_are_handed_out_begin_with_1(central: Client) -> None:
    assert central.post("roomtype/", {"name": "Kitchen"})["id"] == 1
    for method, path, row in (
        ("POST", "roomtype/", {"id": 0, "name": "Kitchen"}),
        ("POST", "house/", {"id": -1, "address": "1 Main St"}),
        ("PUT", "house/0", {"address": "1 Main St"}),
        ("PUT", "house/-7", {"address": "1 Main St"}),
        ("PUT", "pushstatus/0", {}),
    ):
        reply = central.request(method, path, json=row)
        assert (reply.status_code, reply.json()["error"]) == (422, "bad-number"), path


def test_ids_that_stations_choose_may_be_negative(central: Client) -> None:
    reply = central.request("POST", "sensortype/", json={"id": -5, "name": "x"})
    assert reply.headers["Location"] == "/rest/sensortype/-5"
    assert central.get("sensortype/-5") == [reply.json()]
    assert central.request("DELETE", "sensortype/-5").status_code == 204
    assert central.request("GET", "sensortype/-99999999999").status_code == 404


@pytest.mark.parametrize("given", [False, 0.0, "0", None, 1])
def test_the_id_of_a_body_is_the_paths(start: Callable[..., Client], given: object) -> None:
    reply = start().request("PUT", "node/0", json={"id": given})
    assert (reply.status_code, reply.json()["error"]) == (422, "bad-id")


def test_type_names_ignore_case(central: Client) -> None:
    for name in ("house", "House", "HOUSE"):
        assert central.get(f"{name}/") == []
    assert central.request("POST", "Bulk/", json=[]).status_code == 201


def test_post_answers_the_whole_row_and_where_it_is(central: Client) -> None:
    reply = central.request("POST", "house/", json={"address": "Zażółć 5", "extra": 1})
    row = reply.json()
    assert reply.status_code == 201
    assert row == {
        "__table__": "House",
        "id": row["id"],
        "deploymentId": None,
        "address": "Zażółć 5",
        "startDate": None,
        "endDate": None,
        "serverid": None,
    }
    assert reply.headers["Location"].endswith(f"/rest/house/{row['id']}")
    assert central.get(f"house/{row['id']}") == [row]
    assert central.get(f"house/{row['id'] + 1}") == []


def test_post_takes_a_list_of_one(central: Client) -> None:
    assert central.post("roomtype/", [{"name": "Kitchen"}])["name"] == "Kitchen"
    assert central.request("POST", "roomtype/", json=[{}, {}]).status_code == 400


def test_creating_twice_gives_one_row(central: Client) -> None:
    rows: dict[str, dict[str, object]] = {
        "deployment/": {"name": "D"},
        "house/": {"address": "A", "deploymentId": None},
        "roomtype/": {"name": "Kitchen"},
        "room/": {"name": "Kitchen", "roomTypeId": None},
        "node/": {"id": 69},
        "sensortype/": {"id": 4, "name": "Temperature"},
        "nodetype/": {"id": 3, "name": "Base"},
        "sensor/": {"nodeId": 69, "sensorTypeId": 4},
    }
    for path, row in rows.items():
        first = central.request("POST", path, json=row)
        second = central.request("POST", path, json=row)
        assert (first.status_code, second.status_code) == (201, 200), path
        assert first.json() == second.json()
        assert len(central.get(path)) == 1


def test_a_location_without_a_room_is_one_location(central: Client) -> None:
    house = central.post("house/", {"address": "A"})["id"]
    first = central.post("location/", {"houseId": house})
    assert central.post("location/", {"houseId": house, "roomId": None}) == first


def test_houses_with_one_address_in_two_deployments_are_two(central: Client) -> None:
    ids = [central.post("deployment/", {"name": name})["id"] for name in ("a", "b")]
    rows = [{"address": "1 Main St", "deploymentId": i} for i in (*ids, None)]
    assert len({central.post("house/", row)["id"] for row in rows}) == 3


def test_text_keys_are_exact(central: Client) -> None:
    alike = ["Main St", "main st", "Main St ", "Máin St", "Main St\u0301"]
    houses = {address: central.post("house/", {"address": address}) for address in alike}
    assert len({house["id"] for house in houses.values()}) == len(alike)
    for address, house in houses.items():
        assert central.get("house/", params={"address": address}) == [house]


def test_an_own_id_is_honoured_where_it_is_free(central: Client) -> None:
    assert central.post("house/", {"id": 40, "address": "A"})["id"] == 40
    assert central.post("house/", {"address": "B"})["id"] == 41
    taken = central.request("POST", "house/", json={"id": 40, "address": "C"})
    assert (taken.status_code, taken.json()["error"]) == (422, "id-taken")


def test_ids_of_deleted_rows_are_not_handed_out_again(central: Client) -> None:
    first = central.post("house/", {"address": "A"})["id"]
    assert central.request("DELETE", f"house/{first}").status_code == 204
    assert central.post("house/", {"address": "B"})["id"] == first + 1


def test_a_row_that_cannot_be_stored_is_422(central: Client) -> None:
    rows: list[tuple[str, dict[str, object], str]] = [
        ("node/", {}, "null-key"),
        ("node/", {"id": 1, "locationId": 99}, "unknown-reference"),
        ("node/", {"id": "1"}, "bad-type"),
        ("node/", {"id": 2**31}, "bad-number"),
        ("sensor/", {"nodeId": None, "sensorTypeId": 1}, "null-key"),
        ("roomtype/", {"name": "x" * 21}, "too-long"),
        ("house/", {"address": "A", "startDate": "0000-00-00T00:00:00"}, "bad-time"),
        ("reading/", {"nodeId": 1}, "null-key"),
        ("sensortype/", {"id": 1, "c0": 1e39}, "bad-number"),
    ]
    for path, row, code in rows:
        reply = central.request("POST", path, json=row)
        assert (reply.status_code, reply.json()["error"]) == (422, code)
        assert central.get(path) == []


def test_put_replaces_the_whole_row(central: Client) -> None:
    row = central.post("house/", {"address": "A", "startDate": "2015-01-01T00:00:00"})
    path = f"house/{row['id']}"
    reply = central.request("PUT", path, json={"id": row["id"], "address": "B"})
    assert reply.status_code == 201
    assert reply.json() == {**row, "address": "B", "startDate": None}
    assert central.post("house/", {"address": "B"})["id"] == row["id"]  # the key moved with it
    assert central.post("house/", {"address": "A"})["id"] != row["id"]


def test_put_by_query(central: Client) -> None:
    central.post("node/", {"id": 7})
    central.post("nodetype/", {"id": 2})
    body = {"id": 7, "nodeTypeId": 2}
    assert central.request("PUT", "node/", params={"id": 7}, json=body).status_code == 201
    assert central.get("node/7")[0]["nodeTypeId"] == 2
    assert central.request("PUT", "node/", params={"nodeTypeId": 2}, json=body).status_code == 400


def test_put_may_create(central: Client) -> None:
    assert central.request("PUT", "roomtype/9", json={"name": "Attic"}).status_code == 201
    assert central.get("roomtype/9")[0]["name"] == "Attic"


def test_put_refuses_another_rows_key_and_another_id(central: Client) -> None:
    first, second = (central.post("house/", {"address": a})["id"] for a in "AB")
    stolen = central.request("PUT", f"house/{second}", json={"id": second, "address": "A"})
    assert (stolen.status_code, stolen.json()["error"]) == (422, "duplicate-key")
    other = central.request("PUT", f"house/{second}", json={"id": first, "address": "C"})
    assert (other.status_code, other.json()["error"]) == (422, "bad-id")


def test_deleting_a_house_leaves_its_readings_without_location(central: Client) -> None:
    location = central.world()
    where = location["id"]
    central.plain_bulk([{"__table__": "Node", "id": 1, "locationId": where}])
    central.plain_bulk([reading(locationId=where)])
    assert central.request("DELETE", f"house/{location['houseId']}").status_code == 204
    assert central.get("location/") == []
    assert [r["locationId"] for r in central.get("reading/")] == [None]
    assert central.get("node/1")[0]["locationId"] is None
    again = central.request("DELETE", f"house/{location['houseId']}")
    assert (again.status_code, again.json()["error"]) == (404, "no-such-row")


def test_deleting_what_others_refer_to_is_refused(central: Client) -> None:
    central.world()
    central.post("nodetype/", {"id": 5})
    central.post("node/", {"id": 9, "nodeTypeId": 5})
    kind = central.post("roomtype/", {"id": 1, "name": "K"})["id"]
    central.post("room/", {"name": "Kitchen", "roomTypeId": kind})
    central.plain_bulk([reading()])
    for path in ("node/1", "sensortype/0", "nodetype/5", "roomtype/1"):
        reply = central.request("DELETE", path)
        assert (reply.status_code, reply.json()["error"]) == (422, "in-use")
        assert len(central.get(path)) == 1


def test_streams_have_no_ids(start: Callable[..., Client]) -> None:
    central = start()
    for path in ("reading/3", "nodestate/3"):
        for method in ("GET", "PUT", "DELETE"):
            reply = central.request(method, path, json={})
            assert (reply.status_code, reply.json()["error"]) == (404, "no-id")


def test_sensors_and_node_states_can_be_posted(central: Client) -> None:
    central.world()
    sensor = central.post("sensor/", {"nodeId": 1, "sensorTypeId": 2, "calibrationSlope": 0.1})
    assert central.get("sensor/", params={"nodeId": 1}) == [sensor]
    assert sensor["calibrationSlope"] == 0.1
    state = {"time": "2015-03-01T00:00:03", "nodeId": 1, "seq_num": 5, "localtime": 2**40}
    assert central.post("nodestate/", state)["localtime"] == 2**40


def test_pushstatus_is_a_log(central: Client) -> None:
    sent = {"hostname": "h" * 60, "localtime": "2015-03-01T00:00:03", "version": "1"}
    first, second = central.post("pushstatus/", sent), central.post("pushstatus/", sent)
    assert second["id"] == first["id"] + 1
    assert first["time"] > "2024"
    assert first["hostname"] == "h" * 60


def test_filters(central: Client) -> None:
    where = central.world()["id"]
    times = [f"2015-03-01T00:00:0{i}" for i in range(5)]
    central.plain_bulk([reading(t, value=float(i)) for i, t in enumerate(times)])
    central.plain_bulk([reading(times[0], node=2, locationId=where, value=0.1)])

    def seconds(query: str) -> list[int]:
        return [int(row["time"][-1]) for row in central.get(f"reading/?{query}")]

    assert seconds("nodeId=1") == [0, 1, 2, 3, 4]
    assert seconds("nodeId=1&ge_time=2015-03-01T00:00:03") == [3, 4]
    assert seconds("nodeId=1&time=gt_2015-03-01T00:00:03") == [4]
    assert seconds("nodeId=1&time=le_2015-03-01 00:00:00") == [0]
    assert seconds("lt_value=2&gt_value=0.5") == [1]
    assert seconds("value=0.1") == [0]
    assert seconds("locationId=null&nodeId=2") == []
    assert seconds(f"locationId={where}") == [0]
    assert seconds("locationId=None&nodeId=1&sort(-time)=") == [4, 3, 2, 1, 0]
    assert seconds("sort(%2BnodeId,-time)") == [4, 3, 2, 1, 0, 0]
    assert seconds("sort(+nodeId,-time)&nodeId=2") == [0]


def test_text_filters_are_exact_but_for_stars_at_the_ends(central: Client) -> None:
    for address in ("1_Main", "1xMain", "10%", "ge_x", "a*b", "[x]", "null "):
        central.post("house/", {"address": address})

    def found(value: str) -> list[str]:
        return sorted(h["address"] for h in central.get("house/", params={"address": value}))

    assert found("1_Main") == ["1_Main"]
    assert found("ge_x") == ["ge_x"]
    assert found("a*b") == ["a*b"]
    assert found("*Main") == ["1_Main", "1xMain"]
    assert found("*MAIN") == []
    assert found("1_*") == ["1_Main"]
    assert found("*%*") == ["10%"]
    assert found("[x*") == ["[x]"]
    assert found("null") == []


def test_a_filter_without_meaning_is_400(central: Client) -> None:
    queries = [
        "nope=1",
        "natural_key=x",
        "nodeId=x",
        "nodeId=1%00",
        "nodeId=" + "9" * 30,
        "time=ge_yesterday",
        "sort(nope)",
        "value=nan",
        "value=1e39",
        "&".join(["nodeId=1"] * 60),
    ]
    for query in queries:
        reply = central.request("GET", f"reading/?{query}")
        assert (reply.status_code, reply.json()["error"]) == (400, "bad-filter"), query
    assert central.request("GET", "house/?address=%00").status_code == 400


def test_ranges(central: Client) -> None:
    for i in range(5):
        central.post("node/", {"id": i})

    def page(header: str, query: str = "") -> tuple[list[int], str]:
        reply = central.request("GET", f"node/?{query}", headers={"Range": header})
        return [r["id"] for r in reply.json()], reply.headers["Content-Range"]

    assert page("items=0-1") == ([0, 1], "items 0-1/5")
    assert page("items=3-9") == ([3, 4], "items 3-4/5")
    assert page("items=1-1", "sort(-id)") == ([3], "items 1-1/5")
    assert page("items=7-9") == ([], "items 7-7/5")
    assert central.request("GET", "node/").headers["Content-Range"] == "items 0-4/5"
    for bad in ("items=3-1", "bytes=0-1", "items=0-", "items=-5"):
        assert central.request("GET", "node/", headers={"Range": bad}).status_code == 400


def test_last_sync_and_counts(central: Client) -> None:
    where = central.world()["id"]
    assert central.get("lastsync/", params={"house": "1 Main St"}) is None
    assert central.get("lastsync/", params={"house": "nowhere"}) is None
    central.plain_bulk([{"__table__": "Node", "id": 1, "locationId": where}])
    times = ["2015-03-01T00:46:04", "2015-03-02T00:00:00", "2015-03-02T23:59:59"]
    central.plain_bulk([reading(t, locationId=where) for t in times])
    central.plain_bulk([reading("2015-03-03T00:00:00", kind=2)])
    assert central.get("lastsync/", params={"house": "1 Main St"}) == times[-1]
    assert central.get("lastSync/?house=1+Main+St") == times[-1]
    assert central.get("lastnodesync/1") == "2015-03-03T00:00:00"
    assert central.get("LastNodeSync/", params={"node": 1}) == "2015-03-03T00:00:00"
    assert central.get("lastnodesync/2") is None
    days = [["2015-03-01", 1], ["2015-03-02", 2], ["2015-03-03", 1]]
    assert central.get("counts/1") == days
    assert central.get("counts/1?typeid=2") == days[2:]
    assert central.get("counts/99") == []
    assert central.request("GET", "counts/1?typeid=x").status_code == 400
