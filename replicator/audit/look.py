"""Comparing rows one by one while both sides may move.

The rules this file keeps, so that what is right is never called wrong:
  * the order: the station's rows, how far capture has come, what waits, the centre's rows, and what
    is suspicious at the station once more;
  * a row is wrong only if the station has it still, the log was read past it, nothing of it waits
    or is parked, and the centre, asked after all that, does not have it so;
  * if the station's log has moved meanwhile, a second look must find the very same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from replicator.audit.centre import Centre
from replicator.audit.compare import (
    DIFFERENT,
    ELSEWHERE,
    EXTRA,
    MISSING,
    PARKED,
    TWIN,
    UNEXPLAINED,
    UNTOLD,
    WAITING,
    Finding,
    Same,
    Suspect,
    same_bits,
    same_digits,
    suspects,
    twins,
)
from replicator.audit.pending import Pending
from replicator.audit.places import Chart
from replicator.audit.station import RowKey, Station
from replicator.audit.walk import Scope, Unit
from replicator.change import Position, Row

_PATIENCE = 5.0
_PAUSE = 0.1
_NO_COUNTERPART = "the centre has no counterpart of its location yet"
_UNREAD = "the log is not read to its end: `replicator tail`"
_MOVING = "the station changed it just now"

Rows = Mapping[RowKey, Sequence[Row]]


class Log(Protocol):
    """How far the station's log goes, and how far capture has read it."""

    def now(self) -> Position: ...
    def captured_to(self) -> Position | None: ...
    def is_capturing(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at one unit came to. ``inside``: the centre's rows that are in scope."""

    unit: Unit
    inside: int
    findings: Sequence[Finding]

    @property
    def is_wrong(self) -> bool:
        """Whether anything in it is unexplained."""
        return any(finding.kind in UNEXPLAINED for finding in self.findings)


class Looker:
    """Looks at units. ``wait(seconds)`` is how it waits for a tail that is at it."""

    def __init__(
        self,
        station: Station,
        centre: Centre,
        pending: Pending,
        log: Log,
        chart: Chart,
        scope: Scope,
        wait: Callable[[float], object],
    ) -> None:
        self._station = station
        self._centre = centre
        self._pending = pending
        self._log = log
        self._chart = chart
        self._wait = wait
        self._behind = False
        self._every = len(scope.places) == len(chart.places)
        self._inside = {there for index in scope.places for there in chart.places[index].stands_for}

    def here(self, unit: Unit) -> Rows:
        """The station's rows of a unit; several where it has one identity more than once."""
        found = self._station.by_key(unit.table, unit.window, unit.kind)
        if unit.table == "Reading":
            return found
        return {key: [row[:-1] for row in rows] for key, rows in found.items()}

    def look(self, batch: Sequence[tuple[Unit, Rows]]) -> Iterator[Seen]:
        """At units with their rows at the station, just read."""
        end = self._log.now()
        found = self._once(batch, read=self._is_read(end))
        wrong = [seen.unit for seen in found if seen.is_wrong]
        if not wrong or self._log.now() == end:
            yield from found
            return
        again = [(unit, self.here(unit)) for unit in wrong]
        second = self._once(again, read=self._is_read(self._log.now()))
        confirmed = {seen.unit: seen for seen in second}
        for seen in found:
            yield _confirmed(seen, confirmed[seen.unit]) if seen.unit in confirmed else seen

    def _once(self, batch: Sequence[tuple[Unit, Rows]], *, read: bool) -> list[Seen]:
        self._pending.refresh()
        return [self._seen(unit, mine, read=read) for unit, mine in batch]

    def _seen(self, unit: Unit, mine: Rows, *, read: bool) -> Seen:
        table = unit.table
        theirs = self._centre.rows(table, unit.window, unit.kind)
        inside = sum(self._is_inside(table, None, row) for row in theirs.values())
        found = suspects(table, mine, theirs, self._same)
        again = self.here(unit) if found else {}
        findings = [
            self._judged(table, suspect, again.get(suspect.key, ()), read=read)
            for suspect in found
            if self._is_inside(table, *_last(suspect))
        ]
        return Seen(unit, inside, [*findings, *self._twins(table, mine, theirs)])

    @property
    def _same(self) -> Same:
        return same_bits if self._centre.link.dialect.exact_floats else same_digits

    def _is_read(self, end: Position) -> bool:
        """Whether capture has read up to there; waits for a tail that is at it, but once only."""
        waited = 0.0
        while True:
            place = self._log.captured_to()
            if place is not None and place.source == end.source and place.has_reached(end):
                self._behind = False
                return True
            if self._behind or waited >= _PATIENCE or not self._log.is_capturing():
                self._behind = True
                return False
            self._wait(_PAUSE)
            waited += _PAUSE

    def _judged(self, table: str, suspect: Suspect, again: Sequence[Row], *, read: bool) -> Finding:
        key = suspect.key
        mine, theirs = _last(suspect)
        kind = MISSING if theirs is None else EXTRA if mine is None else DIFFERENT
        excuse = self._pending.excuse(table, key)
        if excuse is not None:
            kind = WAITING if excuse.kind == "waiting" else PARKED
            return Finding(kind, table, key, mine, theirs, f"{excuse.reason}: {excuse.detail}")
        if list(again) != list(suspect.here):
            return Finding(WAITING, table, key, mine, theirs, _MOVING)
        if not read:
            return Finding(UNTOLD, table, key, mine, theirs, _UNREAD)
        if kind == EXTRA and self._is_anothers(table, theirs):
            return Finding(ELSEWHERE, table, key, None, theirs, "at a place of another station")
        return Finding(kind, table, key, mine, theirs, _reason(table, mine))

    def _is_inside(self, table: str, mine: Row | None, theirs: Row | None) -> bool:
        """Whether a row belongs to what is audited; without a house everything does."""
        if table != "Reading" or self._every:
            return True
        row = mine if mine is not None else theirs
        return row is not None and row[3] in self._inside

    def _is_anothers(self, table: str, theirs: Row | None) -> bool:
        return table == "Reading" and theirs is not None and not self._chart.is_known(theirs[3])

    def _twins(self, table: str, mine: Rows, theirs: Mapping[RowKey, Row]) -> Iterator[Finding]:
        """The station's surplus of one identity that the centre rightly holds once."""
        for twin in twins(mine):
            there = theirs.get(twin.key)
            if there is None or self._pending.excuse(table, twin.key) is not None:
                continue
            rest = list(twin.here)
            rest.pop(next((i for i, row in enumerate(rest) if self._same(table, row, there)), -1))
            for row in rest:
                yield Finding(TWIN, table, twin.key, row, there, "the station has it again")


def _last(suspect: Suspect) -> tuple[Row | None, Row | None]:
    return (suspect.here[-1] if suspect.here else None), suspect.there


def _reason(table: str, mine: Row | None) -> str:
    place = mine[3] if mine is not None and table == "Reading" else None
    return _NO_COUNTERPART if isinstance(place, int) and place < 0 else ""


def _confirmed(first: Seen, second: Seen) -> Seen:
    """What both looks say; of what is wrong in the first, what the second makes of it."""
    known = {finding.key: finding for finding in second.findings if finding.kind != TWIN}
    findings = []
    for finding in first.findings:
        if finding.kind not in UNEXPLAINED:
            findings.append(finding)
            continue
        again = known.get(finding.key)
        if again is not None and again.kind in UNEXPLAINED and again != finding:
            again = replace(again, kind=WAITING, reason=_MOVING)
        findings += [] if again is None else [again]
    return Seen(first.unit, first.inside, findings)
