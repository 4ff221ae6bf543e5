"""What a shipper says of its stations, and what all of them say together. Pure.

The rules this file keeps: a report has the same size for ten stations as for a million; merging is
associative and its order does not matter; of equally bad stations the one that comes first by name
is shown, so two looks at the same state show the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

MOST = 10  # stations shown
LEVELS = ("critical", "warning", "fine")
_LONGEST = 160
_STATES = 12  # more than there are


@dataclass(frozen=True, slots=True)
class Standing:
    """How one station stands, over all its destinations.

    ``level``   critical, warning or fine, as `replicator backlog --station` has it
    ``state``   of ship, at the destination that is worst off
    ``reason``  of the first alarm, or why ship waits; "" where there is none
    ``holder``  who says so; "" in a shipper's own report
    """

    station: str
    level: str
    state: str
    waiting_rows: int
    lag_seconds: float
    parked_rows: int
    reason: str = ""
    holder: str = ""

    @property
    def badness(self) -> tuple[int, float, int, int, str]:
        """Smaller is worse."""
        rank = LEVELS.index(self.level) if self.level in LEVELS else 0
        return (rank, -self.lag_seconds, -self.parked_rows, -self.waiting_rows, self.station)


@dataclass(frozen=True, slots=True)
class Report:
    """Of ``stations`` that were looked at.

    ``levels``, ``states``  how many stations are in each
    ``lag_seconds``         of the one furthest behind
    ``worst``               at most MOST, worst first
    """

    stations: int = 0
    waiting_rows: int = 0
    parked_rows: int = 0
    lag_seconds: float = 0.0
    levels: Mapping[str, int] = field(default_factory=dict)
    states: Mapping[str, int] = field(default_factory=dict)
    worst: tuple[Standing, ...] = ()


def report_of(standings: Iterable[Standing]) -> Report:
    """Of these stations, each named once."""
    each = list(standings)
    return Report(
        stations=len(each),
        waiting_rows=sum(s.waiting_rows for s in each),
        parked_rows=sum(s.parked_rows for s in each),
        lag_seconds=max((s.lag_seconds for s in each), default=0.0),
        levels=dict(Counter(s.level for s in each)),
        states=dict(Counter(s.state for s in each)),
        worst=_worst(each),
    )


def merged(reports: Iterable[Report]) -> Report:
    """Of all their stations; no station may be in two of them."""
    each = list(reports)
    levels, states = Counter[str](), Counter[str]()
    for one in each:
        levels.update(one.levels)
        states.update(one.states)
    return Report(
        stations=sum(r.stations for r in each),
        waiting_rows=sum(r.waiting_rows for r in each),
        parked_rows=sum(r.parked_rows for r in each),
        lag_seconds=max((r.lag_seconds for r in each), default=0.0),
        levels=dict(levels),
        states=dict(states),
        worst=_worst(s for one in each for s in one.worst),
    )


def _worst(standings: Iterable[Standing]) -> tuple[Standing, ...]:
    return tuple(sorted(standings, key=lambda s: s.badness)[:MOST])


def as_dict(report: Report) -> dict[str, Any]:
    """For the session's key: JSON of a few kilobytes at most."""
    return {
        "stations": report.stations,
        "waiting_rows": report.waiting_rows,
        "parked_rows": report.parked_rows,
        "lag_seconds": round(report.lag_seconds, 1),
        "levels": dict(report.levels),
        "states": dict(report.states),
        "worst": [
            {
                "station": s.station,
                "level": s.level,
                "state": s.state,
                "waiting_rows": s.waiting_rows,
                "lag_seconds": round(s.lag_seconds, 1),
                "parked_rows": s.parked_rows,
                "reason": s.reason[:_LONGEST],
            }
            for s in report.worst
        ],
    }


def parsed(said: object, holder: str = "") -> Report:
    """Inverse of ``as_dict``; an empty report for None. Raises ValueError for anything else."""
    if said is None or said == {}:
        return Report()
    said = _object(said)
    worst = said.get("worst")
    if not isinstance(worst, list) or len(worst) > MOST:
        raise ValueError(f"a report names at most {MOST} stations")
    return Report(
        stations=_number(said, "stations"),
        waiting_rows=_number(said, "waiting_rows"),
        parked_rows=_number(said, "parked_rows"),
        lag_seconds=_seconds(said),
        levels=_counts(said, "levels"),
        states=_counts(said, "states"),
        worst=tuple(_standing(each, holder) for each in worst),
    )


def _standing(said: object, holder: str) -> Standing:
    said = _object(said)
    return Standing(
        station=_text(said, "station"),
        level=_text(said, "level"),
        state=_text(said, "state"),
        waiting_rows=_number(said, "waiting_rows"),
        lag_seconds=_seconds(said),
        parked_rows=_number(said, "parked_rows"),
        reason=_text(said, "reason"),
        holder=holder,
    )


def _object(said: object) -> Mapping[str, object]:
    match said:
        case dict():
            return said
    raise ValueError("not an object")


def _counts(said: Mapping[str, object], name: str) -> dict[str, int]:
    counts = said.get(name)
    if not isinstance(counts, dict) or len(counts) > _STATES:
        raise ValueError(f"{name}: a few counts")
    return {str(key): _number(counts, key) for key in counts}


def _number(said: Mapping[str, object], name: str) -> int:
    value = said.get(name)
    if type(value) is not int or value < 0:
        raise ValueError(f"{name}: not a whole number from 0 on")
    return value


def _seconds(said: Mapping[str, object]) -> float:
    value = said.get("lag_seconds")
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError("lag_seconds: not a number from 0 on")
    return float(value)


def _text(said: Mapping[str, object], name: str) -> str:
    match said.get(name):
        case str(text):
            return text
    raise ValueError(f"{name}: not a text")
