"""One destination's file: cursor, parked rows, receipts. Ship is its one steady writer.

The rule this file keeps: what a delivery changed (cursor, parked rows, receipt) commits together,
so a crash repeats a delivery, which is harmless, and never skips one. That is also why a commit
that only says "delivered" need not wait for the disk: after a power cut those rows are sent again.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from replicator.change import Value
from replicator.delivery import Blocked, QueuedRow, Rejected
from replicator.outbox.aside import UNDELETED, Aside
from replicator.outbox.clock import Clock, text
from replicator.outbox.clock import now as wall_clock
from replicator.outbox.resends import Resends
from replicator.outbox.store import Synchronous, destination_file, immediate, open_store, translated

RECEIPTS_KEPT = 10_000
_FORGET_EVERY = 100  # receipts
_SYNC_SECONDS = 1.0  # at most so much of what was delivered is not on the disk yet

_RECEIPT = """
INSERT INTO receipt (seq, row_index, position, delivered, parked, requests, bytes, seconds,
                     receipt, settled_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_ADD_UP = """
UPDATE total SET delivered = delivered + ?, requests = requests + ?, bytes = bytes + ?
"""
_STANDING = f"""
SELECT seq, row_index, position, row_total, EXISTS (SELECT 1 FROM lane),
  EXISTS (SELECT 1 FROM resend), EXISTS ({UNDELETED}) FROM cursor
"""  # noqa: S608  # constants


@dataclass(frozen=True, slots=True)
class Cursor:
    """Everything up to entry ``seq`` and ``row_index`` rows of the next entry are settled."""

    seq: int
    row_index: int
    position: str
    row_total: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What a step has to know before it begins, in one look.

    ``lanes``      rows are held in lanes
    ``resends``    rows are to be sent again
    ``undeleted``  rows are at the destination that were deleted here
    """

    cursor: Cursor
    lanes: bool
    resends: bool
    undeleted: bool


@dataclass(frozen=True, slots=True)
class ParkedRow:
    """A row to take out of the flow, and why."""

    row: QueuedRow
    why: Blocked | Rejected
    committed_at: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """What one step changed; ``cursor`` None leaves it where it is (a drained lane)."""

    cursor: Cursor | None
    delivered: Sequence[QueuedRow]
    parked: Sequence[ParkedRow]
    requests: int = 0
    bytes_sent: int = 0
    seconds: float = 0.0
    receipt: str = ""
    drained: bool = False


class Deliveries:
    """Reads and writes one <destination>.db. The caller holds the role's lock."""

    def __init__(
        self,
        folder: Path,
        name: str,
        synchronous: Synchronous = "FULL",
        clock: Clock = wall_clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = folder / destination_file(name)
        self.database = open_store(self.path, "destination", synchronous)
        self._connection: sqlite3.Connection = self.database.conn
        self._clock = clock
        self._monotonic = monotonic
        self._synchronous = synchronous
        self._sync_due = 0.0
        self._aside = Aside(self.database, self.path, clock)
        self.resends = Resends(self.database, self.path)

    # --- cursor --------------------------------------------------------------------------------

    def cursor(self) -> Cursor:
        """Where delivery stands."""
        row = self._query("SELECT seq, row_index, position, row_total FROM cursor")[0]
        return Cursor(*row)

    def standing(self) -> Standing:
        """Where delivery stands, and what goes before the flow."""
        seq, index, position, total, *flags = self._query(_STANDING)[0]
        return Standing(Cursor(seq, index, position, total), *map(bool, flags))

    def mapped_born(self, table: str, local_id: int) -> int | None:
        """Since which entry the id is that of the mapped row; None where there is no mapping."""
        sql = "SELECT born FROM mapping WHERE table_name = ? AND local_id = ?"
        rows = self._query(sql, (table, local_id))
        return rows[0][0] if rows else None

    def receipts(self) -> Iterator[tuple[int, str]]:
        """(seq, position) of past cursors at whole entries, newest first."""
        yield from self._query(
            "SELECT seq, position FROM receipt WHERE row_index = 0 ORDER BY id DESC"
        )

    def rewind(self, cursor: Cursor) -> None:
        """Move the cursor back; what follows it is sent again, by the flow."""
        with self._transaction():
            self._move(cursor)
            self._connection.execute("DELETE FROM resend WHERE seq > ?", (cursor.seq,))

    def advance(self, cursor: Cursor) -> None:
        """Move it past rows that the destination has or that go before the flow.

        In the caller's transaction, which names those rows.
        """
        self._move(cursor)

    # --- parked rows: outbox.aside -------------------------------------------------------------

    def blocked_lanes(self) -> dict[str, float]:
        """lane → Unix time of the next try."""
        return self._aside.blocked_lanes()

    def has_parked(self) -> bool:
        """Is any row blocked or rejected?"""
        return self._aside.has_parked()

    def has_undeleted(self) -> bool:
        """Is any row at the destination still that was deleted here?"""
        return self._aside.has_undeleted()

    def is_undeleted(self, table: str, key: Sequence[Value]) -> bool:
        """Is this one?"""
        return self._aside.is_undeleted(table, key)

    def has_rejected(self, keys: Mapping[str, Set[tuple[Value, ...]]]) -> bool:
        """Whether a version of any of these rows (table → keys) was rejected, or may have been."""
        return self._aside.has_rejected(keys)

    def blocked_by_key(self, table: str, key: Sequence[Value]) -> str | None:
        """The lane in which an older version of this row is held, if any."""
        return self._aside.blocked_by_key(table, key)

    def lane_rows(self, lane: str, limit: int) -> list[tuple[QueuedRow, str]]:
        """The oldest held rows of a lane, in order, each with its commit time."""
        return self._aside.lane_rows(lane, limit)

    def hold_lane(self, lane: str, why: Blocked, next_try: float) -> None:
        """Keep a lane held until a time (Unix seconds); a lane without rows opens."""
        self._aside.hold_lane(lane, why, next_try)

    def retry_lanes_now(self) -> None:
        """Let every held lane be tried at the next step."""
        self._aside.retry_lanes_now()

    # --- settling ------------------------------------------------------------------------------

    def settle(self, outcome: Settlement, next_try: float, *, check_parked: bool) -> None:
        """Commit what one step changed, together.

        On the disk when this returns, unless the step did nothing but deliver: such commits are
        brought there once a second, and with whatever is written next.

        ``next_try``      when lanes blocked now are tried again (Unix seconds)
        ``check_parked``  older parked versions of delivered rows may exist: mark them superseded,
                          so that none of them is ever sent over a newer one
        """
        told = bool(outcome.parked) or outcome.drained or check_parked
        with self._reaching_disk(at_once=told), self._transaction():
            if outcome.drained:
                self._aside.take_off(outcome.delivered)
            for parked in outcome.parked:
                self._aside.park(parked.row, parked.why, parked.committed_at, next_try)
            if check_parked:
                self._aside.supersede(outcome.delivered)
            if told:
                self._aside.open_empty_lanes()
            if outcome.cursor is not None:
                self._move(outcome.cursor)
            self._keep_receipt(outcome)

    def _move(self, cursor: Cursor) -> None:
        self._connection.execute(
            "UPDATE cursor SET seq = ?, row_index = ?, position = ?, row_total = ?, updated_at = ?",
            (cursor.seq, cursor.row_index, cursor.position, cursor.row_total, text(self._clock())),
        )

    def _keep_receipt(self, outcome: Settlement) -> None:
        at = outcome.cursor or self.cursor()
        receipt_id = self._connection.execute(
            _RECEIPT,
            (
                at.seq,
                at.row_index,
                at.position,
                len(outcome.delivered),
                len(outcome.parked),
                outcome.requests,
                outcome.bytes_sent,
                outcome.seconds,
                outcome.receipt,
                text(self._clock()),
            ),
        ).lastrowid
        assert receipt_id is not None
        cost = (len(outcome.delivered), outcome.requests, outcome.bytes_sent)
        self._connection.execute(_ADD_UP, cost)
        if receipt_id % _FORGET_EVERY == 0:
            gone = receipt_id - RECEIPTS_KEPT
            self._connection.execute("DELETE FROM receipt WHERE id <= ?", (gone,))

    def _query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple]:  # type: ignore[type-arg]  # rows as SQLite gives them
        with translated(self.path):
            return self._connection.execute(sql, parameters).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with translated(self.path), immediate(self._connection):
            yield

    @contextmanager
    def _reaching_disk(self, *, at_once: bool) -> Iterator[None]:
        """A transaction inside waits for the disk, or not if another has done so just now."""
        now = self._monotonic()
        if at_once or now >= self._sync_due:
            self._sync_due = now + _SYNC_SECONDS
            yield
            return
        with translated(self.path):
            self._connection.execute("PRAGMA synchronous = NORMAL")
        try:
            yield
        finally:
            with translated(self.path):
                self._connection.execute(f"PRAGMA synchronous = {self._synchronous}")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
