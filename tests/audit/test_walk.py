"""Walking down: every row that differs lies in some unit, whatever was changed, on both kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.audit.counts import CountWalk
from replicator.audit.digest import Digester, Key, Tally
from replicator.audit.pending import Pending
from replicator.audit.periods import bounds, clipped, merged, next_second, runs
from replicator.audit.places import NO_HOUSE, chart
from replicator.audit.station import RowKey, Station, Stretch, row_key
from replicator.audit.walk import DigestWalk, Scope, Unit
from replicator.change import Change, Op, Row, Value
from replicator.model import TABLES
from replicator.source.ranges import EVERYTHING, Window
from replicator.source.snapshot import Chunk

HOUSES: list[dict[str, Value]] = [{"id": 1, "address": "one"}, {"id": 2, "address": "two"}]
LOCATIONS: list[dict[str, Value]] = [{"id": n, "houseId": 1 + n % 2} for n in range(1, 5)]
REMOTE = {1: 11, 2: 12, 3: 13}  # location 4 has no counterpart
CHART = chart(HOUSES, LOCATIONS, lambda _, number: REMOTE.get(number))
STATES = "NodeState"
TIMES = [
    f"{day}T{hour}:05:00"
    for day in ("2026-02-28", "2026-03-01", "2026-03-02", "2026-03-31")
    for hour in ("00", "01", "23")
]
KEYS = [(time, node, kind) for time in TIMES for node in (1, 2) for kind in (0, 7)]
ROWS = st.dictionaries(
    st.sampled_from(KEYS),
    st.tuples(st.sampled_from([None, 1, 2, 3]), st.integers(0, 3)),
    max_size=40,
)
FEW = settings(max_examples=120, derandomize=True, deadline=None)


def reading(key: tuple[str, int, int], place: int | None, value: int) -> Row:
    return (*key, place, float(value))


def state(key: tuple[str, int, int], _: int | None, value: int) -> Row:
    time, node, sequence = key
    return (time, node, value, None, sequence, None, 1)  # with its id


MAKE: dict[str, Callable[..., Row]] = {"Reading": reading, STATES: state}


def is_in(row: Row, window: Window) -> bool:
    return (
        (window.nodes is None or row[1] in window.nodes)
        and (window.since is None or str(row[0]) >= window.since)
        and (window.until is None or str(row[0]) < window.until)
    )


class Side:
    """Rows in memory: the station's tables, and a centre that has the translated ones."""

    def __init__(self, table: str, rows: Iterable[Row]) -> None:
        self._table = table
        self.rows = list(rows)

    def read(self, table: str, after: Any, limit: int, window: Window = EVERYTHING) -> Chunk:
        columns = TABLES[table].columns if table == "Reading" else (*TABLES[table].columns, "id")
        found = [row for row in self.rows if is_in(row, window)] if table == self._table else []
        return Chunk(Change(table, Op.SNAPSHOT, columns, found), None, True)

    def may_hold(self, *_: object) -> bool:
        return False

    def tallies(self, asked: Stretch, nodes: Sequence[int]) -> Mapping[Key, Tally]:
        places = [CHART.places[index].there for index in asked.places]
        digester = Digester(asked.table, asked.level, places if asked.table == "Reading" else None)
        window = Window(asked.since, asked.until, nodes)
        kinds = asked.types
        digester.add(
            row for row in self.rows if is_in(row, window) and (kinds is None or row[2] in kinds)
        )
        if asked.table != "Reading" or asked.level not in ("month", "day", "node"):
            return digester.tallies()
        return {(asked.places[int(k[0])], *k[1:]): t for k, t in digester.tallies().items()}

    def placed_per_day(self, node: int) -> Mapping[str, int]:
        days = [str(row[0])[:10] for row in self.rows if row[1] == node and row[3] is not None]
        return {day: days.count(day) for day in days}

    def count(self, table: str, window: Window) -> int:
        return sum(is_in(row, window) for row in self.rows)


def sides(table: str, here: dict[Any, Any], there: dict[Any, Any]) -> tuple[Station, Side]:
    mine = Side(table, [MAKE[table](key, *cells) for key, cells in here.items()])
    station = Station(mine, CHART, cast("Pending", mine), lambda _: None)
    theirs = []
    for key, (place, value) in there.items():
        row = MAKE[table](key, REMOTE.get(place) if place else None, value)
        theirs.append(row if table == "Reading" else row[:-1])
    return station, Side(table, theirs)


def covered(units: Iterable[Sequence[Unit]], table: str) -> list[RowKey]:
    """Every key that lies in a unit, as often as it does."""
    found: list[RowKey] = []
    for unit in (unit for part in units for unit in part):
        for key in KEYS:
            row = MAKE[table](key, None, 0)
            if is_in(row, unit.window) and unit.kind in (None, key[2]):
                found.append(row_key(table, row))
    return found


def scope(places: Sequence[int] = range(3)) -> Scope:
    return Scope(None, None, places, [1, 2])


