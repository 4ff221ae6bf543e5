"""Each trap of the original server's REST interface, shown by a request."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.original.process import OriginalProcess
from tests.original.server import OriginalServer

Json = dict[str, Any]
NOON = "2015-03-01T12:00:00"


class Client:
    """The requests of these tests, on one kept-alive connection."""

    def __init__(self, url: str) -> None:
        self.session = requests.Session()
        self.base = f"{url}/rest/"

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.session.get(self.base + path, headers=headers, timeout=5)

    def list(self, path: str) -> list[Json]:
        answer = self.get(path)
        assert answer.status_code == 200
        rows = answer.json()
        assert isinstance(rows, list)
        return rows

    def post(self, path: str, row: object) -> requests.Response:
        return self.session.post(self.base + path, data=json.dumps(row), timeout=5)

    def put(self, path: str, row: object) -> requests.Response:
        return self.session.put(self.base + path, data=json.dumps(row), timeout=5)

    def delete(self, path: str) -> requests.Response:
        return self.session.delete(self.base + path, timeout=5)

    def bulk(self, *rows: object) -> requests.Response:
        body = zlib.compress(json.dumps(rows).encode())
        return self.session.post(self.base + "bulk/", data=body, timeout=5)


@pytest.fixture
def server() -> Iterator[OriginalServer]:
    """With one house, one node in it, two sensor types."""
    with OriginalServer() as running:
        running.execute("INSERT INTO Deployment (id, name) VALUES (1, 'Trial')")
        running.execute("INSERT INTO House (id, deploymentId, address) VALUES (6, 1, '12_High St')")
        running.execute("INSERT INTO Location (id, houseId) VALUES (36, 6)")
        running.execute("INSERT INTO SensorType (id, name) VALUES (0, 'Temperature'), (2, 'RH')")
        running.execute("INSERT INTO Node (id, locationId) VALUES (69, 36)")
        yield running


@pytest.fixture
def client(server: OriginalServer) -> Iterator[Client]:
    connected = Client(server.url)
    yield connected
    connected.session.close()


def reading(time: str = NOON, kind: int = 0, value: float | None = 18.2596, **more: Any) -> Json:
    row = {"__table__": "Reading", "time": time, "nodeId": 69, "type": kind, "locationId": 36}
    return {**row, "value": value, **more}


def state(time: str = NOON, seq_num: int | None = 1, **more: Any) -> Json:
    row = {"__table__": "NodeState", "time": time, "nodeId": 69, "seq_num": seq_num}
    return {**row, "parent": 1, "localtime": 5_000_000_000, "rssi": -70, **more}


def is_ill(answer: requests.Response) -> bool:
    plain = answer.headers["Content-Type"].startswith("text/plain")
    return answer.status_code == 500 and plain


# Paths and types


@pytest.mark.parametrize("path", ["", "house", "house/6/x?y", "../house/"])
def test_a_wrong_path_answers_200_with_a_page(server: OriginalServer, path: str) -> None:
    url = f"{server.url}/rest/{path}" if path != "house/6/x?y" else f"{server.url}/house/"
    answer = requests.get(url, timeout=5)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")


def test_types_ignore_case(client: Client) -> None:
    assert client.list("HoUsE/")[0]["address"] == "12_High St"


@pytest.mark.parametrize("kind", ["sensor", "event", "capabilities", "nonsense"])
def test_sensor_and_unknown_types_are_errors(client: Client, kind: str) -> None:
    assert is_ill(client.get(f"{kind}/"))
    assert is_ill(client.post(f"{kind}/", {"id": 1}))


def test_nobody_is_asked_who_they_are(client: Client) -> None:
    client.session.headers["Authorization"] = "Bearer nonsense"
    assert client.list("house/")


def test_connections_are_kept_alive(client: Client) -> None:
    for _ in range(3):
        client.list("house/")
    pools = client.session.get_adapter("http://").poolmanager.pools  # type: ignore[attr-defined]  # requests' own
    assert [pools[key].num_connections for key in pools.keys()] == [1]  # noqa: SIM118


# Lists


def test_a_row_names_its_table(client: Client) -> None:
    assert client.list("location/36") == [
        {"__table__": "Location", "id": 36, "houseId": 6, "roomId": None}
    ]


def test_an_id_that_is_not_there_is_an_empty_list(client: Client) -> None:
    assert client.list("house/7") == []


def test_streams_have_no_id(client: Client) -> None:
    client.bulk(reading(), state())
    assert is_ill(client.get("reading/4"))
    assert is_ill(client.get("nodestate/4"))


def test_filters_join_with_and(client: Client) -> None:
    client.bulk(reading(), reading(kind=2), reading("2015-03-02T12:00:00"))
    assert len(client.list(f"reading/?time={NOON}&type=0&nodeId=69")) == 1


def test_comparisons_are_prefixes_of_the_value(client: Client) -> None:
    client.bulk(*(reading(f"2015-03-01T00:00:0{second}") for second in range(6)))
    found = client.list("reading/?time=ge_2015-03-01T00:00:02&time=lt_2015-03-01T00:00:05")
    assert [row["time"][-1] for row in found] == ["2", "3", "4"]
    assert len(client.list("reading/?nodeId=gt_69")) == 0
    assert len(client.list("reading/?nodeId=le_69")) == 6


def test_a_filter_value_is_cut_at_its_last_underscore(client: Client) -> None:
    assert client.list("house/?address=12_High%20St") == []
    client.post("house/", {"address": "High St"})
    assert [row["address"] for row in client.list("house/?address=12_High%20St")] == ["High St"]


def test_none_drops_the_filter(client: Client) -> None:
    client.post("house/", {"address": "elsewhere"})
    assert len(client.list("house/?address=None")) == 2
    assert len(client.list("location/?roomId=None&houseId=6")) == 1


def test_a_star_is_a_wildcard_and_so_is_what_was_there(client: Client) -> None:
    client.post("house/", {"address": "12xHigh Street"})
    assert len(client.list("house/?address=12_High*")) == 2
    assert len(client.list("house/?address=*&id=-1")) == 2  # and a lone one ends the filters


def test_matching_ignores_case_accents_and_blanks_at_the_end(client: Client) -> None:
    client.post("roomtype/", {"name": "Séjour "})
    assert len(client.list("roomtype/?name=sejour")) == 1


def test_a_sort_ends_the_filters(client: Client) -> None:
    for name in ("b", "a", "c"):
        client.post("roomtype/", {"name": name})
    found = client.list("roomtype/?sort(-name)=&name=a")
    assert [row["name"] for row in found] == ["c", "b", "a"]
    found = client.list("roomtype/?sort(+name,-id)=")
    assert [row["name"] for row in found] == ["a", "b", "c"]


def test_a_filter_on_an_unknown_column_is_an_error(client: Client) -> None:
    assert is_ill(client.get("house/?street=x"))


def test_a_range_ends_before_its_end_and_counts_what_the_filters_hide(client: Client) -> None:
    client.bulk(*(reading(f"2015-03-01T00:00:0{second}") for second in range(6)), reading(kind=2))
    answer = client.get("reading/?type=0&sort(%2Btime)=", Range="items=1-3")
    assert [row["time"][-1] for row in answer.json()] == ["1", "2"]
    assert answer.headers["Content-Range"] == "items 1-6/7"


def test_a_range_that_does_not_parse_is_none(client: Client) -> None:
    assert len(client.get("house/", Range="bytes=0-x").json()) == 1


def test_last_sync(client: Client) -> None:
    assert client.get("lastsync/?house=12_High%20St").json() is None
    client.bulk(reading("2015-03-01T00:46:04"), reading("2015-02-01T00:00:00"))
    assert client.get("lastsync/?house=12_High%20St").json() == "2015-03-01T00:46:04"
    assert client.get("lastsync/?house=nowhere").json() is None
    assert client.get("lastnodesync/69").json() == "2015-03-01T00:46:04"
    assert client.get("lastnodesync/?node=70").json() is None


def test_counts_per_day_of_placed_readings(client: Client) -> None:
    client.bulk(reading(), reading(kind=2), reading("2015-03-02T00:00:00", locationId=None))
    assert client.get("counts/69").json() == [["2015-03-01", 2]]
    assert client.get("counts/69?typeid=2").json() == [["2015-03-01", 1]]


# POST


def test_post_answers_the_whole_row_and_where_it_is(client: Client) -> None:
    answer = client.post("room/", {"id": 77, "name": "Attic", "colour": "blue"})
    assert answer.status_code == 201
    assert answer.json() == {"__table__": "Room", "id": 77, "roomTypeId": None, "name": "Attic"}
    assert answer.headers["Location"].endswith("/rest/room/77")


def test_post_takes_the_first_of_a_list_only(client: Client) -> None:
    assert client.post("roomtype/", [{"name": "a"}, {"name": "b"}]).status_code == 201
    assert [row["name"] for row in client.list("roomtype/")] == ["a"]


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("roomtype", {"name": "Kitchen"}),
        ("house", {"address": "1 Elm Rd", "deploymentId": 1}),
        ("location", {"houseId": 6}),
    ],
)
def test_post_again_makes_another_row(client: Client, kind: str, row: Json) -> None:
    before = len(client.list(f"{kind}/"))
    ids = {client.post(f"{kind}/", row).json()["id"] for _ in range(2)}
    assert len(ids) == 2
    assert len(client.list(f"{kind}/")) == before + 2


def test_post_of_what_is_unique_is_an_error_the_second_time(client: Client) -> None:
    room = client.post("room/", {"name": "Attic"}).json()["id"]
    for kind, row in (
        ("location", {"houseId": 6, "roomId": room}),
        ("node", {"id": 70}),
        ("reading", reading()),
    ):
        assert client.post(f"{kind}/", row).status_code == 201
        assert is_ill(client.post(f"{kind}/", row))


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("house", {"address": "x", "deploymentId": 99}),
        ("reading", reading(nodeId=1)),
        ("reading", reading(time="yesterday")),
        ("room", {"name": "x" * 21}),
        ("nodestate", state()),
        ("sensor", {"id": 1, "nodeId": 69, "sensorTypeId": 0}),
        ("node", {"locationId": 36}),
        ("nodetype", {"name": "base"}),
        ("sensortype", {"name": "x"}),
        ("house", "no row"),
    ],
)
def test_post_of_what_cannot_be_is_an_error(client: Client, kind: str, row: object) -> None:
    assert is_ill(client.post(f"{kind}/", row))


def test_bad_json_is_an_error(client: Client) -> None:
    assert is_ill(client.session.post(client.base + "house/", data=b"{", timeout=5))
    assert is_ill(client.session.post(client.base + "bulk/", data=b"{", timeout=5))


def test_a_heartbeat(client: Client, server: OriginalServer) -> None:
    sent = {"localtime": "2015-03-01T10:00:00.123456", "hostname": "base1", "version": "0.9"}
    assert client.post("pushstatus/", sent).status_code == 201
    assert server.rows("Pushstatus")[0]["localtime"] == "2015-03-01T10:00:00"


# PUT and DELETE


@pytest.mark.parametrize("path", ["house/6", "house/?id=6"])
def test_put_wants_the_complete_row(client: Client, path: str) -> None:
    answer = client.put(path, {"id": 6, "address": "12 Main St"})
    assert answer.status_code == 201
    assert answer.json()["address"] == "12 Main St"
    assert client.list("house/6")[0]["deploymentId"] is None


def test_put_without_an_id_in_its_body_is_an_error(client: Client) -> None:
    assert is_ill(client.put("house/6", {"address": "12 Main St"}))
    assert client.list("house/6")[0]["address"] == "12_High St"


def test_put_on_several_rows_changes_none(client: Client) -> None:
    client.post("house/", {"address": "x", "deploymentId": 1})
    answer = client.put("house/?deploymentId=1", {"id": 6, "address": "y"})
    assert (answer.status_code, answer.json()) == (200, [])
    assert client.list("house/?address=y") == []


def test_put_on_nothing_creates(client: Client) -> None:
    assert client.put("house/70", {"id": 70, "address": "new"}).status_code == 201
    assert client.list("house/70")[0]["address"] == "new"
    assert is_ill(client.put("node/70", {"id": 70}))


def test_delete(client: Client) -> None:
    client.bulk(reading())
    assert client.delete("reading/1").status_code == 404
    assert client.delete("nodestate/1").status_code == 404
    assert is_ill(client.delete("location/36"))  # its readings refer to it
    assert client.delete("house/6").status_code == 204
    assert client.list("reading/")[0]["locationId"] is None
    assert client.list("location/") == []


# bulk/


def test_bulk_stores_mixed_tables_in_any_order(client: Client, server: OriginalServer) -> None:
    node = {"__table__": "node", "id": 70, "locationId": 36}
    sensor = {"__table__": "Sensor", "id": 9, "nodeId": 70, "sensorTypeId": 0}
    answer = client.bulk(reading(nodeId=70), sensor, state(nodeId=70), node)
    assert (answer.status_code, answer.json()) == (201, [])
    assert [row["id"] for row in server.rows("Sensor")] == [9]
    assert len(server.rows("NodeState")) == 1
    assert [row["__table__"] for row in server.arrivals] == ["Reading", "NodeState"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (json.dumps([reading()]).encode(), 201),
        (json.dumps(reading()).encode(), 201),
        (zlib.compress(json.dumps([reading()]).encode()), 201),
        (gzip.compress(json.dumps([reading()]).encode()), 500),
    ],
)
def test_bulk_bodies(client: Client, body: bytes, status: int) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "text/nonsense"}  # ignored
    answer = client.session.post(client.base + "bulk/", data=body, headers=headers, timeout=5)
    assert answer.status_code == status


@pytest.mark.parametrize(
    "bad",
    [
        reading(kind=77),
        reading(nodeId=1),
        reading(locationId=99),
        reading(nodeId=None),
        reading(value=float("nan")),
        reading(value=1e39),
        reading(time="2015-13-01T00:00:00"),
        state(seq_num=None),
        {"__table__": "Event", "id": 1},
        {"id": 1},
    ],
)
def test_one_bad_row_takes_the_whole_batch_back(
    client: Client, server: OriginalServer, bad: Json
) -> None:
    good = [reading(f"2015-03-01T00:00:0{second}") for second in range(3)]
    assert is_ill(client.bulk(*good, bad, state()))
    assert server.rows("Reading") == server.rows("NodeState") == server.arrivals == []


def test_a_replay_changes_nothing(client: Client, server: OriginalServer) -> None:
    batch = [reading(), reading(kind=2), state()]
    client.bulk(*batch)
    before = server.rows("Reading"), server.rows("NodeState")
    assert server.merges == 0
    assert client.bulk(*batch).json() == []
    assert (server.rows("Reading"), server.rows("NodeState")) == before
    assert server.merges == 3


def test_a_new_value_overwrites_but_a_null_does_not(client: Client, server: OriginalServer) -> None:
    client.bulk(reading(value=1.5), state(parent=1))
    assert client.bulk(reading(value=2.5), state(parent=None)).status_code == 201
    assert client.bulk(reading(value=None, locationId=None)).status_code == 201
    (stored,) = server.rows("Reading")
    assert (stored["value"], stored["locationId"]) == (2.5, 36)
    assert server.rows("NodeState")[0]["parent"] is None


def test_one_duplicate_sends_the_batch_through_in_its_own_order(
    client: Client, server: OriginalServer
) -> None:
    client.bulk(reading())
    node = {"__table__": "Node", "id": 70}
    assert is_ill(client.bulk(reading(), reading(nodeId=70), node))
    assert client.bulk(reading(), node, reading(nodeId=70)).status_code == 201
    assert len(server.rows("Reading")) == 2


def test_a_sensor_without_an_id_is_doubled(client: Client, server: OriginalServer) -> None:
    sensor = {"__table__": "Sensor", "nodeId": 69, "sensorTypeId": 0, "calibrationSlope": 1.1}
    for _ in range(2):
        assert client.bulk(sensor).status_code == 201
    assert len(server.rows("Sensor")) == 2
    for slope in (1.2, 1.3):
        assert client.bulk({**sensor, "id": 50, "calibrationSlope": slope}).status_code == 201
    assert [row["calibrationSlope"] for row in server.rows("Sensor")] == [1.1, 1.1, 1.3]


# Values


@pytest.mark.parametrize(
    "sent", ["2015-03-01T12:00:00Z", "2015-03-01T12:00:00+05:00", "2015-03-01 12:00:00.999"]
)
def test_zones_are_dropped_and_fractions_cut(client: Client, sent: str) -> None:
    client.bulk(reading(sent))
    assert client.list("reading/")[0]["time"] == NOON


def test_values_are_32_bits_and_read_with_six_digits(
    client: Client, server: OriginalServer
) -> None:
    client.bulk(reading(value=67669.95))
    assert client.list("reading/")[0]["value"] == 67670.0
    assert server.rows("Reading")[0]["value"] == 67669.95
    assert server.execute("SELECT value FROM Reading")[0]["value"] == 67669.953125


# The stand-in itself


def test_requests_are_logged(client: Client, server: OriginalServer) -> None:
    client.get("house/?id=6")
    client.bulk(reading(kind=77))
    assert [(r.method, r.path, r.query, r.status) for r in server.requests] == [
        ("GET", "/rest/house/", "id=6", 200),
        ("POST", "/rest/bulk/", "", 500),
    ]
    assert server.requests[1].size > 0


def test_a_killed_process_keeps_what_it_stored(tmp_path: Path) -> None:
    with OriginalProcess(tmp_path) as process:
        url = f"{process.url}/rest/deployment/"
        assert requests.post(url, data='{"name": "Trial"}', timeout=5).status_code == 201
        process.kill()
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=5)
        process.start()
        assert [row["name"] for row in requests.get(url, timeout=5).json()] == ["Trial"]
    assert len(process.rows("Deployment")) == 1
