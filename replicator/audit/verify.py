"""Is the centre complete? Names every row that is not the same at the station and there.

What is compared may move meanwhile: a row counts as wrong only if the station has it still, the
log was read past it, nothing of it waits or is parked, and the centre, asked after all that, does
not have it so. So the order in which the sides are read is: the station, how far capture has come,
what waits, the centre, and what is suspicious at the station once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from replicator.audit.centre import Centre
from replicator.audit.compare import (
    DIFFERENT,
    ELSEWHERE,
    EXTRA,
    MISSING,
    PARKED,
    TWIN,
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
from replicator.audit.counts import CountWalk
from replicator.audit.digest import NOTHING, Tally, row_hash, summed
from replicator.audit.pending import Pending
from replicator.audit.places import Chart
from replicator.audit.station import NO_IDENTITY, RowKey, Station
from replicator.audit.walk import DigestWalk, Months, Scope, Unit
from replicator.change import Position, Row
from replicator.model import STREAM_TABLES

_PATIENCE = 5.0
_BATCH_ROWS = 20_000
_BATCH_UNITS = 500
_PAUSE = 0.1
_NO_COUNTERPART = "the centre has no counterpart of its location yet"
_UNREAD = "the log is not read to its end: `replicator tail`"


class Log(Protocol):
    """How far the station's log goes, and how far capture has read it."""

    def now(self) -> Position: ...
    def captured_to(self) -> Position | None: ...
    def is_capturing(self) -> bool: ...


@dataclass(slots=True)
class Sum:
    """Of one table in one month and place: see docs/audit.md for the words.

    ``present``  None: this kind of server tells counts only, in ``present_rows`` if at all
    """

    captured: Tally
    acknowledged: Tally
    present: Tally | None
    present_rows: int | None


@dataclass(slots=True)
class Outcome:
    """What an audit has come to; complete once its findings have all been taken.

    ``sums``      (table, month, place) → counts and digests; month "" where no server tells
    ``excused``   (table, kind, reason) → rows of the station that wait or are parked
    ``found``     kind of finding → rows
    ``surplus``   table → acknowledged rows of one identity that the centre holds once
    """

    sums: dict[tuple[str, str, int], Sum] = field(default_factory=dict)
    excused: dict[tuple[str, str, str], int] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)
    surplus: dict[str, Tally] = field(default_factory=dict)

    def of(self, table: str) -> Sum:
        """All of a table. Twins count once as acknowledged.

        Rows without an identity count as captured, and are in no digest.
        """
        parts = [known for (name, _, _), known in self.sums.items() if name == table]
        present = [part.present for part in parts if part.present is not None]
        counts = [part.present_rows for part in parts if part.present_rows is not None]
        every = len(parts)
        nameless = Tally(self.excused.get((table, *NO_IDENTITY), 0))
        return Sum(
            summed(part.captured for part in parts) + nameless,
            summed(part.acknowledged for part in parts) - self.surplus.get(table, NOTHING),
            summed(present) if len(present) == every else None,
            sum(counts) if len(counts) == every else None,
        )

    def number(self, *kinds: str) -> int:
        """How many findings of these kinds."""
        return sum(self.found.get(kind, 0) for kind in kinds)


