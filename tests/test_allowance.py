"""When delivery may use the link: windows and a day's budget."""

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from replicator.allowance import Window, closed, used_up

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
TIMES = st.times().map(lambda t: t.replace(second=0, microsecond=0, tzinfo=None))
WINDOWS = st.lists(
    st.tuples(TIMES, TIMES).filter(lambda pair: pair[0] != pair[1]).map(lambda pair: Window(*pair)),
    max_size=4,
)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(  # noqa: DTZ001  # next line
    lambda moment: moment.replace(tzinfo=timezone.utc)
)


def test_a_window_over_midnight() -> None:
    night = Window(time(22), time(1, 30))
    open_at = [hour for hour in range(24) if night.holds(time(hour))]
    assert open_at == [0, 1, 22, 23]
    assert not night.holds(time(1, 30))


def test_outside_it_says_which_and_until_when() -> None:
    hold = closed(NOON, [Window(time(1), time(5, 30)), Window(time(22), time(23))])
    assert hold is not None
    assert hold.until == NOON.replace(hour=22)
    assert hold.why == "outside its windows (01:00-05:30, 22:00-23:00 UTC)"


@given(MOMENTS, WINDOWS)
def test_a_hold_ends_with_the_first_moment_that_is_open(
    now: datetime, windows: list[Window]
) -> None:
    hold = closed(now, windows)
    if hold is None:
        return
    assert closed(hold.until, windows) is None
    assert now < hold.until <= now + timedelta(days=1)
    minutes = int((hold.until - now).total_seconds() // 60)
    before = (hold.until - timedelta(minutes=1 + n) for n in range(minutes))
    assert all(closed(moment, windows) for moment in before)


def test_without_windows_it_is_always_open() -> None:
    assert closed(NOON, ()) is None


@given(MOMENTS, st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_budget_ends_with_the_day(now: datetime, spent: int, budget: int) -> None:
    hold = used_up(now, spent, budget)
    assert (hold is not None) == (0 < budget <= spent)
    if hold is not None:
        assert hold.until.time() == time()
        assert hold.until.date() == now.date() + timedelta(days=1)
