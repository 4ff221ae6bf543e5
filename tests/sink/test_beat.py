"""When a station's heart beats."""

from __future__ import annotations

from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.change import Value
from replicator.sink.beat import next_beat, phase, told
from replicator.sink.dialect import ORIGINAL, OURS

NOW = st.floats(1e9, 4e9)
INTERVAL = st.floats(1, 86_400)


@settings(max_examples=200)
@given(NOW, INTERVAL, st.text(max_size=30))
def test_once_in_every_interval_at_one_place_in_it(now: float, interval: float, name: str) -> None:
    first = next_beat(now, interval, name)
    assert now < first <= now + interval
    second = next_beat(first + interval / 1000, interval, name)
    assert abs(second - first - interval) < interval / 100


def test_a_fleet_does_not_beat_in_step() -> None:
    tenths = [0] * 10
    for station in range(1000):
        tenths[int(10 * phase(f"house-{station}"))] += 1
    assert min(tenths) > 60
    assert max(tenths) < 140


def test_the_original_is_told_what_its_table_holds() -> None:
    said: dict[str, Value] = {"version": "0.1.0+a-very-long-local-version", "waiting_rows": 3}
    clock = datetime.fromisoformat("2026-03-01T12:00:00.5+02:00")
    path, body = told(ORIGINAL, "house 17", "h" * 40, said, clock)
    assert path == "pushstatus/"
    assert body == {
        "time": "2026-03-01T12:00:00",
        "localtime": "2026-03-01T12:00:00",
        "hostname": "h" * 25,
        "version": "0.1.0+a-very-long-lo",
    }
    assert told(OURS, "house 17", "h", said, clock)[0] == "pushstatus/"  # of an older version