class Audit:
    """One destination against the station. Every method raises what its sides raise."""

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
        self._scope = scope
        self._wait = wait
        self._behind = False
        self._is_of_a_house = len(scope.places) < len(chart.places)
        self._seen: dict[str, int] = {}
        self._inside = {there for index in scope.places for there in chart.places[index].stands_for}
        self.outcome = Outcome()

    def run(self, *, deep: bool = False) -> Iterator[Finding]:
        """Every finding, as it is found. ``deep``: compare every row, whatever the sums say."""
        self._pending.refresh()
        for table in STREAM_TABLES:
            for units in self._units(table, deep=deep):
                yield from self.compared(units)

    def _units(self, table: str, *, deep: bool) -> Iterator[Sequence[Unit]]:
        if not self._centre.link.dialect.receipts:
            walk = CountWalk(self._station, self._centre, self._scope, len(self._chart.places))
            yield from walk.units(table, deep=deep)
            self._add_excused(table, walk.reasons)
            known = None if self._is_of_a_house else walk.there
            known = self._seen.get(table, 0) if deep else known
            due, excused = walk.due, walk.excused
            self.outcome.sums[table, "", 0] = Sum(due + excused, due, None, known)
            return
        digests = DigestWalk(self._station, self._centre, self._scope)
        top = digests.months(table)
        self._add_sums(table, top)
        yield from digests.everything(table, top) if deep else digests.units(table, top)

    def _add_sums(self, table: str, top: Months) -> None:
        due, excused, there = top.due, top.excused, top.there
        for key in due.keys() | excused.keys() | there.keys():
            place, month = key
            mine, late, theirs = (side.get(key, Tally()) for side in (due, excused, there))
            known = Sum(mine + late, mine, theirs, theirs.count)
            self.outcome.sums[table, str(month), int(place)] = known
        self._add_excused(table, top.days.reasons)

    def _add_excused(self, table: str, reasons: Mapping[tuple[str, str], int]) -> None:
        for (kind, reason), rows in reasons.items():
            key = (table, kind, reason)
            self.outcome.excused[key] = self.outcome.excused.get(key, 0) + rows

    def compared(self, units: Iterable[Unit]) -> Iterator[Finding]:
        """The findings of some units, row by row; a few at a time are held in memory."""
        batch: list[tuple[Unit, dict[RowKey, list[Row]]]] = []
        rows = 0
        for unit in units:
            mine = self._here(unit)
            batch.append((unit, mine))
            rows += len(mine)
            if rows >= _BATCH_ROWS or len(batch) == _BATCH_UNITS:
                yield from self._compared(batch)
                batch, rows = [], 0
        if batch:
            yield from self._compared(batch)

    def _compared(self, batch: Sequence[tuple[Unit, dict[RowKey, list[Row]]]]) -> Iterator[Finding]:
        read = self._is_read()
        self._pending.refresh()
        for unit, mine in batch:
            theirs = self._centre.rows(unit.table, unit.window, unit.kind)
            inside = sum(self._is_inside(unit.table, None, row) for row in theirs.values())
            self._seen[unit.table] = self._seen.get(unit.table, 0) + inside
            found = suspects(unit.table, mine, theirs, self._same)
            again = self._here(unit) if found else {}
            for suspect in found:
                yield from self._counted(
                    self._judged(unit.table, suspect, again.get(suspect.key, []), read=read)
                )
            yield from self._counted(self._twins(unit.table, mine, theirs))

    @property
    def _same(self) -> Same:
        return same_bits if self._centre.link.dialect.exact_floats else same_digits

    def _here(self, unit: Unit) -> dict[RowKey, list[Row]]:
        found = self._station.by_key(unit.table, unit.window, unit.kind)
        if unit.table == "Reading":
            return found
        return {key: [row[:-1] for row in rows] for key, rows in found.items()}

    def _is_read(self) -> bool:
        """Whether capture has read what was just seen; waits for a tail that is at it, once."""
        end, waited = self._log.now(), 0.0
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

    def _judged(
        self, table: str, suspect: Suspect, again: Sequence[Row], *, read: bool
    ) -> Iterator[Finding]:
        key, theirs = suspect.key, suspect.there
        mine = suspect.here[-1] if suspect.here else None
        if not self._is_inside(table, mine, theirs):
            return
        kind = MISSING if theirs is None else EXTRA if mine is None else DIFFERENT
        excuse = self._pending.excuse(table, key)
        if excuse is not None:
            kind = WAITING if excuse.kind == "waiting" else PARKED
            yield Finding(kind, table, key, mine, theirs, f"{excuse.reason}: {excuse.detail}")
        elif list(again) != list(suspect.here):
            yield Finding(WAITING, table, key, mine, theirs, "the station changed it just now")
        elif not read:
            yield Finding(UNTOLD, table, key, mine, theirs, _UNREAD)
        elif kind == EXTRA and self._is_anothers(table, theirs):
            yield Finding(ELSEWHERE, table, key, None, theirs, "at a place of another station")
        else:
            yield Finding(kind, table, key, mine, theirs, self._reason(table, mine))

    def _is_inside(self, table: str, mine: Row | None, theirs: Row | None) -> bool:
        """Whether a row belongs to what is audited; without a house everything does."""
        if table != "Reading" or not self._is_of_a_house:
            return True
        row = mine if mine is not None else theirs
        return row is not None and row[3] in self._inside

    def _is_anothers(self, table: str, theirs: Row | None) -> bool:
        return table == "Reading" and theirs is not None and not self._chart.is_known(theirs[3])

    @staticmethod
    def _reason(table: str, mine: Row | None) -> str:
        place = mine[3] if mine is not None and table == "Reading" else None
        return _NO_COUNTERPART if isinstance(place, int) and place < 0 else ""

    def _twins(
        self, table: str, mine: Mapping[RowKey, Sequence[Row]], theirs: Mapping[RowKey, Row]
    ) -> Iterator[Finding]:
        """The station's surplus of one identity: taken out of what the centre must have."""
        for twin in twins(mine):
            there = theirs.get(twin.key)
            rest = list(twin.here)
            if there is None or self._pending.excuse(table, twin.key) is not None:
                continue
            rest.pop(next((i for i, row in enumerate(rest) if self._same(table, row, there)), -1))
            for row in rest:
                surplus = self.outcome.surplus.get(table, NOTHING)
                self.outcome.surplus[table] = surplus + Tally(1, row_hash(table, row))
                yield Finding(TWIN, table, twin.key, row, there, "the station has it again")

    def _counted(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        for finding in findings:
            self.outcome.found[finding.kind] = self.outcome.found.get(finding.kind, 0) + 1
            yield finding
