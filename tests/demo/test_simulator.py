"""The made-up station is what the main job needs, and the same for the same seed."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise

import pytest

from demo.mariadbd import PrivateMariaDB
from demo.scratch import float_bits
from demo.simulator import HISTORY_END, ROOMLESS_LOCATION, history, make_station


def test_the_station_has_what_the_main_job_asks_for() -> None:
    tables = {name: rows for name, (_, rows) in make_station(1).tables.items()}
    assert len(tables["Deployment"]) == 2
    assert len(tables["House"]) == 6
    assert sum(row[4] is not None for row in tables["House"]) == 1
    rooms = Counter(row[1] for row in tables["Location"] if row[2] is not None)
    assert list(rooms.values()) == [8] * 6
    assert [row[0] for row in tables["Location"] if row[2] is None] == [ROOMLESS_LOCATION]
    assert len(tables["Node"]) == 40
    assert sum(row[1] is None for row in tables["Node"]) == 5
    assert len(tables["Sensor"]) == 40 * 6


@pytest.mark.parametrize("readings", [0, 1, 5, 600, 6001])
def test_the_history_has_exactly_the_readings_asked_for(readings: int) -> None:
    packets = list(history(make_station(1), readings, seed=1))
    assert sum(len(packet.readings) for packet in packets) == readings
    keys = [(p.time, p.node, kind) for p in packets for kind, _ in p.readings]
    assert len(set(keys)) == readings
    states = [(p.time, p.node, p.sequence) for p in packets]
    assert len(set(states)) == len(states)
    assert all(packet.time < HISTORY_END for packet in packets)


def test_the_same_seed_makes_the_same_station_and_history() -> None:
    one, two, other = make_station(5), make_station(5), make_station(6)
    assert one == two
    assert one != other
    assert list(history(one, 500, 5)) == list(history(two, 500, 5))
    assert list(history(one, 500, 5)) != list(history(one, 500, 6))


def test_some_packets_come_late_and_some_share_a_second_and_a_node() -> None:
    packets = list(islice(history(make_station(1), 60_000, seed=1), 9_000))
    late = sum(b.time < a.time for a, b in pairwise(packets))
    assert late > 0
    seconds = Counter((packet.time, packet.node) for packet in packets)
    assert 0 < sum(count == 2 for count in seconds.values()) < len(packets) / 100
    assert max(Counter(packet.time for packet in packets).values()) >= 5


def test_seeding_stores_it_all(mariadb: PrivateMariaDB, seeded: str) -> None:
    with mariadb.connect(seeded) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT time, nodeId, type, locationId, value+0e0 FROM Reading")
        stored = {row[:3]: (row[3], float_bits(row[4])) for row in cursor.fetchall()}
        cursor.execute("SELECT count(*) FROM NodeState")
        states = cursor.fetchall()[0][0]
    packets = list(history(make_station(1), 600, seed=1))
    expected = {
        (packet.time, packet.node, kind): (packet.place, float_bits(float(f"{value:.9g}")))
        for packet in packets
        for kind, value in packet.readings
    }
    assert stored == expected
    assert states == len(packets)
