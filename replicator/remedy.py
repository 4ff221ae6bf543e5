"""A lost position: what kind of loss it is, what may be done about it, and beginning to heal it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from replicator.change import Position, Value
from replicator.errors import PositionLost
from replicator.model import TABLES, split_key
from replicator.outbox.gaps import record_gap, resume_after_gap
from replicator.outbox.known import newest_rows
from replicator.outbox.marks import Marks
from replicator.outbox.place import Healing, SnapshotPlace
from replicator.outbox.writer import OutboxWriter
from replicator.source.loss import Log, Loss

SAMPLE = 20


class Finder(Protocol):
    """The source's tables."""

    def find(self, table: str, row: Mapping[str, Value]) -> Mapping[str, Value] | None:
        """The row with the same primary key."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """``kind``: purged, reset, unreadable, restored, another server, skipped.

    ``automatic``  it is shown that this is the station's own data, no older than what was captured
    ``deletes``    rows that are not there were deleted there, not lost
    ``found``      what speaks for it, in words
    """

    kind: str
    automatic: bool
    deletes: bool
    found: str

    def asked(self, lost: PositionLost) -> PositionLost:
        """The error with what `replicator heal` would do about it."""
        stays = "" if self.deletes else "; rows that it no longer has stay at the destinations"
        return PositionLost(
            lost.message,
            f"{lost.detail}; {self.found}" if lost.detail else self.found,
            "is this the station's database, as it should be? Then `replicator heal` goes on from "
            f"the log's present end and captures what differs from what was captured{stays}",
        )


def remedy(loss: Loss, asked: int, there: int, *, by_hand: bool = False) -> Remedy:
    """Decide. ``asked``: how many of the newest captured rows were looked for, ``there``: how many

    the source has. An older disk, or another station's, has not got them. Pure.
    """
    found = f"{loss.found}; {there} of the {asked} rows captured last are there"
    if loss.log is Log.OTHER_SERVER:
        return Remedy("another server", False, False, found)
    if 2 * there < asked:
        return Remedy("restored", False, False, found)
    if loss.log is Log.PURGED:
        return Remedy("purged", True, True, found)
    if loss.log is Log.GOES_ON and by_hand:
        return Remedy("skipped", True, True, found)
    kind = "unreadable" if loss.log is Log.GOES_ON else "reset"
    return Remedy(kind, True, False, found)


def look(writer: OutboxWriter, loss: Loss, tables: Finder, *, by_hand: bool = False) -> Remedy:
    """Decide, after looking for the newest captured rows. Raises as the source's tables do."""
    rows = newest_rows(writer.database, SAMPLE)
    there = sum(_is_there(table, row, tables.find(table, row)) for table, row in rows)
    return remedy(loss, len(rows), there, by_hand=by_hand)


def _is_there(table: str, row: Mapping[str, Value], found: Mapping[str, Value] | None) -> bool:
    columns = split_key(TABLES[table])  # a value may have been corrected since
    return found is not None and all(found.get(name) == row.get(name) for name in columns)


@dataclass(frozen=True, slots=True)
class Beginning:
    """How to heal. ``everything``: read all tables whatever is known."""

    at: Position
    reason: str
    kind: str
    how: str
    deletes: bool
    everything: bool = False


def begin(writer: OutboxWriter, marks: Marks, plan: Beginning) -> None:
    """Record the gap, and let capture go on at ``plan.at`` with comparing the tables.

    What an unfinished snapshot or comparison had not read yet is not known.
    """
    before = writer.snapshot
    known_seq = 0
    if before is None and not plan.everything:
        known_seq = _last_seq(writer)
    elif before is not None and before.healing is not None and not plan.everything:
        known_seq = before.healing.known_seq
    marks.forget_unsure()
    if not known_seq:
        marks.forget_all()
    if writer.position is not None:
        record_gap(writer.database, writer.position, plan.reason, kind=plan.kind)
    resume_after_gap(writer.database, plan.at, plan.how)
    first = SnapshotPlace(next(iter(TABLES)), None, Healing(known_seq, plan.deletes))
    writer.begin_at(plan.at, first)


def _last_seq(writer: OutboxWriter) -> int:
    row = writer.database.conn.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()
    return int(row[0])
