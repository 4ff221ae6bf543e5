"""FLOAT: the shortest decimal gives the same 32 bits, in every way that a value takes."""

from __future__ import annotations

import json
import math
import random
import struct

from hypothesis import example, given, settings
from hypothesis import strategies as st

from demo.mariadbd import PrivateMariaDB
from replicator.change import Change, Row
from replicator.source.snapshot import SnapshotReader
from replicator.source.values import shortest_float32
from tests.source.capture import at, captured, endpoint


def of_bits(bits: int) -> float:
    return float(struct.unpack("<f", struct.pack("<I", bits))[0])


def to_bits(value: object) -> bytes:
    return struct.pack("<f", value)


# Zero has no sign in our form: SELECT does not show it.
finite = st.integers(0, 2**32 - 1).map(of_bits).filter(math.isfinite).map(lambda v: v + 0.0)


@settings(deadline=None)
@given(finite)
@example(of_bits(1))
@example(of_bits(0x007FFFFF))
@example(of_bits(0x00800000))
@example(of_bits(0x7F7FFFFF))
@example(of_bits(0x4B800001))
def test_the_shortest_decimal_gives_the_same_bits(value: float) -> None:
    assert to_bits(json.loads(json.dumps(shortest_float32(value)))) == to_bits(value)


@settings(deadline=None)
@given(finite)
@example(of_bits(1))
def test_no_shorter_decimal_gives_the_same_bits(value: float) -> None:
    digits = repr(shortest_float32(value)).split("e")[0].replace(".", "").strip("-0")
    if len(digits) > 1:
        shorter = float(f"{value:.{len(digits) - 1}g}")
        assert abs(shorter) > 3.5e38 or to_bits(shorter) != to_bits(value)


def floats_in(rows: list[Row]) -> list[bytes]:
    return [to_bits(row[6]) for row in rows]


def test_from_the_log_and_from_the_table(mariadb: PrivateMariaDB, station: str) -> None:
    chosen = random.Random(4)
    bits = [*(chosen.getrandbits(32) for _ in range(3_000)), 1, 0, 0x80000001, 0x7F7FFFFF]
    values = [v for v in map(of_bits, bits) if math.isfinite(v)]
    start = at(mariadb, station)
    connection = mariadb.connect(station)
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO NodeState (rssi) VALUES (%s)", [(f"{v:.17g}",) for v in values]
        )
    connection.close()
    events = captured(mariadb, station, start)
    logged = floats_in([row for e in events if isinstance(e, Change) for row in e.rows])
    with SnapshotReader(endpoint(mariadb, station)) as reader:
        change = reader.read("NodeState", None, 10_000).change
    assert change is not None
    assert logged == [to_bits(v) for v in values], "the log holds what was sent"
    assert floats_in(list(change.rows)) == logged


def test_zero_has_no_sign(mariadb: PrivateMariaDB, station: str) -> None:
    mariadb.execute("ALTER TABLE NodeState ADD wide DOUBLE", database=station)
    start = at(mariadb, station)
    statement = "INSERT INTO NodeState (rssi, wide) VALUES (-1e-300, -1e-300 * 1e-300), (0, 0)"
    mariadb.execute(statement, database=station)
    events = captured(mariadb, station, start)
    logged = [row[6:] for e in events if isinstance(e, Change) for row in e.rows]
    with SnapshotReader(endpoint(mariadb, station)) as reader:
        change = reader.read("NodeState", None, 10).change
    assert change is not None
    read = [row[6:] for row in change.rows]
    assert repr(logged) == repr(read) == "[(0.0, 0.0), (0.0, 0.0)]"
