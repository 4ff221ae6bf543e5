"""The delivery pipeline: outbox → sink → settle. One public ``step`` and a thin loop over it.

A step reads as the promise: due → sift → resolve → send → judge → settle. The cursor moves only
past rows that the destination confirmed or that are parked, in the same transaction that records
them; whatever dies in between, the rows are sent again, and sending twice changes nothing.

While a request is under way the next batch is prepared (sink.express); it is sent only if the
cursor has come to where it begins.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from replicator.change import Op
from replicator.contract import Ledger, Log
from replicator.delivery import Blocked, Delivered, Parcel, QueuedRow, Rejected, Retry
from replicator.errors import ReplicatorError
from replicator.model import TABLES
from replicator.outbox.deliveries import Cursor, ParkedRow, Settlement, Standing
from replicator.sink.batch import Due, LazyRows, Mark, due, folded, queued_rows
from replicator.sink.bulk import Attempt
from replicator.sink.express import Express, Load
from replicator.sink.former import misplaced
from replicator.sink.lanes import Lanes
from replicator.sink.pace import Pace
from replicator.sink.picked import picked
from replicator.sink.round import Deliver, Resolver, Result, Round, Rounds, Sender

_TABLE_ORDER = tuple(TABLES)


@dataclass(frozen=True, slots=True)
class ShipSettings:
    """``batch_rows``, ``batch_bytes``: upper bounds; ``retry_blocked``: seconds between tries."""

    batch_rows: int = 10_000
    batch_bytes: int = 256 << 10
    retry_blocked: float = 60.0


@dataclass(frozen=True, slots=True)
class Shipped:
    """What a step settled. ``retry``: why it could not go on; ``idle``: nothing was due."""

    delivered: int = 0
    parked: int = 0
    retry: Retry | None = None
    idle: bool = False


def _unknown(_table: str, _local_id: int) -> None:
    """A look-up where the lane does not matter."""


def _hopeless(outbox: Log, waits_for: str, op: Op) -> Rejected | None:
    """Why waiting does not help a row: the station lacks the one it refers to.

    Or has not read it yet: then the snapshot under way reads the row itself later, too, unless
    it is deleted before; tables are read in an order in which references come first.
    """
    table, _, local_id = waits_for.partition(":")
    reading = outbox.snapshot_table()
    if table not in TABLES or outbox.reference(table, int(local_id)) is not None:
        return None
    if op is Op.SNAPSHOT and reading is not None:
        return None
    if reading is not None and _TABLE_ORDER.index(reading) <= _TABLE_ORDER.index(table):
        detail = f"it refers to {waits_for}; the snapshot under way reads both"
        return Rejected("read-again", detail, superseded=True)
    return Rejected("dangling", f"it refers to {waits_for}, which the station does not have")


class Ship:
    """Delivers one outbox to one destination. The caller holds the role's lock."""

    def __init__(
        self,
        outbox: Log,
        deliveries: Ledger,
        sender: Sender,
        resolver: Resolver,
        settings: ShipSettings,
        clock: Callable[[], float] = time.time,
        *,
        express: Express | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._outbox = outbox
        self._deliveries = deliveries
        self._resends = deliveries.resends
        self._rounds = Rounds(sender, resolver, partial(_hopeless, outbox))
        self._resolver = resolver
        self._settings = settings
        self._clock = clock
        self._express = express
        self._pace = pace or Pace(settings.batch_rows, settings.batch_bytes)
        self._ahead: tuple[Due, Load] | None = None
        self._closing: tuple[Parcel, bool] | None = None  # of the load under way

    def start(self) -> str:
        """Check the cursor against the outbox; rewind where they disagree. What was done, or ""."""
        cursor = self._deliveries.cursor()
        first, last = self._outbox.bounds()
        if cursor.row_index:  # the entry half sent is not known by a position: send it whole
            total = cursor.row_total - cursor.row_index
            cursor = replace(cursor, row_index=0, row_total=total)
            self._deliveries.rewind(cursor)
        if cursor.seq and cursor.seq < first - 1:
            return self._skipped(cursor, first - 1)
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

    def _skipped(self, cursor: Cursor, to: int) -> str:
        """Go on behind entries that are gone: what settled them may have gone with the power."""
        self._deliveries.rewind(Cursor(to, 0, "", self._outbox.row_total_at(to)))
        return (
            f"entries {cursor.seq + 1} to {to} are not held any more: they were delivered before a"
            " power cut, or have expired while this destination was not configured; `replicator"
            " verify` says whether the centre has them"
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
        standing = self._deliveries.standing()
        lanes = self._deliveries.blocked_lanes() if standing.lanes else {}
        now = self._clock()
        ripe = next((lane for lane, next_try in lanes.items() if next_try <= now), None)
        if ripe is not None:
            return self._drain(ripe)
        if standing.resends:
            return self._resend(set(lanes))
        batch, load = self._next(standing, self._express if not lanes else None)
        if not batch.slices:
            return Shipped(idle=True)
        attempt = self._sent(batch, load) if load else None
        if attempt is not None and attempt.receipt is not None:
            assert load is not None
            return self._settle_whole(batch, load, attempt)
        rows = self._renewed(folded(queued_rows(batch, Lanes(self._outbox.reference))))
        rows = self._joined(rows) if lanes else rows
        judging = self._judging(attempt)
        done = self._rounds.carry_out(rows, set(lanes), self._misplaced(rows), judging)
        self._adapt(done)
        return self._settle(batch, rows, done)

    def _next(self, standing: Standing, express: Express | None) -> tuple[Due, Load | None]:
        """What is due behind the cursor, and the load of it: prepared before, or now."""
        cursor = standing.cursor
        start = Mark(cursor.seq, cursor.row_index, cursor.position, cursor.row_total)
        express = express if not standing.undeleted and self._is_plain(start) else None
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0].start == start:
            batch, load = ahead
            if express and express.holds(load):
                return batch, load
        else:
            batch = self._due(start)
        return batch, express.prepare(batch) if express and batch.slices else None

    def _due(self, start: Mark) -> Due:
        entries = self._outbox.entries(start.seq)
        batch = due(start, entries, self._pace.limit())
        entries.close()
        return batch

    def _sent(self, batch: Due, load: Load) -> Attempt:
        """Send a load, and look ahead while the destination works on it."""
        assert self._express is not None
        self._closing = None
        return self._express.send(load, lambda: self._meanwhile(batch, load))

    def _meanwhile(self, batch: Due, load: Load) -> None:
        """What is wanted when it was stored, and what comes behind it."""
        with suppress(ReplicatorError):  # it is met again, where it can be told
            self._closing = self._close(batch, load)
        self._look_ahead(batch)

    def _close(self, batch: Due, load: Load) -> tuple[Parcel, bool]:
        """The last row of a batch, as it is sent; may older versions of its rows be parked?"""
        (last,) = queued_rows(batch.last, Lanes(_unknown))
        body = self._resolver.body(last)
        assert isinstance(body, Mapping), "its mappings hold"
        keys = {part.table: part.keys for part in load.parts}
        return Parcel(last, body), self._deliveries.has_rejected(keys)

    def _look_ahead(self, batch: Due) -> None:
        """Prepare what comes behind a batch, where that fills another one."""
        assert self._express is not None
        if len(batch) < self._pace.limit():
            return
        try:
            following = self._due(batch.end)
            if len(following) >= self._pace.limit():
                load = self._express.prepare(following)
                self._ahead = (following, load) if load else None
        except ReplicatorError:  # the next step meets it again, where it can be told
            self._ahead = None

    def _judging(self, attempt: Attempt | None) -> Deliver | None:
        return self._express.judging(attempt) if self._express and attempt else None

    def _is_plain(self, start: Mark) -> bool:
        """From there on no id is used again."""
        return not any(born > start.seq for born in self._outbox.born().values())

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
        failed = bool(done.retry) or done.too_large
        self._pace.learn(done.sent, done.bytes_sent, done.seconds, failed=failed)

    def _settle_whole(self, batch: Due, load: Load, attempt: Attempt) -> Shipped:
        """All of a batch was stored by one request."""
        assert self._express is not None
        rows = LazyRows(batch, Lanes(self._outbox.reference))
        last, check = self._closing or self._close(batch, load)
        self._express.saw(last)
        cost = (attempt.requests, attempt.bytes_sent, attempt.seconds)
        self._pace.learn(len(rows), attempt.bytes_sent, attempt.seconds, failed=False)
        end = batch.end
        cursor = Cursor(end.seq, end.row_index, end.position, end.row_total)
        settlement = Settlement(cursor, rows, [], *cost, attempt.receipt or "")
        self._deliveries.settle(settlement, 0.0, check_parked=check)
        return Shipped(len(rows))

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
        held_rows = self._deliveries.lane_rows(lane, self._pace.limit())
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
        chosen = [(self._outbox.entry(s), s, p) for s, p in self._resends.first(self._pace.limit())]
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
