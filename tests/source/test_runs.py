"""Rows by column, rows one by one, rows alone: the same rows, whatever their NULLs and dates."""

from __future__ import annotations

import math
import struct
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replicator.change import Row
from replicator.errors import Unsupported
from replicator.source import runs as module
from replicator.source.conversions import Conversions, Datetimes, Doubles, Floats
from replicator.source.runs import MANY, Runs, made
from replicator.source.values import shortest_float32

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
    st.integers(0, 90) | st.integers(MANY, 2 * MANY),
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


Stretches = list[tuple[list[int], tuple[int, int, int], bool, bool, float]]


def runs() -> Runs:
    return Runs(CODES, {0: Datetimes(), 3: Doubles()})


@pytest.fixture(params=[True, False], ids=["numpy", "without"])
def numpy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With numpy installed, and without."""
    monkeypatch.setattr(module, "has_numpy", lambda: request.param)


def told(stretches: Stretches) -> tuple[bytes, list[Row]]:
    """Row images, and what they say."""
    body, expected = b"", list[Row]()
    for clock, day, no_value, no_count, value in stretches:
        for number, second in enumerate(clock):
            cells = (None if no_value else value + 0.0, None if no_count else -number)
            body += image((packed(*day, second), -5, number, *cells))
            expected.append((text(*day, second), -5, number, *cells))
    return body, expected


any_way = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@any_way
@given(stretches=stretches)
@pytest.mark.usefixtures("numpy")
def test_rows_come_out_as_they_went_in(stretches: Stretches) -> None:
    body, expected = told(stretches)
    assert runs().rows(b"head" + body, 4) == expected


@any_way
@given(groups=st.lists(st.lists(stretches, min_size=1, max_size=3), min_size=1, max_size=4))
@pytest.mark.usefixtures("numpy")
def test_rows_of_many_events_are_those_of_each(groups: list[list[Stretches]]) -> None:
    reader = runs()
    events = [[told(event) for event in group] for group in groups]
    found = made([[run for body, _ in group for run in reader.runs(body, 0)] for group in events])
    assert found == [[row for _, rows in group for row in rows] for group in events]


@given(size=st.integers(1, 21), rows=st.integers(0, 60))
def test_a_row_that_is_cut_off_is_an_error_not_fewer_rows(size: int, rows: int) -> None:
    one = image((packed(2026, 1, 2, 3), 1, 2, None, 4))
    with pytest.raises(IndexError, match="cut off"):
        runs().rows(one * rows + one[: min(size, len(one) - 1)], 0)


@pytest.mark.usefixtures("numpy")
def test_a_date_before_year_0_is_refused_in_a_long_run_too() -> None:
    good, bad = (image((day, 1, 2, 3.0, 4)) for day in (packed(1, 1, 1, 1), bytes(5)))
    for count in (1, MANY):
        with pytest.raises(Unsupported, match="before year 0"):
            runs().rows(good * 3 + bad * count, 0)


def column(code: str, memory: Conversions, cells: list[bytes]) -> list[Row]:
    return Runs((code,), {0: memory}).rows(b"".join(b"\xfe" + cell for cell in cells), 0)


@any_way
@given(st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 3 * 2**23), min_size=1, max_size=40))
@pytest.mark.usefixtures("numpy")
def test_a_column_of_floats_is_as_each_of_them(bits: list[int]) -> None:
    """Every bit pattern there is; decimals as people write them beside them, and zeros."""
    values = [0.1, 67669.95, -1e-38, 3.4028235e38, 0.0, -0.0, 23.5, 415.0, 16777216.0]
    cells = [struct.pack("<f", value) for value in values] * 30
    cells += [cell for n in bits if math.isfinite(number(cell := n.to_bytes(4, "little")))]
    each = [(shortest_float32(number(cell)),) for cell in cells]
    assert repr(column("I", Floats(), cells)) == repr(each)


def number(cell: bytes) -> float:
    return float(struct.unpack("<f", cell)[0])


@pytest.mark.parametrize("bits", [0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001])
@pytest.mark.usefixtures("numpy")
def test_a_float_that_is_no_number_is_refused_among_many(bits: int) -> None:
    cells = [struct.pack("<f", 1.5)] * MANY + [bits.to_bytes(4, "little")]
    with pytest.raises(Unsupported, match="no number"):
        column("I", Floats(), cells)


@pytest.mark.parametrize("code", ["b", "B", "h", "H", "i", "I", "q", "Q"])
@pytest.mark.usefixtures("numpy")
def test_whole_numbers_of_every_size(code: str) -> None:
    bits = 8 * struct.calcsize("<" + code)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if code.islower() else (0, (1 << bits) - 1)
    values = [low, high, 0, 1, high // 3] * MANY
    rows = Runs((code,), {}).rows(
        struct.pack(
            "<" + f"B{code}" * len(values), *(part for value in values for part in (0xFE, value))
        ),
        0,
    )
    assert rows == [(value,) for value in values]
    assert {type(value) for (value,) in rows} == {int}


def test_the_decoder_loads_numpy_at_the_first_long_run_only() -> None:
    """Whoever reads packets pays nothing for it here; sqlite-utils is another matter."""
    script = (
        "import sys; from replicator.cli.main import main; from replicator.source import binlog;"
        "from replicator.source.runs import Runs;"
        "assert len(Runs(('i',), {}).rows(bytes(5) * 100, 0)) == 100;"
        "assert 'numpy' not in sys.modules;"
        "assert len(Runs(('i',), {}).rows(bytes(5) * 1000, 0)) == 1000;"
        "assert 'numpy' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
