"""Rows by column, rows one by one, rows alone: the same rows, whatever their NULLs and dates."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.change import Row
from replicator.errors import Unsupported
from replicator.source.conversions import Datetimes, doubles, floats
from replicator.source.runs import Runs

CODES = ("5s", "i", "I", "d", "q")
NULLABLE = (3, 4)


def image(cells: tuple[bytes, int, int | None, float | None, int | None]) -> bytes:
    """A row image: a byte of NULLs, then the cells that are not."""
    places = [place for place, cell in enumerate(cells) if cell is not None]
    nulls = 0xFF & ~sum(1 << place for place in places)
    layout = "<B" + "".join(CODES[place] for place in places)
    return struct.pack(layout, nulls, *(cells[place] for place in places))


def packed(year: int, month: int, day: int, second: int) -> bytes:
    clock = second // 3600 << 12 | second // 60 % 60 << 6 | second % 60
    return (1 << 39 | (year * 13 + month) << 22 | day << 17 | clock).to_bytes(5, "big")


def text(year: int, month: int, day: int, second: int) -> str:
    clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    return f"{year:04d}-{month:02d}-{day:02d}T{clock}"


# Noon and midnight fall among consecutive seconds; long stretches have no NULL, some have.
seconds = st.builds(
    lambda start, count, step: [(start + n * step) % 86_400 for n in range(count)],
    st.integers(0, 86_399),
    st.integers(0, 90),
    st.sampled_from([0, 1, 7, 3_600]),
)
stretches = st.lists(
    st.tuples(
        seconds,
        st.sampled_from([(2026, 11, 24), (2026, 11, 25), (1999, 1, 1), (0, 0, 0)]),
        st.sampled_from([False, False, True]),
        st.sampled_from([False, True]),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    max_size=12,
)


def runs() -> Runs:
    return Runs(CODES, {0: Datetimes(), 3: doubles()})


@settings(max_examples=150, deadline=None)
@given(stretches=stretches)
def test_rows_come_out_as_they_went_in(
    stretches: list[tuple[list[int], tuple[int, int, int], bool, bool, float]],
) -> None:
    expected: list[Row] = []
    body = b"head"
    for clock, day, no_value, no_count, value in stretches:
        for number, second in enumerate(clock):
            cells = (None if no_value else value + 0.0, None if no_count else -number)
            body += image((packed(*day, second), -5, number, *cells))
            expected.append((text(*day, second), -5, number, *cells))
    assert runs().rows(body, 4) == expected


@given(size=st.integers(1, 21), rows=st.integers(0, 60))
def test_a_row_that_is_cut_off_is_an_error_not_fewer_rows(size: int, rows: int) -> None:
    one = image((packed(2026, 1, 2, 3), 1, 2, None, 4))
    with pytest.raises(IndexError, match="cut off"):
        runs().rows(one * rows + one[: min(size, len(one) - 1)], 0)


def test_a_date_before_year_0_is_refused_in_a_long_run_too() -> None:
    good, bad = (image((day, 1, 2, 3.0, 4)) for day in (packed(1, 1, 1, 1), bytes(5)))
    for count in (1, 100):
        with pytest.raises(Unsupported, match="before year 0"):
            runs().rows(good * 3 + bad * count, 0)


def test_a_column_of_floats_is_as_each_of_them() -> None:
    values = [0.1, 67669.95, -1e-38, 3.4028235e38, 0.0] * 20
    cells = [struct.unpack("<I", struct.pack("<f", value))[0] for value in values]
    assert list(floats().column(b"", cells)) == [floats()[cell] for cell in cells] == values
