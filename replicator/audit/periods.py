"""Months, days and hours as text, their bounds, and neighbours joined. Pure.

A period is the beginning of a time's text: "2026-03", "2026-03-01", "2026-03-01T14". Times have no
zone, as at the station.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

BEGINNING, END = "", "~"  # before and behind every time's text


def bounds(period: str) -> tuple[str, str]:
    """(since, until) of a period, ISO 8601. Raises ValueError where there is no such period.

    The station may hold dates that no calendar has (2026-00-00): those are periods of their own,
    whose end is the text behind all of their times.
    """
    try:
        start, end = _start(period), _end(period)
    except (ValueError, OverflowError):
        return period, period + END
    return start.isoformat(), end.isoformat()


def _start(period: str) -> datetime:
    whole = {4: f"{period}-01-01", 7: f"{period}-01"}.get(len(period), period)
    moment = f"{whole}:00" if len(whole) == 13 else whole
    return datetime.fromisoformat(moment)


def _end(period: str) -> datetime:
    start = _start(period)
    if len(period) == 4:
        return start.replace(year=start.year + 1)
    if len(period) == 7:
        return (start + timedelta(days=31)).replace(day=1)
    return start + (timedelta(days=1) if len(period) == 10 else timedelta(hours=1))


def clipped(period: str, since: str | None, until: str | None) -> tuple[str, str]:
    """The bounds of a period within others."""
    first, last = bounds(period)
    return max(first, since or first), min(last, until or last)


def runs(periods: Iterable[str], most: int) -> Iterator[list[str]]:
    """Periods in order, neighbours together, at most so many."""
    run: list[str] = []
    for period in sorted(set(periods)):
        if run and (bounds(run[-1])[1] != bounds(period)[0] or len(run) == most):
            yield run
            run = []
        run.append(period)
    if run:
        yield run


def merged(windows: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """(since, until) pairs in order, those that overlap as one."""
    found: list[tuple[str, str]] = []
    for since, until in sorted(windows):
        if found and since < found[-1][1]:
            first, last = found.pop()
            found.append((first, max(last, until)))
        else:
            found.append((since, until))
    return found


def next_second(time: str) -> str:
    """The text of a time, one second on; behind it for a time that no calendar has."""
    try:
        return (datetime.fromisoformat(time[:19]) + timedelta(seconds=1)).isoformat()
    except (ValueError, OverflowError):
        return time + END
