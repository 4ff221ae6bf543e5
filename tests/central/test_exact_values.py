"""What was sent comes back: every float32 bit for bit, every text byte for byte."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replicator.central.bulk import store
from replicator.central.filters import Query
from replicator.central.listing import read_page
from replicator.central.resources import create
from replicator.central.schema import TABLES
from replicator.central.validate import FLOAT_MAX, shortest_float32
from tests.central.conftest import Client, reading

SHARED = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False).filter(
    lambda v: struct.pack("f", v) != struct.pack("f", -0.0)  # SQLite knows no negative zero
)
TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=20)


def bits(value: float) -> bytes:
    return struct.pack("f", value)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_shortest_keeps_the_bits(value: float) -> None:
    short = shortest_float32(value)
    assert bits(short) == bits(value)
    assert shortest_float32(short) == short


@pytest.mark.parametrize(
    ("wide", "short"),
    [
        (67669.953125, 67669.95),
        (18.259599685668945, 18.2596),
        (0.10000000149011612, 0.1),
        (1.401298464324817e-45, 1e-45),
        (FLOAT_MAX, 3.4028235e38),
        (16777216.0, 16777216.0),
        (0.0, 0.0),
    ],
)
def test_shortest_is_the_decimal_a_human_wrote(wide: float, short: float) -> None:
    assert shortest_float32(wide) == short


@SHARED
@given(values=st.lists(FLOATS, min_size=1, max_size=30))
def test_floats_come_back_bit_for_bit(central: Client, values: list[float]) -> None:
    if not central.get("node/"):
        central.world()
    shortest = [shortest_float32(v) for v in values]
    rows = [reading(f"2015-03-01T00:00:{i:02}", value=v) for i, v in enumerate(shortest)]
    assert not store(central.database, rows, "", plain=False).rejected
    found = [row["value"] for row in _all(central, "Reading")][: len(values)]
    assert [bits(v) for v in found] == [bits(v) for v in values]
    assert found == shortest


@SHARED
@given(names=st.lists(TEXT, min_size=1, max_size=5, unique=True))
def test_text_keys_come_back_and_stay_apart(central: Client, names: list[str]) -> None:
    table = TABLES["RoomType"]
    ids = [create(central.database, table, {"name": name}).row["id"] for name in names]
    again = [create(central.database, table, {"name": name}) for name in names]
    assert [stored.row["id"] for stored in again] == ids
    assert [stored.row["name"] for stored in again] == names
    assert len(set(ids)) == len(names)


def _all(central: Client, name: str) -> list[dict[str, Any]]:
    def work(connection: Any) -> list[dict[str, Any]]:
        return read_page(connection, TABLES[name], Query(), 0, 1000).rows

    return central.database.read(work)
