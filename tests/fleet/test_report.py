"""A report says the same of ten stations and of thousands, however it came together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.fleet.overview import overview, shipper_of
from replicator.fleet.report import (
    LEVELS,
    MOST,
    Report,
    Standing,
    as_dict,
    merged,
    parsed,
    report_of,
)

standings = st.lists(
    st.builds(
        Standing,
        station=st.integers(0, 400).map("station {:03}".format),
        level=st.sampled_from(LEVELS),
        state=st.sampled_from(["running", "waiting", "paused"]),
        waiting_rows=st.integers(0, 9),
        lag_seconds=st.integers(0, 9).map(float),
        parked_rows=st.integers(0, 3),
        reason=st.just("why"),
    ),
    max_size=60,
    unique_by=lambda standing: standing.station,
)
exactly = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@exactly
@given(standings, st.lists(st.integers(0, 4), min_size=60, max_size=60))
def test_shippers_say_together_what_one_would_say(
    each: Sequence[Standing], shares: Sequence[int]
) -> None:
    parts = [[s for s, share in zip(each, shares, strict=False) if share == n] for n in range(5)]
    reports = [report_of(part) for part in parts]
    whole = report_of(each)
    assert merged(reports) == whole == merged(reports[::-1])
    assert merged([merged(reports[:2]), merged(reports[2:])]) == whole
    assert merged([whole, Report()]) == whole


@exactly
@given(standings)
def test_the_worst_are_the_worst(each: Sequence[Standing]) -> None:
    shown = report_of(each).worst
    assert len(shown) == min(MOST, len(each))
    assert all(a.badness < b.badness for a, b in pairwise(shown))
    left = set(each) - set(shown)
    assert not shown or all(shown[-1].badness < other.badness for other in left)


@exactly
@given(standings)
def test_words_come_back_as_they_were(each: Sequence[Standing]) -> None:
    report = report_of(each)
    assert parsed(orjson.loads(orjson.dumps(as_dict(report)))) == report


def test_its_size_is_bounded() -> None:
    reason, name = "x" * 5_000, "station {:0200}".format
    levels, states = [*LEVELS], ["running", "waiting", "refused", "paused", "stopped", "gone"]
    many = [
        Standing(name(n), levels[n % 3], states[n % 6], 10**12, 1e9 + n, 10**9, reason)
        for n in range(20_000)
    ]
    assert len(orjson.dumps(as_dict(report_of(many)))) < 8_000


@pytest.mark.parametrize(
    "said",
    [
        [],
        {"stations": 1},
        {**as_dict(Report()), "waiting_rows": -1},
        {**as_dict(Report()), "lag_seconds": "1"},
        {**as_dict(Report()), "worst": [{}]},
        {**as_dict(Report()), "worst": [1]},
        {**as_dict(Report()), "worst": as_dict(report_of([])) and [None] * 11},
        {**as_dict(Report()), "levels": {str(n): 1 for n in range(99)}},
        {**as_dict(Report()), "states": {"running": True}},
    ],
)
def test_words_that_are_none_are_refused(said: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        parsed(said)


def session(host: str, stations: int, ago: float = 0.0, **more: object) -> object:
    said = {"id": host, "host": host, "pid": 1, "version": "1", "since": "t", "stations": stations}
    return shipper_of({**said, **more}, ago, lease=10)


def test_who_is_silent_holds_nothing_and_stations_without_a_shipper_are_counted() -> None:
    bad = as_dict(report_of([Standing("s", "critical", "refused", 1, 2.0, 3, "why")]))
    shippers = [session("a", 5, found=20), session("b", 4, 60.0, report=bad), session("c", 6)]
    seen = overview("now", shippers, subjects=25)  # type: ignore[arg-type]
    assert (seen.held, seen.stations, seen.unheld, seen.level) == (11, 20, 9, "warning")
    assert [shipper.host for shipper in seen.shippers] == ["a", "c", "b"]
    assert seen.total == Report()
    parted = [session("a", 5, found=7, patterns="n*"), session("b", 4, found=6, patterns="s*")]
    assert overview("now", parted, subjects=13).unheld == 4  # type: ignore[arg-type]
    silent = overview("now", shippers[1:2], subjects=25)  # type: ignore[arg-type]
    assert (silent.unheld, silent.least, silent.most, silent.level) == (13, 13, 25, "critical")
    heard = overview("now", [session("b", 1, report=bad)], subjects=1)  # type: ignore[list-item]
    assert heard.level == "critical"
    assert heard.total.worst[0].holder == "b:1"
    assert shipper_of({"id": "d", "dead": True}, 0.0, 10) is None
    assert overview("now", [], subjects=0).level == "fine"
