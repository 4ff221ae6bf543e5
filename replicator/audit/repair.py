"""Sending again exactly the rows that an audit found wrong: the documented small path beside ship.

The rules this file keeps:
  * the caller holds ship's role, so no older row of the outbox can arrive behind a repaired one;
  * what is sent is the station's row as it is now, read after the role was taken; what waits or is
    parked is left to ship;
  * every row is an upsert on its key, and acknowledged by the destination's own answer; a row that
    is extra at the centre is deleted only where the operator says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from replicator.audit.compare import DIFFERENT, EXTRA, MISSING, Finding
from replicator.audit.pending import Pending
from replicator.audit.periods import next_second
from replicator.audit.station import RowKey, Station, row_key
from replicator.change import Op, Row, Value
from replicator.delivery import Blocked, Delivered, Parcel, QueuedRow, Rejected
from replicator.model import TABLES
from replicator.sink.bulk import BulkSender
from replicator.sink.link import Link
from replicator.sink.resolver import RemoteResolver
from replicator.source.ranges import Window

_BATCH_ROWS = 1_000
_LANE = "audit"


@dataclass(frozen=True, slots=True)
class Repaired:
    """What became of a finding. ``why``: "" where it is mended, else why it is not."""

    finding: Finding
    why: str


class Repair:
    """Raises DestinationUnavailable, DestinationRefused, and what reading the station raises."""

    def __init__(
        self,
        station: Station,
        pending: Pending,
        link: Link,
        bulk: BulkSender,
        resolver: RemoteResolver,
        *,
        delete_extra: bool,
    ) -> None:
        self._station = station
        self._pending = pending
        self._link = link
        self._bulk = bulk
        self._resolver = resolver
        self._delete_extra = delete_extra

    def carry_out(self, findings: Sequence[Finding]) -> Iterator[Repaired]:
        """Mend what can be mended, in batches."""
        self._pending.refresh()
        for start in range(0, len(findings), _BATCH_ROWS):
            yield from self._batch(findings[start : start + _BATCH_ROWS])

    def _batch(self, findings: Sequence[Finding]) -> Iterator[Repaired]:
        waiting: list[tuple[Finding, Parcel]] = []
        for finding, row in self._with_rows(findings):
            made = self._parcel(finding, row)
            if isinstance(made, str):
                yield Repaired(finding, made)
            else:
                waiting.append((finding, made))
        if not waiting:
            return
        delivery = self._bulk.deliver([parcel for _, parcel in waiting])
        for (finding, _), outcome in zip(waiting, delivery.outcomes, strict=True):
            if isinstance(outcome, Delivered):
                yield Repaired(finding, "")
            elif isinstance(outcome, Rejected):
                yield Repaired(finding, f"{outcome.reason}: {outcome.detail}")
            else:
                yield Repaired(finding, outcome.reason)

    def _with_rows(self, findings: Sequence[Finding]) -> Iterator[tuple[Finding, Row | None]]:
        """Each finding with the station's row as it is now, read by node and day."""
        for (table, node, _), group in groupby(findings, key=_spot):
            part = list(group)
            times = [str(finding.key[0]) for finding in part]
            window = Window(min(times), next_second(max(times)), (node,))
            rows: dict[RowKey, Row] = {}
            for chunk in self._station.local_rows(table, window):
                rows.update((row_key(table, row), row) for row in chunk)
            for finding in part:
                yield finding, rows.get(finding.key)

    def _parcel(self, finding: Finding, row: Row | None) -> Parcel | str:
        """What to send, or why nothing is sent."""
        excuse = self._pending.excuse(finding.table, finding.key)
        if excuse is not None:
            return f"it is {excuse.kind} by now: {excuse.reason}"
        if finding.kind == EXTRA:
            return self._deletion(finding) if row is None else "the station has it by now"
        if finding.kind not in (MISSING, DIFFERENT) or row is None:
            return "the station no longer has it"
        op = Op.UPDATE if finding.kind == DIFFERENT else Op.SNAPSHOT
        queued = _queued(finding, op, row)
        body = self._resolver.body(queued)
        if isinstance(body, Blocked):
            return f"it waits for {body.waits_for}: {body.detail}"
        if isinstance(body, Rejected):
            return f"{body.reason}: {body.detail}"
        return Parcel(queued, body)

    def _deletion(self, finding: Finding) -> Parcel | str:
        if not self._link.dialect.deletes:
            return "this kind of server cannot delete a row"
        if not self._delete_extra:
            return "--delete-extra deletes it"
        key = dict(zip(TABLES[finding.table].natural_key, finding.key, strict=True))
        body: dict[str, Value] = {"__table__": finding.table, "__op__": "delete", **key}
        return Parcel(_queued(finding, Op.DELETE, finding.there or ()), body)


def _spot(finding: Finding) -> tuple[str, int, str]:
    time, node, _ = finding.key
    assert isinstance(node, int)
    return finding.table, node, str(time)[:10]


def _queued(finding: Finding, op: Op, row: Row) -> QueuedRow:
    values = dict(zip(TABLES[finding.table].columns, row, strict=False))
    return QueuedRow(0, 0, finding.table, op, values, finding.key, _LANE)
