"""Is the centre complete? Sums from the top down, and every row that is not the same, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from replicator.audit.centre import Centre
from replicator.audit.compare import TWIN, Finding
from replicator.audit.counts import CountWalk
from replicator.audit.digest import NOTHING, Tally, row_hash, summed
from replicator.audit.look import Looker, Rows, Seen
from replicator.audit.pending import Pending
from replicator.audit.places import Chart
from replicator.audit.station import NO_IDENTITY, Station
from replicator.audit.walk import DigestWalk, Months, Scope, Unit
from replicator.model import STREAM_TABLES

_BATCH_ROWS = 20_000
_BATCH_UNITS = 500


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
        looker: Looker,
        chart: Chart,
        scope: Scope,
    ) -> None:
        self._station = station
        self._centre = centre
        self._pending = pending
        self._looker = looker
        self._chart = chart
        self._scope = scope
        self._seen: dict[str, int] = {}
        self.outcome = Outcome()

    def run(self, *, deep: bool = False) -> Iterator[Finding]:
        """Every finding, as it is found. ``deep``: compare every row, whatever the sums say."""
        self._pending.refresh()
        for table in STREAM_TABLES:
            for units in self._units(table, deep=deep):
                yield from self.compared(units)

    def _units(self, table: str, *, deep: bool) -> Iterator[Sequence[Unit]]:
        if not self._centre.link.dialect.receipts:
            yield from self._units_by_counts(table, deep=deep)
            return
        digests = DigestWalk(self._station, self._centre, self._scope)
        top = digests.months(table)
        self._add_sums(table, top)
        yield from digests.everything(table, top) if deep else digests.units(table, top)

    def _units_by_counts(self, table: str, *, deep: bool) -> Iterator[Sequence[Unit]]:
        walk = CountWalk(self._station, self._centre, self._scope, len(self._chart.places))
        yield from walk.units(table, deep=deep)
        self._add_excused(table, walk.reasons)
        of_a_house = len(self._scope.places) < len(self._chart.places)
        known = None if of_a_house else walk.there
        known = self._seen.get(table, 0) if deep else known
        due, excused = walk.due, walk.excused
        self.outcome.sums[table, "", 0] = Sum(due + excused, due, None, known)

    def _add_sums(self, table: str, top: Months) -> None:
        due, excused, there = top.due, top.excused, top.there
        for key in due.keys() | excused.keys() | there.keys():
            place, month = key
            mine, late, theirs = (side.get(key, NOTHING) for side in (due, excused, there))
            known = Sum(mine + late, mine, theirs, theirs.count)
            self.outcome.sums[table, str(month), int(place)] = known
        self._add_excused(table, top.days.reasons)

    def _add_excused(self, table: str, reasons: Mapping[tuple[str, str], int]) -> None:
        for (kind, reason), rows in reasons.items():
            key = (table, kind, reason)
            self.outcome.excused[key] = self.outcome.excused.get(key, 0) + rows

    def compared(self, units: Iterable[Unit]) -> Iterator[Finding]:
        """The findings of some units, row by row; a few at a time are held in memory."""
        batch: list[tuple[Unit, Rows]] = []
        rows = 0
        for unit in units:
            mine = self._looker.here(unit)
            batch.append((unit, mine))
            rows += len(mine)
            if rows >= _BATCH_ROWS or len(batch) == _BATCH_UNITS:
                yield from self._counted(self._looker.look(batch))
                batch, rows = [], 0
        if batch:
            yield from self._counted(self._looker.look(batch))

    def _counted(self, looks: Iterable[Seen]) -> Iterator[Finding]:
        outcome = self.outcome
        for seen in looks:
            table = seen.unit.table
            self._seen[table] = self._seen.get(table, 0) + seen.inside
            for finding in seen.findings:
                outcome.found[finding.kind] = outcome.found.get(finding.kind, 0) + 1
                if finding.kind == TWIN and finding.here is not None:
                    twin = Tally(1, row_hash(table, finding.here))
                    outcome.surplus[table] = outcome.surplus.get(table, NOTHING) + twin
                yield finding