@FEW
@given(st.sampled_from(["Reading", STATES]), ROWS, st.data())
def test_digests_lead_to_every_row_that_differs(
    table: str, here: dict[Any, Any], data: st.DataObject
) -> None:
    there = {**here, **data.draw(ROWS)}
    for key in data.draw(st.lists(st.sampled_from(KEYS), max_size=4)):
        there.pop(key, None)
    station, centre = sides(table, here, there)
    walk = DigestWalk(station, cast("Any", centre), scope())
    found = covered(walk.units(table, walk.months(table)), table)
    wrong = {key for key in KEYS if here.get(key) != there.get(key)}
    if table == STATES:  # their cells are their value alone
        wrong = {k for k in wrong if k not in here or k not in there or here[k][1] != there[k][1]}
    assert wrong <= set(found)
    assert len(found) == len(set(found))  # and no row is looked at twice
    if not wrong:
        assert found == []
    everything = covered(walk.everything(table, walk.months(table)), table)
    assert {*here, *there} <= set(everything)


@FEW
@given(st.sampled_from(["Reading", STATES]), ROWS, st.data())
def test_counts_lead_to_what_is_missing_or_extra(
    table: str, here: dict[Any, Any], data: st.DataObject
) -> None:
    there = dict(here)
    lost = data.draw(st.lists(st.sampled_from(KEYS), max_size=4))
    more = data.draw(ROWS) if not lost else {}  # one of them at a time: counts do not tell both
    for key in lost:
        there.pop(key, None)
    there |= {key: cells for key, cells in more.items() if key not in here}
    station, centre = sides(table, here, there)
    walk = CountWalk(station, cast("Any", centre), scope(), 3)
    found = covered(walk.units(table, deep=False), table)
    assert here.keys() ^ there.keys() <= set(found)
    assert len(found) == len(set(found))
    deep = CountWalk(station, cast("Any", centre), scope(), 3)
    assert set(covered(deep.units(table, deep=True), table)) == set(KEYS)


def test_many_rows_are_halved_until_they_are_few() -> None:
    times = [f"2026-{m:02d}-{d:02d}T00:{s // 60:02d}:{s % 60:02d}"
             for m in (1, 2, 3) for d in range(1, 29) for s in range(20)]  # fmt: skip
    here = {(time, 1, n): (None, 0) for n, time in enumerate(times)}
    there = dict(list(here.items())[:-1])
    station, centre = sides(STATES, here, there)
    walk = CountWalk(station, cast("Any", centre), scope(), 3)
    units = [unit for part in walk.units(STATES, deep=False) for unit in part]
    assert len(units) == 1
    assert units[0].window.until is None
    assert units[0].window.since is not None
    assert units[0].window.since > "2026-03-01"


@pytest.mark.parametrize(
    ("period", "since", "until"),
    [
        ("2026", "2026-01-01T00:00:00", "2027-01-01T00:00:00"),
        ("2024-02", "2024-02-01T00:00:00", "2024-03-01T00:00:00"),
        ("2026-12", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
        ("2024-02-29", "2024-02-29T00:00:00", "2024-03-01T00:00:00"),
        ("2026-03-01T23", "2026-03-01T23:00:00", "2026-03-02T00:00:00"),
        ("2026-00", "2026-00", "2026-00~"),
        ("9999-12", "9999-12", "9999-12~"),
    ],
)
def test_a_period_has_bounds(period: str, since: str, until: str) -> None:
    assert bounds(period) == (since, until)
    assert clipped(period, "2024-02-29T12:00:00", None)[0] >= since


def test_neighbours_are_joined() -> None:
    days = ["2026-02-28", "2026-03-01", "2026-03-03", "2026-03-02", "0000-00-00"]
    assert list(runs(days, 3)) == [["0000-00-00"], sorted(days)[1:4], ["2026-03-03"]]
    assert merged([("b", "d"), ("", "a"), ("c", "~"), ("a", "b")]) == [
        ("", "a"), ("a", "b"), ("b", "~")
    ]  # fmt: skip
    assert next_second("2026-02-28T23:59:59") == "2026-03-01T00:00:00"
    assert next_second("0000-00-00T00:00:00") > "0000-00-00T00:00:00"


def test_places_are_houses_and_what_has_none() -> None:
    lost: list[dict[str, Value]] = [
        *LOCATIONS,
        {"id": 9, "houseId": None},
        {"id": 8, "houseId": 77},
    ]
    found = chart(HOUSES, lost, lambda _, number: REMOTE.get(number))
    assert [place.name for place in found.places] == ["one", "two", NO_HOUSE]
    assert found.places[0].there == [12]  # 4 is not known there: nothing there is its row's
    assert found.there(4) == -5
    assert found.there(None) is None
    assert found.there(1234) in found.places[2].stands_for  # a location that is in no table
    assert (found.is_known(13), found.is_known(None), found.is_known(5)) == (True, True, False)
    assert [place.name for place in found.only(2).places] == ["two"]
