"""Runs a plan: the same plan gives the same outcome, to the last number. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from replicator.simulation.agenda import Agenda
from replicator.simulation.centre import Centre
from replicator.simulation.load import Load, Standing, Summary, summary
from replicator.simulation.plan import Plan
from replicator.simulation.station import Station

_MOST_POINTS = 600
_WIDTHS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True, slots=True)
class Simulated:
    """Moments are seconds since the outage began; the run was from ``start`` to ``end``."""

    plan: Plan
    start: float
    end: float
    load: Load
    fleet: Sequence[Standing]
    summary: Summary


def simulate(plan: Plan) -> Simulated:
    """From a warm-up on, until the last station has caught up, or until the plan's end."""
    agenda = Agenda(-plan.warm_up, plan.until)
    load = Load(agenda.now)
    centre = Centre(plan.centre, (0.0, plan.outage), load)
    behind = plan.stations

    def caught_up_too() -> None:
        nonlocal behind
        behind -= 1
        if not behind:
            agenda.end = min(agenda.end, agenda.now + plan.calm)

    stations = [Station(name, plan, agenda, centre, load, caught_up_too) for name in plan.names()]
    agenda.run()
    fleet = [station.standing() for station in stations]
    told = summary(load, fleet, plan.outage, agenda.end)
    return Simulated(plan, -plan.warm_up, agenda.end, load, fleet, told)


@dataclass(frozen=True, slots=True)
class Series:
    """A point every ``step`` seconds; ``at``: its beginning, in seconds since the outage began.

    The rates are means over a step; ``waiting`` (connections at the centre) and ``backlog`` (rows
    at the stations) are as they stand at its end.
    """

    step: int
    at: list[float]
    requests_per_s: list[float]
    rows_per_s: list[float]
    bytes_per_s: list[float]
    refused_per_s: list[float]
    in_vain_per_s: list[float]
    waiting: list[int]
    backlog: list[int]


def series(done: Simulated, since: float | None = None) -> Series:
    """The load over time, in six hundred points at most; ``since`` a moment of the run."""
    load, plan = done.load, done.plan
    first = done.start if since is None else max(done.start, float(int(since)))
    width = next((w for w in _WIDTHS if (done.end - first) / w <= _MOST_POINTS), _WIDTHS[-1])
    count = int((done.end - first) // width)

    def rate(kind: str) -> list[float]:
        return [n / width for n in load.steps(kind, first, width, count)]

    waiting = _running(load, "queue", first, width, count)
    acknowledged = _running(load, "acknowledged", first, width, count)
    at = [first + number * width for number in range(count)]
    fleet_rows = plan.stations * plan.rows_per_hour / 3600
    captured = [round(fleet_rows * (moment + width - done.start)) for moment in at]
    backlog = [max(had - told, 0) for had, told in zip(captured, acknowledged, strict=True)]
    return Series(
        width,
        at,
        rate("requests"),
        rate("rows"),
        rate("bytes"),
        rate("refused"),
        rate("in_vain"),
        waiting,
        backlog,
    )


def _running(load: Load, kind: str, first: float, width: int, count: int) -> list[int]:
    """Sums from the run's start up to the end of each step."""
    before = load.total(kind, until=first)
    return list(accumulate(load.steps(kind, first, width, count), initial=before))[1:]
