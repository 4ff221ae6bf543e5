"""What a shipper says of the stations it holds: looked at a few at a time, kept, added up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from replicator.backlog import Alarm, Backlog, Waiting, worst
from replicator.backlog.alarms import CRITICAL
from replicator.cli.backlog import look
from replicator.config import Config
from replicator.errors import ReplicatorError
from replicator.fleet.report import Standing, as_dict, report_of

_SECONDS = 0.1  # of looking at a time; at least one station is looked at
_PAUSE = 1.0  # between two such times
_FRESH = 5.0  # so old may be what is said of a station before it is looked at again


def standing_of(station: str, found: Backlog, alarms: Sequence[Alarm]) -> Standing:
    """One station's, from its backlog."""
    enabled = [each for each in found.destinations if each.enabled]
    alarms = [alarm for alarm in alarms if not _begins(alarm, found)]
    behind = max(enabled, key=_weight, default=None)
    daemon = behind.daemon if behind is not None else found.tail.daemon
    reason = f"{alarms[0].about}: {alarms[0].text}" if alarms else daemon.detail
    return Standing(
        station=station,
        level=worst(alarms),
        state=daemon.state,
        waiting_rows=sum(each.waiting_rows for each in enabled),
        lag_seconds=max((each.lag_seconds for each in enabled if each.waiting_rows), default=0.0),
        parked_rows=sum(each.parked_rows for each in enabled),
        reason=reason,
    )


def _begins(alarm: Alarm, found: Backlog) -> bool:
    """Of a station that was just taken: what works for it has not said so yet."""
    daemons = {"tail": found.tail.daemon, **{each.name: each.daemon for each in found.destinations}}
    return alarm.kind == "stopped" and not daemons[alarm.about].detail


def _weight(each: Waiting) -> tuple[float, int, int]:
    return (each.lag_seconds if each.waiting_rows else 0.0, each.waiting_rows, each.parked_rows)


def standing_at(config: Config, station: str) -> Standing:
    """One station's, from its folder here. One that cannot be read is critical, and says why."""
    try:
        return standing_of(station, *look(config.at_station(station), detail="none"))
    except ReplicatorError as error:
        return Standing(station, CRITICAL, "unreadable", 0, 0.0, 0, str(error))


class Reporter:
    """Of one shipper. A look costs about the same however many stations it holds.

    ``at``         looks at one station
    ``monotonic``  seconds
    """

    def __init__(
        self,
        config: Config,
        at: Callable[[Config, str], Standing] = standing_at,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._at = at
        self._monotonic = monotonic
        # Looked at when, and what was seen; the one of longest ago comes first.
        self._known: dict[str, tuple[float, Standing]] = {}
        self._said = as_dict(report_of([]))

    def said(self) -> dict[str, Any]:
        """The report of the last look, at once, from any thread: no disk may hold a lease up."""
        return self._said

    def run(self, held: Callable[[], Iterable[str]], stopped: Callable[[float], bool]) -> None:
        """Look again and again; ``stopped(seconds)`` waits, and says whether to end."""
        while not stopped(_PAUSE):
            self.look(held())

    def look(self, held: Iterable[str]) -> dict[str, Any]:
        """The report of the stations held now; those not looked at yet are not in it."""
        stations = set(held)
        for name in self._known.keys() - stations:
            del self._known[name]
        until = self._monotonic() + _SECONDS
        for name in self._turn(stations):
            seen = self._at(self._config, name)
            self._known.pop(name, None)
            self._known[name] = (self._monotonic(), seen)
            if self._monotonic() >= until:
                break
        self._said = as_dict(report_of(seen for _, seen in self._known.values()))
        return self._said

    def _turn(self, stations: set[str]) -> list[str]:
        """Whom to look at: who was never, then who was not for some time, longest ago first."""
        stale = self._monotonic() - _FRESH
        seen = [name for name, (when, _) in self._known.items() if when <= stale]
        return [*sorted(stations - self._known.keys()), *seen]
