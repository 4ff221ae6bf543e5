"""Digests: independent of order and parts, sensitive to every change, blind to how a value came."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.audit.digest import LEVELS, Digester, Tally, row_hash, summed
from replicator.change import Row, Value
from replicator.model import TABLES
from replicator.source.values import shortest_float32

TIMES = st.datetimes().map(lambda at: at.isoformat(timespec="seconds"))
INTS = st.integers(-(2**31), 2**31 - 1)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False).map(shortest_float32)
READINGS = st.tuples(TIMES, INTS, INTS, st.none() | INTS, st.none() | FLOATS)
STATES = st.tuples(
    TIMES, INTS, st.none() | INTS, st.none() | st.integers(-(2**63), 2**63 - 1), INTS,
    st.none() | FLOATS,
)  # fmt: skip
TABLE_ROWS = st.one_of(
    st.tuples(st.just("Reading"), READINGS), st.tuples(st.just("NodeState"), STATES)
)
FEW = settings(max_examples=60, derandomize=True, deadline=None)


def whole(table: str, rows: list[Row]) -> Tally:
    digester = Digester(table, "month")
    digester.add(rows)
    return summed(digester.tallies().values())


@FEW
@given(st.lists(READINGS, max_size=20), st.randoms(), st.integers(0, 20))
def test_neither_order_nor_parts_matter(rows: list[Row], chance: object, cut: int) -> None:
    shuffled = list(rows)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    parts = whole("Reading", shuffled[:cut]) + whole("Reading", shuffled[cut:])
    assert parts == whole("Reading", rows)


@FEW
@given(TABLE_ROWS, st.data())
def test_each_cell_counts(table_row: tuple[str, Row], data: st.DataObject) -> None:
    table, row = table_row
    place = data.draw(st.integers(0, len(row) - 1))
    other = data.draw(READINGS if table == "Reading" else STATES)[place]
    changed = (*row[:place], other, *row[place + 1 :])
    same = other == row[place] and (other is None) == (row[place] is None)
    assert (row_hash(table, changed) == row_hash(table, row)) == same


@pytest.mark.parametrize("column", ["locationId", "value"])
def test_null_is_no_zero(column: str) -> None:
    row: list[Value] = ["2026-01-01T00:00:00", 1, 2, 3, 4.5]
    place = TABLES["Reading"].columns.index(column)
    row[place] = None
    null = row_hash("Reading", tuple(row))
    row[place] = 0
    assert row_hash("Reading", tuple(row)) != null


def test_a_row_twice_counts_twice() -> None:
    row: Row = ("2026-01-01T00:00:00", 1, 2, None, None)
    one, two = whole("Reading", [row]), whole("Reading", [row, row])
    assert one + one == two
    assert two.total not in (0, one.total)


@FEW
@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_is_its_32_bits_however_it_came(value: float) -> None:
    """The shortest decimal, the double it widens to, the decimal read as a double: one hash."""
    shortest = shortest_float32(value)
    widened = struct.unpack("<f", struct.pack("<f", value))[0]
    hashes = {row_hash("Reading", ("2026-01-01T00:00:00", 1, 2, 3, v)) for v in (shortest, widened)}
    assert len(hashes) == 1


def test_neighbouring_floats_differ() -> None:
    one = struct.unpack("<f", struct.pack("<I", 0x41920000))[0]
    next_one = struct.unpack("<f", struct.pack("<I", 0x41920001))[0]
    rows = [("2026-01-01T00:00:00", 1, 2, 3, value) for value in (one, next_one)]
    assert row_hash("Reading", rows[0]) != row_hash("Reading", rows[1])


def test_a_fraction_of_a_second_is_cut_as_the_centre_cuts_it() -> None:
    exact: Row = ("2026-01-01T00:00:00.25", 1, 2, 3, 4.0)
    assert row_hash("Reading", exact) == row_hash("Reading", ("2026-01-01T00:00:00", *exact[1:]))


@pytest.mark.parametrize("value", [1e39, "12.5", 10**400])
def test_what_no_centre_stores_still_counts(value: float | str) -> None:
    row: Row = ("2026-01-01T00:00:00", 1, 2, 3, value)
    assert row_hash("Reading", row) == row_hash("Reading", row)
    assert row_hash("Reading", row) != row_hash("Reading", (*row[:4], 0.0))


@FEW
@given(st.integers(0, 2**40), st.integers(0, 2**128 - 1))
def test_a_tally_reads_back(count: int, total: int) -> None:
    tally = Tally(count, total)
    assert Tally.parse(count, tally.to_text()) == tally
    assert int(tally.to_hex(), 16) == total


@pytest.mark.parametrize(
    ("count", "text"),
    [(-1, ""), (True, "AA"), (1, "AAAA"), (1, None), ("1", "A" * 22), (1, "é" * 22)],
)
def test_a_tally_that_is_none(count: object, text: object) -> None:
    with pytest.raises(ValueError, match="not a digest"):
        Tally.parse(count, text)


@pytest.mark.parametrize("level", LEVELS)
def test_places_leave_out_what_is_elsewhere(level: str) -> None:
    rows: list[Row] = [("2026-01-01T00:00:00", 1, 2, place, 1.0) for place in (7, 8, 9, None)]
    digester = Digester("Reading", level, [[8, 7], [None]])
    digester.add(rows)
    assert sum(tally.count for tally in digester.tallies().values()) == 3
