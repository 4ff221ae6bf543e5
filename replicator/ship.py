"""The delivery pipeline: outbox → sink → settle. One public ``step`` and a thin loop over it.

A step reads as the promise: due → sift → resolve → send → judge → settle. The cursor moves only
past rows that the destination confirmed or that are parked, in the same transaction that records
them; whatever dies in between, the rows are sent again, and sending twice changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from replicator.change import Op, Value
from replicator.delivery import (
    Blocked,
    Delivered,
    Delivery,
    Parcel,
    QueuedRow,
    Rejected,
    Retry,
)
from replicator.errors import DestinationUnavailable
from replicator.model import TABLES
from replicator.outbox.deliveries import Cursor, Deliveries, ParkedRow, Settlement
from replicator.outbox.reader import OutboxReader
from replicator.sink.batch import Due, Mark, due, folded, queued_rows
from replicator.sink.lanes import Lanes

_SLOW_SECONDS = 10.0


class Sender(Protocol):
    """Delivers stream rows."""

    def deliver(self, parcels: Sequence[Parcel]) -> Delivery:
        """See replicator.delivery.Delivery."""


class Resolver(Protocol):
    """Makes ids the destination's, and reference rows current there."""

    def body(self, row: QueuedRow) -> Mapping[str, Value] | Blocked | Rejected:
        """What to send for a stream row."""

    def apply(self, table: str, local_id: int, op: Op) -> Delivered | Rejected | Blocked:
        """Make the destination's row like the station's latest."""


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


