"""Ship's side of parked rows: set aside in one <destination>.db, asked after, and taken off again.

The rules this file keeps:
  * a lane is held as long as there is a blocked row in it;
  * older versions of a row that was delivered are superseded: none is ever sent over it.

The operator's side of them is ``outbox.parking``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path

import orjson
from sqlite_utils import Database

from replicator.change import Op, Value
from replicator.delivery import Blocked, QueuedRow, Rejected
from replicator.outbox.clock import Clock, text
from replicator.outbox.store import immediate, translated

UNDELETED = "SELECT 1 FROM parked WHERE kind = 'rejected' AND reason = 'cannot-delete'"
OPEN_EMPTY_LANES = (
    "DELETE FROM lane WHERE NOT EXISTS (SELECT 1 FROM parked "
    "WHERE parked.lane = lane.lane AND parked.kind = 'blocked')"
)
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
_LANE_ROWS = """
SELECT seq, row_index, table_name, op, row, key, lane, committed_at FROM parked
WHERE lane = ? AND kind = 'blocked' ORDER BY seq, row_index LIMIT ?
"""


class Aside:
    """The rows that are out of the flow, and the lanes that they hold."""

    def __init__(self, database: Database, path: Path, clock: Clock) -> None:
        self._path = path
        self._connection: sqlite3.Connection = database.conn
        self._clock = clock

    def has_parked(self) -> bool:
        """Is any row blocked or rejected?"""
        return bool(self._query("SELECT 1 FROM parked WHERE kind != 'superseded' LIMIT 1"))

    def has_rejected(self, keys: Mapping[str, Set[tuple[Value, ...]]]) -> bool:
        """Whether a version of any of these rows (table → keys) was rejected, or may have been."""
        rows = self._query(_REJECTED_KEYS, (_REJECTED_READ + 1,))
        if len(rows) > _REJECTED_READ:
            return True
        return any(tuple(orjson.loads(key)) in keys.get(table, ()) for table, key in rows)

    def has_undeleted(self) -> bool:
        """Is any row at the destination still that was deleted here?"""
        return bool(self._query(UNDELETED + " LIMIT 1"))

    def is_undeleted(self, table: str, key: Sequence[Value]) -> bool:
        """Is this one?"""
        sql = UNDELETED + " AND table_name = ? AND key = ? LIMIT 1"
        return bool(self._query(sql, (table, _key_text(key))))

    def blocked_lanes(self) -> dict[str, float]:
        """lane → Unix time of the next try."""
        return dict(self._query("SELECT lane, next_try FROM lane"))

    def blocked_by_key(self, table: str, key: Sequence[Value]) -> str | None:
        """The lane in which an older version of this row is held, if any."""
        rows = self._query(
            "SELECT lane FROM parked WHERE table_name = ? AND key = ? AND kind = 'blocked' LIMIT 1",
            (table, _key_text(key)),
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
        with translated(self._path), immediate(self._connection):
            self._connection.execute(
                _BLOCK_LANE, (lane, why.waits_for, why.detail, text(self._clock()), next_try)
            )
            self.open_empty_lanes()

    def retry_lanes_now(self) -> None:
        """Let every held lane be tried at the next step."""
        with translated(self._path), immediate(self._connection):
            self._connection.execute("UPDATE lane SET next_try = 0")

    # --- in the caller's transaction -----------------------------------------------------------

    def park(
        self, row: QueuedRow, why: Blocked | Rejected, committed_at: str, next_try: float
    ) -> None:
        """Set a row aside; a blocked one holds its lane, until ``next_try`` if it is free now."""
        reason = f"waits for {why.waits_for}" if isinstance(why, Blocked) else why.reason
        self._connection.execute(
            _PARK,
            (
                row.seq,
                row.index,
                row.table,
                row.op.value,
                _key_text(row.key),
                row.lane,
                orjson.dumps(dict(row.values)).decode(),
                _kind(why),
                reason,
                why.detail,
                committed_at,
                text(self._clock()),
            ),
        )
        if isinstance(why, Blocked):
            self._connection.execute(
                "INSERT OR IGNORE INTO lane VALUES (?, ?, ?, ?, ?, 1)",
                (row.lane, why.waits_for, why.detail, text(self._clock()), next_try),
            )

    def take_off(self, rows: Iterable[QueuedRow]) -> None:
        """They were delivered out of their lane."""
        self._connection.executemany(
            "DELETE FROM parked WHERE seq = ? AND row_index = ?",
            ((row.seq, row.index) for row in rows),
        )

    def supersede(self, rows: Iterable[QueuedRow]) -> None:
        """Mark what older versions there are of rows that were delivered."""
        self._connection.executemany(
            _SUPERSEDE, ((row.table, _key_text(row.key), row.seq, row.index) for row in rows)
        )

    def open_empty_lanes(self) -> None:
        """No row holds them any more."""
        self._connection.execute(OPEN_EMPTY_LANES)

    def _query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple]:  # type: ignore[type-arg]  # rows as SQLite gives them
        with translated(self._path):
            return self._connection.execute(sql, parameters).fetchall()


def _kind(why: Blocked | Rejected) -> str:
    if isinstance(why, Blocked):
        return "blocked"
    return "superseded" if why.superseded else "rejected"


def _key_text(key: Sequence[Value]) -> str:
    """A natural key as the table keeps it: a JSON array."""
    return orjson.dumps(list(key)).decode()
