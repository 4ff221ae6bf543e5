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

import orjson

from replicator.change import Op, Value
from replicator.delivery import Blocked, QueuedRow, Rejected
from replicator.outbox.clock import Clock, text
from replicator.outbox.clock import now as wall_clock
from replicator.outbox.resends import Resends
from replicator.outbox.store import Synchronous, destination_file, immediate, open_store, translated

RECEIPTS_KEPT = 10_000
_FORGET_EVERY = 100  # receipts
_SYNC_SECONDS = 1.0  # at most so much of what was delivered is not on the disk yet

_PARK = """
INSERT INTO parked (seq, row_index, table_name, op, key, lane, row, kind, reason, detail,
                    committed_at, parked_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (seq, row_index) DO UPDATE SET lane = excluded.lane, kind = excluded.kind,
  reason = excluded.reason, detail = excluded.detail, parked_at = excluded.parked_at
"""
_BLOCK_LANE = """
INSERT INTO lane (lane, waits_for, detail, blocked_at, next_try, tries) VALUES (?, ?, ?, ?, ?, 1)
ON CONFLICT (lane) DO UPDATE SET waits_for = excluded.waits_for, detail = excluded.detail,
  next_try = excluded.next_try, tries = lane.tries + 1
"""
_SUPERSEDE = """
UPDATE parked SET kind = 'superseded',
  detail = detail || '; entry ' || ?3 || ' has delivered the row since'
WHERE kind != 'superseded' AND table_name = ?1 AND key = ?2 AND (seq, row_index) <= (?3, ?4)
"""
_REJECTED_KEYS = "SELECT table_name, key FROM parked WHERE kind != 'superseded' LIMIT ?"
_REJECTED_READ = 2_000
_RECEIPT = """
INSERT INTO receipt (seq, row_index, position, delivered, parked, requests, bytes, seconds,
                     receipt, settled_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_ADD_UP = """
UPDATE total SET delivered = delivered + ?, requests = requests + ?, bytes = bytes + ?
"""
_UNDELETED = "SELECT 1 FROM parked WHERE kind = 'rejected' AND reason = 'cannot-delete'"
_STANDING = f"""
SELECT seq, row_index, position, row_total, EXISTS (SELECT 1 FROM lane),
  EXISTS (SELECT 1 FROM resend), EXISTS ({_UNDELETED}) FROM cursor
"""  # noqa: S608  # constants
_LANE_ROWS = """
SELECT seq, row_index, table_name, op, row, key, lane, committed_at FROM parked
WHERE lane = ? AND kind = 'blocked' ORDER BY seq, row_index LIMIT ?
"""


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

    # --- parked rows ---------------------------------------------------------------------------

    def blocked_lanes(self) -> dict[str, float]:
        """lane → Unix time of the next try."""
        return dict(self._query("SELECT lane, next_try FROM lane"))

    def has_parked(self) -> bool:
        """Is any row blocked or rejected?"""
        rows = self._query("SELECT 1 FROM parked WHERE kind != 'superseded' LIMIT 1")
        return bool(rows)

    def has_undeleted(self) -> bool:
        """Is any row at the destination still that was deleted here?"""
        return bool(self._query(_UNDELETED + " LIMIT 1"))

    def is_undeleted(self, table: str, key: Sequence[Value]) -> bool:
        """Is this one?"""
        sql = _UNDELETED + " AND table_name = ? AND key = ? LIMIT 1"
        return bool(self._query(sql, (table, key_text(key))))

    def has_rejected(self, keys: Mapping[str, Set[tuple[Value, ...]]]) -> bool:
        """Whether a version of any of these rows (table → keys) was rejected, or may have been."""
        rows = self._query(_REJECTED_KEYS, (_REJECTED_READ + 1,))
        if len(rows) > _REJECTED_READ:
            return True
        return any(tuple(orjson.loads(key)) in keys.get(table, ()) for table, key in rows)

    def blocked_by_key(self, table: str, key: Sequence[Value]) -> str | None:
        """The lane in which an older version of this row is held, if any."""
        rows = self._query(
            "SELECT lane FROM parked WHERE table_name = ? AND key = ? AND kind = 'blocked' LIMIT 1",
            (table, key_text(key)),
        )
        return rows[0][0] if rows else None

    def lane_rows(self, lane: str, limit: int) -> list[tuple[QueuedRow, str]]:
        """The oldest held rows of a lane, in order, each with its commit time."""
        return [
            (
                QueuedRow(
                    seq,
                    index,
                    table,
                    Op(op),
                    orjson.loads(row),
                    tuple(orjson.loads(key)),
                    held_lane,
                ),
                committed_at,
            )
            for seq, index, table, op, row, key, held_lane, committed_at in self._query(
                _LANE_ROWS, (lane, limit)
            )
        ]

    def hold_lane(self, lane: str, why: Blocked, next_try: float) -> None:
        """Keep a lane held until a time (Unix seconds); a lane without rows opens."""
        with self._transaction():
            self._block(lane, why, next_try)
            self._open_empty_lanes()

    def retry_lanes_now(self) -> None:
        """Let every held lane be tried at the next step."""
        with self._transaction():
            self._connection.execute("UPDATE lane SET next_try = 0")

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
                self._connection.executemany(
                    "DELETE FROM parked WHERE seq = ? AND row_index = ?",
                    ((row.seq, row.index) for row in outcome.delivered),
                )
            for parked in outcome.parked:
                self._park(parked, next_try)
            if check_parked:
                self._connection.executemany(
                    _SUPERSEDE,
                    (
                        (row.table, key_text(row.key), row.seq, row.index)
                        for row in outcome.delivered
                    ),
                )
            if told:
                self._open_empty_lanes()
            if outcome.cursor is not None:
                self._move(outcome.cursor)
            self._keep_receipt(outcome)

    def _park(self, parked: ParkedRow, next_try: float) -> None:
        row, why = parked.row, parked.why
        reason = f"waits for {why.waits_for}" if isinstance(why, Blocked) else why.reason
        self._connection.execute(
            _PARK,
            (
                row.seq,
                row.index,
                row.table,
                row.op.value,
                key_text(row.key),
                row.lane,
                orjson.dumps(dict(row.values)).decode(),
                _kind(why),
                reason,
                why.detail,
                parked.committed_at,
                text(self._clock()),
            ),
        )
        if isinstance(why, Blocked):
            self._connection.execute(
                "INSERT OR IGNORE INTO lane VALUES (?, ?, ?, ?, ?, 1)",
                (row.lane, why.waits_for, why.detail, text(self._clock()), next_try),
            )

    def _block(self, lane: str, why: Blocked, next_try: float) -> None:
        self._connection.execute(
            _BLOCK_LANE, (lane, why.waits_for, why.detail, text(self._clock()), next_try)
        )

    def _open_empty_lanes(self) -> None:
        self._connection.execute(
            "DELETE FROM lane WHERE NOT EXISTS (SELECT 1 FROM parked "
            "WHERE parked.lane = lane.lane AND parked.kind = 'blocked')"
        )

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


def _kind(why: Blocked | Rejected) -> str:
    if isinstance(why, Blocked):
        return "blocked"
    return "superseded" if why.superseded else "rejected"


def key_text(key: Sequence[Value]) -> str:
    """A natural key as the parked table keeps it: a JSON array."""
    return orjson.dumps(list(key)).decode()