@dataclass(slots=True)
class _Round:
    """What became of the rows of one step, in order, as far as it came."""

    held: set[str]
    results: dict[int, Delivered | Rejected | Blocked] = field(default_factory=dict)
    waiting: list[tuple[int, Parcel]] = field(default_factory=list)
    keys: set[tuple[str, tuple[Value, ...]]] = field(default_factory=set)
    retry: Retry | None = None
    requests: int = 0
    bytes_sent: int = 0
    seconds: float = 0.0
    receipt: str = ""

    def settled(self, rows: Sequence[QueuedRow]) -> int:
        """How many rows, from the first on, have a result."""
        return next((i for i in range(len(rows)) if i not in self.results), len(rows))


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
        self._sender = sender
        self._resolver = resolver
        self._settings = settings
        self._clock = clock
        self._rows = settings.batch_rows
        self._row_bytes = 16.0

    def start(self) -> str:
        """Check the cursor against the outbox; rewind where they disagree. What was done, or ""."""
        cursor = self._deliveries.cursor()
        first, last = self._outbox.bounds()
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
        """One round: a held lane whose time has come, else the next rows.

        Raises DestinationRefused (credentials, not such a server); nothing is lost then.
        """
        lanes = self._deliveries.blocked_lanes()
        now = self._clock()
        ripe = next((lane for lane, next_try in lanes.items() if next_try <= now), None)
        if ripe is not None:
            return self._drain(ripe)
        batch = self._due()
        if not batch.slices:
            return Shipped(idle=True)
        rows = folded(queued_rows(batch, Lanes(self._outbox.reference)))
        rows = self._joined(rows) if lanes else rows
        done = self._process(rows, set(lanes))
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

    def _joined(self, rows: Sequence[QueuedRow]) -> list[QueuedRow]:
        """A row whose older version is held in some lane waits in that lane."""
        joined = []
        for row in rows:
            lane = self._deliveries.blocked_by_key(row.table, row.key)
            joined.append(row if lane is None else replace(row, lane=lane))
        return joined

    # --- what becomes of rows ------------------------------------------------------------------

    def _process(self, rows: Sequence[QueuedRow], held: set[str]) -> _Round:
        """Resolve, send and judge rows in order, up to the first that must be tried again."""
        done = _Round(held)
        try:
            for index, row in enumerate(rows):
                if row.lane in done.held:
                    done.results[index] = Blocked(row.lane, "waits behind older rows of its lane")
                elif TABLES[row.table].stream:
                    self._prepare(index, row, done)
                elif self._send(done):
                    self._apply(index, row, done)
                if done.retry is not None:
                    return done
            self._send(done)
        except DestinationUnavailable as error:
            done.retry = Retry(str(error), getattr(error, "after", None))
        return done

    def _prepare(self, index: int, row: QueuedRow, done: _Round) -> None:
        body = self._resolver.body(row)
        if isinstance(body, Rejected):
            done.results[index] = body
        elif isinstance(body, Blocked):
            self._hold(index, row, body, done)
        elif (row.table, row.key) not in done.keys or self._send(done):
            done.waiting.append((index, Parcel(row, body)))
            done.keys.add((row.table, row.key))

    def _apply(self, index: int, row: QueuedRow, done: _Round) -> None:
        local_id = row.values["id"]
        assert isinstance(local_id, int)
        result = self._resolver.apply(row.table, local_id, row.op)
        if isinstance(result, Blocked):
            self._hold(index, row, result, done)
        else:
            done.results[index] = result

    def _hold(self, index: int, row: QueuedRow, why: Blocked, done: _Round) -> None:
        """Hold the row's lane, unless it waits for something that will never come."""
        table, _, local_id = why.waits_for.partition(":")
        missing = table in TABLES and self._outbox.reference(table, int(local_id)) is None
        if missing and (row.op is not Op.SNAPSHOT or self._outbox.snapshot_complete()):
            done.results[index] = Rejected(
                "dangling", f"{row.table} refers to {table} {local_id}, which the station lacks"
            )
            return
        done.results[index] = why
        done.held.add(row.lane)

    def _send(self, done: _Round) -> bool:
        """Send what waits; True when all of it has a result."""
        if not done.waiting:
            return True
        delivery = self._sender.deliver([parcel for _, parcel in done.waiting])
        for (index, _), outcome in zip(done.waiting, delivery.outcomes, strict=True):
            if isinstance(outcome, Retry):
                done.retry = done.retry or outcome
            else:
                done.results[index] = outcome
                done.receipt = getattr(outcome, "receipt", "") or done.receipt
        done.requests += delivery.requests
        done.bytes_sent += delivery.bytes_sent
        done.seconds += delivery.seconds
        self._adapt(delivery, len(done.waiting), failed=done.retry is not None)
        done.waiting, done.keys = [], set()
        return done.retry is None

    def _adapt(self, delivery: Delivery, sent: int, *, failed: bool) -> None:
        """Smaller batches on a link that fails or is slow, larger ones while it carries them."""
        if delivery.bytes_sent and not failed:
            self._row_bytes += 0.2 * (delivery.bytes_sent / sent - self._row_bytes)
        if failed or delivery.too_large or delivery.seconds > _SLOW_SECONDS:
            self._rows = max(1, min(self._rows, sent) // 2)
        else:
            self._rows = min(self._settings.batch_rows, self._rows * 2)

    # --- settling ------------------------------------------------------------------------------

    def _settle(self, batch: Due, rows: Sequence[QueuedRow], done: _Round) -> Shipped:
        count = done.settled(rows)
        end = batch.end if count == len(rows) else batch.before(rows[count])
        times = {piece.entry.seq: piece.entry.committed_at for piece in batch.slices}
        cursor = Cursor(end.seq, end.row_index, end.position, end.row_total)
        moved = end != batch.start
        return self._record(rows[:count], done, times, cursor if moved else None)

    def _record(
        self,
        rows: Sequence[QueuedRow],
        done: _Round,
        times: Mapping[int, str],
        cursor: Cursor | None,
        *,
        drained: bool = False,
    ) -> Shipped:
        results = [(row, done.results[index]) for index, row in enumerate(rows)]
        delivered = [row for row, result in results if isinstance(result, Delivered)]
        parked = [
            ParkedRow(row, result, times[row.seq])
            for row, result in results
            if not isinstance(result, Delivered)
        ]
        if rows:
            settlement = Settlement(
                cursor,
                delivered,
                parked,
                done.requests,
                done.bytes_sent,
                done.seconds,
                done.receipt,
                drained,
            )
            next_try = self._clock() + self._settings.retry_blocked
            check = self._deliveries.has_parked()
            self._deliveries.settle(settlement, next_try, check_parked=check)
        return Shipped(len(delivered), len(parked), done.retry)

    def _drain(self, lane: str) -> Shipped:
        """Send a held lane's rows in order, up to the first that still waits."""
        held_rows = self._deliveries.lane_rows(lane, self._limit())
        rows = [row for row, _ in held_rows]
        done = self._process(rows, set())
        results = [done.results[index] for index in range(done.settled(rows))]
        stop = next((i for i, r in enumerate(results) if isinstance(r, Blocked)), len(results))
        times = {row.seq: committed_at for row, committed_at in held_rows}
        shipped = self._record(rows[:stop], done, times, None, drained=True)
        if stop < len(results) or not rows:
            why = results[stop] if rows else Blocked("", "empty")
            assert isinstance(why, Blocked)
            next_try = self._clock() + self._settings.retry_blocked
            self._deliveries.hold_lane(lane, why, next_try)
        return shipped
