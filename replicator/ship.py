"""The delivery pipeline: outbox → sink → settle. One public ``step`` and a thin loop over it.

A step reads as the promise: due → sift → resolve → send → judge → settle. The cursor moves only
past rows that the destination confirmed or that are parked, in the same transaction that records
them; whatever dies in between, the rows are sent again, and sending twice changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from replicator.change import Op
from replicator.delivery import Blocked, Delivered, QueuedRow, Rejected, Retry
from replicator.model import TABLES
from replicator.outbox.deliveries import Cursor, Deliveries, ParkedRow, Settlement
from replicator.outbox.reader import OutboxReader
from replicator.outbox.resends import Resends
from replicator.sink.batch import Due, Mark, due, folded, queued_rows
from replicator.sink.former import misplaced
from replicator.sink.lanes import Lanes
from replicator.sink.picked import picked
from replicator.sink.round import Resolver, Result, Round, Rounds, Sender

_SLOW_SECONDS = 10.0
_FEWEST_ROWS = 10
_TABLE_ORDER = tuple(TABLES)


@dataclass(frozen=True, slots=True)
class ShipSettings:
    """``batch_rows``, ``batch_bytes``: upper bounds; ``retry_blocked``: seconds between tries."""

    batch_rows: int = 2_000
    batch_bytes: int = 256 << 10
    retry_blocked: float = 60.0


@dataclass(frozen=True, slots=True)
class Shipped:
    """What a step settled. ``retry``: why it could not go on; ``idle``: nothing was due."""

    delivered: int = 0
    parked: int = 0
    retry: Retry | None = None
    idle: bool = False


class Ship:
    """Delivers one outbox to one destination. The caller holds the role's lock."""

    def __init__(
        self,
        outbox: OutboxReader,
        deliveries: Deliveries,
        sender: Sender,
        resolver: Resolver,
        settings: ShipSettings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._outbox = outbox
        self._deliveries = deliveries
        self._resends = Resends(deliveries.database, deliveries.path)
        self._rounds = Rounds(sender, resolver, self._hopeless)
        self._settings = settings
        self._clock = clock
        self._rows = settings.batch_rows
        self._row_bytes = 16.0

    def start(self) -> str:
        """Check the cursor against the outbox; rewind where they disagree. What was done, or ""."""
        cursor = self._deliveries.cursor()
        first, last = self._outbox.bounds()
        if cursor.row_index:  # the entry half sent is not known by a position: send it whole
            total = cursor.row_total - cursor.row_index
            cursor = replace(cursor, row_index=0, row_total=total)
            self._deliveries.rewind(cursor)
        if cursor.seq == 0 or cursor.seq < first:
            return ""
        if cursor.seq <= last and self._outbox.position_of(cursor.seq) == cursor.position:
            return ""
        common = self._last_common(first)
        self._deliveries.rewind(common)
        return (
            f"the outbox has fallen back behind what was delivered (entry {cursor.seq}); "
            f"sending again from entry {common.seq + 1}"
        )

    def _last_common(self, first: int) -> Cursor:
        for seq, position in self._deliveries.receipts():
            if self._outbox.position_of(seq) == position:
                return Cursor(seq, 0, position, self._outbox.row_total_at(seq))
        seq = max(first - 1, 0)
        return Cursor(seq, 0, "", self._outbox.row_total_at(seq))

    def step(self) -> Shipped:
        """One round: a held lane whose time has come, else rows to send again, else the next rows.

        Raises DestinationRefused (credentials, not such a server); nothing is lost then.
        """
        lanes = self._deliveries.blocked_lanes()
        now = self._clock()
        ripe = next((lane for lane, next_try in lanes.items() if next_try <= now), None)
        if ripe is not None:
            return self._drain(ripe)
        if self._resends.pending():
            return self._resend(set(lanes))
        batch = self._due()
        if not batch.slices:
            return Shipped(idle=True)
        rows = self._renewed(folded(queued_rows(batch, Lanes(self._outbox.reference))))
        rows = self._joined(rows) if lanes else rows
        done = self._rounds.carry_out(rows, set(lanes), self._misplaced(rows))
        self._adapt(done)
        return self._settle(batch, rows, done)

    def _due(self) -> Due:
        cursor = self._deliveries.cursor()
        start = Mark(cursor.seq, cursor.row_index, cursor.position, cursor.row_total)
        entries = self._outbox.entries(cursor.seq)
        batch = due(start, entries, self._limit())
        entries.close()
        return batch

    def _limit(self) -> int:
        return max(1, min(self._rows, int(self._settings.batch_bytes / self._row_bytes)))

    def _misplaced(self, rows: Sequence[QueuedRow]) -> dict[int, Rejected]:
        """Rows that refer to an id which belongs to another row by now."""
        born = self._outbox.born()
        if not born:
            return {}
        return misplaced(rows, born, self._outbox.reference, self._deliveries.mapped_born)

    def _renewed(self, rows: list[QueuedRow]) -> list[QueuedRow]:
        """An insert of a NULL over a row that could not be deleted there is an update."""
        if not self._deliveries.has_undeleted():
            return rows
        return [
            replace(row, op=Op.UPDATE)
            if row.op is Op.INSERT
            and None in row.values.values()
            and self._deliveries.is_undeleted(row.table, row.key)
            else row
            for row in rows
        ]

    def _joined(self, rows: Sequence[QueuedRow]) -> list[QueuedRow]:
        """A row whose older version is held in some lane waits in that lane."""
        joined = []
        for row in rows:
            lane = self._deliveries.blocked_by_key(row.table, row.key)
            joined.append(row if lane is None else replace(row, lane=lane))
        return joined

    def _adapt(self, done: Round) -> None:
        """Smaller batches on a link that fails or is slow, larger ones while it carries them."""
        if done.sent and not done.retry:
            self._row_bytes += 0.2 * (done.bytes_sent / done.sent - self._row_bytes)
        if done.retry or done.too_large or done.seconds > _SLOW_SECONDS:
            self._rows = max(_FEWEST_ROWS, min(self._rows, done.sent) // 2)
        elif done.sent:
            self._rows = min(self._settings.batch_rows, self._rows * 2)

    def _hopeless(self, waits_for: str, op: Op) -> Rejected | None:
        """Why waiting does not help a row: the station lacks the one it refers to.

        Or has not read it yet: then the snapshot under way reads the row itself later, too, unless
        it is deleted before; tables are read in an order in which references come first.
        """
        table, _, local_id = waits_for.partition(":")
        reading = self._outbox.snapshot_table()
        if table not in TABLES or self._outbox.reference(table, int(local_id)) is not None:
            return None
        if op is Op.SNAPSHOT and reading is not None:
            return None
        if reading is not None and _TABLE_ORDER.index(reading) <= _TABLE_ORDER.index(table):
            detail = f"it refers to {waits_for}; the snapshot under way reads both"
            return Rejected("read-again", detail, superseded=True)
        return Rejected("dangling", f"it refers to {waits_for}, which the station does not have")

    def _settle(self, batch: Due, rows: Sequence[QueuedRow], done: Round) -> Shipped:
        results = done.settled(rows)
        complete = len(results) == len(rows)
        end = batch.end if complete else batch.before(rows[len(results)])
        times = {piece.entry.seq: piece.entry.committed_at for piece in batch.slices}
        cursor = Cursor(end.seq, end.row_index, end.position, end.row_total)
        moved = cursor if end != batch.start else None
        return self._record(zip(rows, results, strict=False), done, times, moved)

    def _drain(self, lane: str) -> Shipped:
        """Send a held lane's rows in order, up to the first that still waits."""
        held_rows = self._deliveries.lane_rows(lane, self._limit())
        rows = [row for row, _ in held_rows]
        done = self._rounds.carry_out(rows, set(), self._misplaced(rows))
        self._adapt(done)
        results = done.settled(rows)
        stop = next((i for i, r in enumerate(results) if isinstance(r, Blocked)), len(results))
        times = {row.seq: committed_at for row, committed_at in held_rows}
        settled = zip(rows, results[:stop], strict=False)
        shipped = self._record(settled, done, times, None, drained=True)
        if stop < len(results) or not rows:
            why = results[stop] if rows else Blocked("", "empty")
            assert isinstance(why, Blocked)
            next_try = self._clock() + self._settings.retry_blocked
            self._deliveries.hold_lane(lane, why, next_try)
        return shipped

    def _resend(self, lanes: set[str]) -> Shipped:
        """Send rows behind the cursor again, as an operator wants."""
        chosen = [(self._outbox.entry(s), s, p) for s, p in self._resends.first(self._limit())]
        gone = [(seq, place) for entry, seq, places in chosen if entry is None for place in places]
        batch = picked((entry, places) for entry, _, places in chosen if entry is not None)
        rows = self._joined(queued_rows(batch, Lanes(self._outbox.reference)))
        done = self._rounds.carry_out(rows, lanes, self._misplaced(rows))
        self._adapt(done)
        results = done.settled(rows)
        times = {piece.entry.seq: piece.entry.committed_at for piece in batch.slices}
        shipped = self._record(zip(rows, results, strict=False), done, times, None)
        self._resends.take_off([*gone, *((row.seq, row.index) for row in rows[: len(results)])])
        return shipped

    def _record(
        self,
        settled: Iterable[tuple[QueuedRow, Result]],
        done: Round,
        times: Mapping[int, str],
        cursor: Cursor | None,
        *,
        drained: bool = False,
    ) -> Shipped:
        delivered: list[QueuedRow] = []
        parked: list[ParkedRow] = []
        for row, result in settled:
            if isinstance(result, Delivered):
                delivered.append(row)
            else:
                parked.append(ParkedRow(row, result, times[row.seq]))
        if delivered or parked:
            cost = (done.requests, done.bytes_sent, done.seconds, done.receipt)
            settlement = Settlement(cursor, delivered, parked, *cost, drained)
            next_try = self._clock() + self._settings.retry_blocked
            check = bool(parked) or self._deliveries.has_parked()
            self._deliveries.settle(settlement, next_try, check_parked=check)
        stuck = sum(not (isinstance(p.why, Rejected) and p.why.superseded) for p in parked)
        return Shipped(len(delivered), stuck, done.retry)
