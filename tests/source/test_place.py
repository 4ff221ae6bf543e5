"""Positions and GTIDs as text: pure."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.change import Position
from replicator.source.gtids import MariaDBGtids
from replicator.source.place import is_filtered

gtids = st.dictionaries(st.integers(0, 2**32 - 1), st.tuples(st.integers(1), st.integers(0)))
names = st.text(st.characters(codec="ascii", exclude_characters="/:"), min_size=1)


@settings(deadline=None)
@given(gtids)
def test_gtids_survive_writing_and_parsing(parts: dict[int, tuple[int, int]]) -> None:
    found = {domain: f"{domain}-{server}-{seq}" for domain, (server, seq) in parts.items()}
    text = ",".join(found.values())
    assert MariaDBGtids(text).last == found
    assert str(MariaDBGtids(str(MariaDBGtids(text)))) == str(MariaDBGtids(text))


def test_gtids_are_written_by_domain() -> None:
    assert str(MariaDBGtids("7-1-2,0-17-42")) == "0-17-42,7-1-2"
    assert str(MariaDBGtids("")) == ""


@pytest.mark.parametrize("text", ["a-1-2", "x"])
def test_what_is_no_gtid(text: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        MariaDBGtids(text)


@settings(deadline=None)
@given(names, st.one_of(st.just(""), names), st.integers(0, 2**40), gtids)
def test_a_position_survives_writing_and_parsing(
    source: str, file: str, offset: int, parts: dict[int, tuple[int, int]]
) -> None:
    gtid = ",".join(f"{d}-{server}-{seq}" for d, (server, seq) in parts.items())
    position = Position(source, file, offset, gtid)
    assert Position.parse(str(position)) == position


@pytest.mark.parametrize("text", ["", "a/b", "a/b:x/"])
def test_what_is_no_position(text: str) -> None:
    with pytest.raises(ValueError, match=r"not enough values|invalid literal"):
        Position.parse(text)


def test_files_are_ordered_by_number_also_when_it_grows() -> None:
    def place(file: str, offset: int) -> Position:
        return Position("s", file, offset)

    ordered = [place("b.999999", 9), place("b.1000000", 4), place("b.1000000", 5)]
    for i, one in enumerate(ordered):
        for j, other in enumerate(ordered):
            assert one.has_reached(other) is (i >= j)


@pytest.mark.parametrize(
    ("only", "without", "expected"),
    [
        ("", "", False),
        ("ch", "", False),
        ("a,ch", "", False),
        ("a", "", True),
        ("", "ch", True),
        ("", "a,ch", True),
        ("", "a", False),
    ],
)
def test_a_filtered_database(only: str, without: str, expected: bool) -> None:
    assert is_filtered("ch", only, without) is expected
