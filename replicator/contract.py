"""What capture and delivery need of an outbox, declared by them who use it.

Every backend keeps the same promises; ``tests/contract`` states them, one test a promise, and runs
against each. Capture writes to an ``Outbox``. Delivery reads a ``Log`` of entries and keeps its own
place in a ``Ledger``.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence, Set
from typing import Protocol

from replicator.change import Change, Commit, Position, Value
from replicator.delivery import Blocked, Entry, QueuedRow
from replicator.outbox.deliveries import Cursor, Settlement, Standing
from replicator.outbox.place import SnapshotPlace


class Outbox(Protocol):
    """Takes whole source transactions with the position after them, atomically, in order.

    What ``flush`` has made durable is never torn, doubled or taken back, whatever dies when. All
    raise OutboxError and its children.
    """

    @property
    def position(self) -> Position | None:
        """Everything before it is durable, or will be with the next ``flush``; None: empty."""

    @property
    def snapshot(self) -> SnapshotPlace | None:
        """How far reading the tables has come; None when they are read."""

    @property
    def committed_at(self) -> str:
        """Commit time of the last transaction, ISO 8601, UTC; "" before the first."""

    @property
    def grouped_rows(self) -> int:
        """Rows of complete transactions that the next ``flush`` makes durable."""

    @property
    def inside_transaction(self) -> bool:
        """A source transaction is open: changes have come, its end has not."""

    def begin_at(self, position: Position, snapshot: SnapshotPlace | None) -> None:
        """Say where capture starts; durable when it returns."""

    def append(self, change: Change) -> None:
        """Add to the open source transaction; nobody sees it before its end is durable."""

    def commit(self, end: Commit) -> None:
        """The source transaction is complete."""

    def rollback(self) -> None:
        """The changes since the last commit never happened."""

    def append_snapshot(self, change: Change | None, place: SnapshotPlace | None) -> None:
        """A chunk read from a table, and where to go on; durable when it returns."""

    def flush(self, *, wait: bool = ...) -> None:
        """Make complete transactions durable; without ``wait``, by the next call at the latest."""

    def abandon(self) -> None:
        """Fall back to what is durable."""

    def close(self) -> None:
        """Close without flushing."""


class Log(Protocol):
    """Entries in order of capture, and the latest reference rows. Readers see what is durable."""

    def entries(self, after: int) -> Generator[Entry, None, None]:
        """Entries with seq > ``after``, in order."""

    def entry(self, seq: int) -> Entry | None:
        """One entry; None where it is no longer held."""

    def position_of(self, seq: int) -> str | None:
        """The position of an entry; None where there is no such entry (any more)."""

    def row_total_at(self, seq: int) -> int:
        """Rows captured ever, up to and with the last entry at or before ``seq``."""

    def bounds(self) -> tuple[int, int]:
        """First and last seq held; (0, 0) when there is none."""

    def reference(self, table: str, local_id: int) -> Mapping[str, Value] | None:
        """The latest row of a reference table."""

    def born(self) -> dict[tuple[str, int], int]:
        """(table, id) → the entry that gave an id to another row."""

    def snapshot_table(self) -> str | None:
        """The table that the snapshot reads now; None when it has read all of them."""


class Resends(Protocol):
    """Rows behind the cursor that an operator wants sent again."""

    def pending(self) -> bool:
        """Whether there are any."""

    def first(self, limit: int) -> list[tuple[int, Sequence[int]]]:
        """(seq, rows of that entry) of the first ones, in order."""

    def take_off(self, sent: Iterable[tuple[int, int]]) -> None:
        """They were sent, or cannot be."""


class Ledger(Protocol):
    """One destination's state. What a step changed (cursor, parked rows, receipt) is one commit."""

    @property
    def resends(self) -> Resends:
        """What is to be sent again."""

    def cursor(self) -> Cursor:
        """Where delivery stands."""

    def standing(self) -> Standing:
        """Where delivery stands, and what goes before the flow, in one look."""

    def receipts(self) -> Iterator[tuple[int, str]]:
        """(seq, position) of past cursors at whole entries, newest first."""

    def rewind(self, cursor: Cursor) -> None:
        """Move the cursor back."""

    def settle(self, outcome: Settlement, next_try: float, *, check_parked: bool) -> None:
        """Commit what one step changed, at once."""

    def blocked_lanes(self) -> dict[str, float]:
        """lane → Unix time of the next try."""

    def lane_rows(self, lane: str, limit: int) -> list[tuple[QueuedRow, str]]:
        """The oldest held rows of a lane, in order, each with its commit time."""

    def hold_lane(self, lane: str, why: Blocked, next_try: float) -> None:
        """Keep a lane held until a time (Unix seconds); a lane without rows opens."""

    def has_parked(self) -> bool:
        """Is any row blocked or rejected?"""

    def has_rejected(self, keys: Mapping[str, Set[tuple[Value, ...]]]) -> bool:
        """Whether a version of any of these rows (table → keys) was rejected, or may have been."""

    def blocked_by_key(self, table: str, key: Sequence[Value]) -> str | None:
        """The lane in which an older version of this row is held, if any."""

    def has_undeleted(self) -> bool:
        """Is any row at the destination still that was deleted here?"""

    def is_undeleted(self, table: str, key: Sequence[Value]) -> bool:
        """Is this one?"""

    def mapped_born(self, table: str, local_id: int) -> int | None:
        """Since which entry the id is that of the mapped row; None where there is no mapping."""
