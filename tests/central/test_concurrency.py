"""Several stations at once: one row a natural key, no lost rows, no 500."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.central.conftest import Client, Row, reading

WORKERS = 8


def test_creates_of_one_key_make_one_row(central: Client) -> None:
    def create(_: int) -> Row:
        house = central.post("house/", {"address": "1 Main St"})
        location: Row = central.post("location/", {"houseId": house["id"]})
        return location

    with ThreadPoolExecutor(WORKERS) as pool:
        locations = list(pool.map(create, range(3 * WORKERS)))
    assert len(central.get("house/")) == 1
    assert len(central.get("location/")) == 1
    assert len({location["id"] for location in locations}) == 1


def test_bulk_creates_of_one_key_make_one_row(central: Client) -> None:
    central.world()
    sensors = [
        {"__table__": "Sensor", "nodeId": n, "sensorTypeId": s} for n in (1, 2) for s in range(6)
    ]

    def send(number: int) -> Row:
        return central.bulk(sensors if number % 2 else sensors[::-1])

    with ThreadPoolExecutor(WORKERS) as pool:
        receipts = list(pool.map(send, range(2 * WORKERS)))
    assert all(r["stored"] == len(sensors) for r in receipts)
    assert len(central.get("sensor/")) == len(sensors)


def test_readings_of_several_clients_all_arrive(central: Client) -> None:
    central.world()
    times = [f"2015-03-01T{i // 60:02}:{i % 60:02}:00" for i in range(200)]

    def send(number: int) -> Row:
        rows = [reading(t, node=n, value=float(n)) for t in times for n in (1, 2, 3)]
        return central.bulk(rows if number % 2 else rows[::-1])

    with ThreadPoolExecutor(4) as pool:
        receipts = list(pool.map(send, range(8)))
    assert all(r["rejected"] == [] for r in receipts)
    found = central.get("reading/")
    assert len(found) == 600
    assert all(row["value"] == row["nodeId"] for row in found)


def test_moving_a_node_while_readings_arrive(central: Client) -> None:
    where = central.world()["id"]

    def work(number: int) -> int:
        if number % 3 == 0:
            body = {"id": 1, "locationId": where if number % 2 else None}
            return central.request("PUT", "node/1", json=body).status_code
        rows = [reading(f"2015-03-01T{number:02}:{i:02}:00", locationId=where) for i in range(60)]
        return central.plain_bulk(rows).status_code

    with ThreadPoolExecutor(WORKERS) as pool:
        assert set(pool.map(work, range(24))) == {201}
    assert len(central.get("reading/")) == 16 * 60
