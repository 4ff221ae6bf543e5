"""When a destination may be sent to: windows of the day, and a day's budget of bytes. Pure.

Days and windows are UTC. A budget is looked at before each of ship's steps, so it is overdrawn by
one at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Window:
    """From ``opens`` until ``closes``, every day; over midnight where it closes before it opens."""

    opens: time
    closes: time

    def holds(self, moment: time) -> bool:
        """Whether it is open then."""
        if self.opens < self.closes:
            return self.opens <= moment < self.closes
        return moment >= self.opens or moment < self.closes

    def __str__(self) -> str:
        return f"{self.opens:%H:%M}-{self.closes:%H:%M}"


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing is sent, and until when."""

    why: str
    until: datetime


def closed(now: datetime, windows: Sequence[Window]) -> Hold | None:
    """Between the windows; None inside one, and where there are none."""
    if not windows or any(window.holds(now.time()) for window in windows):
        return None
    until = min(_next(now, window.opens) for window in windows)
    return Hold(f"outside its windows ({', '.join(map(str, windows))} UTC)", until)


def used_up(now: datetime, spent: int, budget: int) -> Hold | None:
    """``spent`` bytes today of ``budget``; 0 is no budget."""
    if not budget or spent < budget:
        return None
    why = f"today's budget is used up: {spent:,} of {budget:,} bytes"
    return Hold(why, _next(now, time()))


def held(now: datetime, windows: Sequence[Window], spent: int, budget: int) -> Hold | None:
    """Why nothing may be sent now: as ``closed``, else as ``used_up``."""
    return closed(now, windows) or used_up(now, spent, budget)


def _next(now: datetime, at: time) -> datetime:
    """The first moment after ``now`` at that time of day."""
    today = datetime.combine(now.date(), at, now.tzinfo)
    return today if today > now else today + _DAY
