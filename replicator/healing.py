"""Healing a gap: comparing the tables with what was captured.

Why comparing converges as a whole snapshot does, and why a mark stands for a range: docs/gaps.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from replicator.change import Change, Op, Row, Value
from replicator.model import TABLES, Table, split_key
from replicator.outbox.known import Known, KnownRows
from replicator.outbox.marks import Mark, Marks
from replicator.outbox.place import Healing, Key, SnapshotPlace

_TABLE_ORDER = tuple(TABLES)


class Chunk(Protocol):
    """Rows of one table in a range of its primary key."""

    @property
    def change(self) -> Change | None: ...
    @property
    def last_key(self) -> Key | None: ...
    @property
    def done(self) -> bool: ...


class Tables(Protocol):
    """The source's tables, read and summed up by ranges of the primary key."""

    def read(self, table: str, after: Key | None, limit: int, upto: Key | None = ...) -> Chunk:
        """The first rows of a range."""

    def digest(self, table: str, after: Key | None, upto: Key) -> tuple[int, str]:
        """Number of rows and digest of a range."""

    def ordered_here(self, table: str) -> bool:
        """Whether keys can be compared here as the source does."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Rows of a range beside what is known of them.

    ``changes``  what has to be captured
    ``equal``, ``read``, ``gone``  rows: known already; missing or different; known, but not there
    """

    changes: Sequence[Change]
    equal: int = 0
    read: int = 0
    gone: int = 0


@dataclass(frozen=True, slots=True)
class Compared:
    """One step: what to append, and where to go on (None: all tables are compared)."""

    changes: Sequence[Change]
    place: SnapshotPlace | None
    done: Healing


class Comparison:
    """Walks the tables from a place on, a range at a time."""

    def __init__(self, tables: Tables, known: KnownRows, marks: Marks, chunk_rows: int) -> None:
        self._tables = tables
        self._known = known
        self._marks = marks
        self._rows = chunk_rows
        self._table = ""
        self._standing: list[Mark] = []

    def step(self, place: SnapshotPlace) -> Compared:
        """The range behind ``place``. Raises as the source's tables do."""
        assert place.healing is not None
        if place.table != self._table:
            self._table = place.table
            self._standing = self._marks.of(place.table)
        if not self._tables.ordered_here(place.table):
            return self._read_all(place, place.healing)
        mark = next((m for m in self._standing if m.after == place.after), None)
        if mark is None:
            return self._compare(place, place.healing)
        count, digest = self._tables.digest(place.table, mark.after, mark.upto)
        if (count, digest) == (mark.rows, mark.digest):
            done = replace(place.healing, compared=place.healing.compared + count)
            return Compared((), SnapshotPlace(place.table, mark.upto, done), done)
        self._standing.remove(mark)
        self._marks.drop(mark)
        fewer = place.healing.fewer + max(0, mark.rows - count)
        return self._compare(place, replace(place.healing, fewer=fewer))

    def _compare(self, place: SnapshotPlace, done: Healing) -> Compared:
        """Row by row, up to the next range that has a mark."""
        end = self._next_mark(place.after)
        known = self._known.page(place.table, place.after, end, self._rows)
        if len(known) >= self._rows:
            end = known[-1].key
        chunk = self._tables.read(place.table, place.after, self._rows, end)
        if not chunk.done and chunk.last_key is not None:
            end = chunk.last_key
            known = [each for each in known if _at_or_before(each.key, end)]
        found = weigh(TABLES[place.table], chunk.change, known, deletes=done.deletes)
        done = replace(
            done,
            compared=done.compared + found.equal,
            read=done.read + found.read,
            deleted=done.deleted + (found.gone if done.deletes else 0),
            kept=done.kept + (0 if done.deletes else found.gone),
        )
        return Compared(found.changes, _following(place.table, end, done), done)

    def _read_all(self, place: SnapshotPlace, done: Healing) -> Compared:
        """A table whose keys we cannot order is read as in a snapshot."""
        chunk = self._tables.read(place.table, place.after, self._rows)
        changes = [chunk.change] if chunk.change is not None else []
        done = replace(done, read=done.read + sum(len(c.rows) for c in changes))
        end = None if chunk.done else chunk.last_key
        return Compared(changes, _following(place.table, end, done), done)

    def _next_mark(self, after: Key | None) -> Key | None:
        """Where the next mark begins."""
        begins = (mark.after for mark in self._standing)
        return next((b for b in begins if b is not None and not _at_or_before(b, after)), None)


def weigh(model: Table, change: Change | None, known: Sequence[Known], *, deletes: bool) -> Verdict:
    """Decide what of a range must be captured. ``known``: all that is known of the range. Pure."""
    names = change.columns if change is not None else ()
    before = {_identity(model, k.row): (k, k.row) for k in known if k.row is not None}
    equal, new, changed = 0, list[Row](), list[Row]()
    for row in change.rows if change is not None else ():
        values = dict(zip(names, row, strict=True))
        each, was = before.pop(_identity(model, values), (None, None))
        if each is None or was is None or not each.sure:
            new.append(row)
        elif any(values.get(column) != was.get(column) for column in model.columns):
            changed.append(row)
        else:
            equal += 1
    gone = [was for _, was in before.values()]
    changes = _deletes(model.name, gone) if deletes else []
    for op, rows in ((Op.UPDATE, changed), (Op.SNAPSHOT, new)):
        if rows:
            changes.append(Change(model.name, op, names, rows))
    return Verdict(changes, equal, len(new) + len(changed), len(gone))


def _identity(model: Table, row: Mapping[str, Value]) -> Key:
    """What makes it the same row here and at the destinations."""
    return tuple(row.get(column) for column in split_key(model))


def _deletes(table: str, gone: Sequence[Mapping[str, Value]]) -> list[Change]:
    """One for each list of columns that the rows were captured with."""
    rows: dict[tuple[str, ...], list[Row]] = {}
    for row in gone:
        rows.setdefault(tuple(row), []).append(tuple(row.values()))
    return [Change(table, Op.DELETE, names, found) for names, found in rows.items()]


def _following(table: str, end: Key | None, done: Healing) -> SnapshotPlace | None:
    """Behind ``end``, or, where that was the table's end, the next table."""
    if end is not None:
        return SnapshotPlace(table, end, done)
    following = _TABLE_ORDER.index(table) + 1
    if following == len(_TABLE_ORDER):
        return None
    return SnapshotPlace(_TABLE_ORDER[following], None, done)


def _at_or_before(key: Key, other: Key | None) -> bool:
    """In the order of the primary key; nothing lies before a table's start."""
    return other is not None and key <= other
