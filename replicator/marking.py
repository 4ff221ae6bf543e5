"""Takes marks while capture has nothing else to do: docs/gaps.md says what they are good for.

The rule this file keeps: what a mark saw at the source counts only once capture has passed the end
that the log had afterwards, and nothing captured since has fallen into its range.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from replicator.change import Position
from replicator.errors import SourceMisconfigured, Unsupported
from replicator.model import STREAM_TABLES
from replicator.outbox.marks import Mark, Marks
from replicator.outbox.place import Key

_BETWEEN = 0.2  # seconds from one mark to the next
_REST = 300.0  # when all that can be marked is marked


class Ranges(Protocol):
    """The source's tables, summed up by ranges of the primary key."""

    def ordered_here(self, table: str) -> bool:
        """Whether keys can be compared here as the source does."""

    def boundary(self, table: str, after: Key | None, rows: int, beyond: int) -> Key | None:
        """The key so many rows behind another, where enough come after it."""

    def digest(self, table: str, after: Key | None, upto: Key) -> tuple[int, str]:
        """Number of rows and digest of a range."""

    def log_end(self) -> Position:
        """File and offset where the log ends now."""


class Marker:
    """Marks ranges of ``rows`` rows, all but a table's last ones, where rows still come."""

    def __init__(self, marks: Marks, rows: int, monotonic: Callable[[], float]) -> None:
        self._marks = marks
        self._rows = rows
        self._monotonic = monotonic
        self._due = monotonic()
        self._waits_for: Position | None = None
        self._begun_anew = True

    @property
    def due(self) -> bool:
        """There may be something to do."""
        return self._rows > 0 and self._monotonic() >= self._due

    def step(self, position: Position, tables: Ranges) -> bool:
        """Confirm the last mark, or take another; False when there is none to take for a while.

        ``position``: everything before it is durable. Raises SourceUnavailable.
        """
        self._due = self._monotonic() + _BETWEEN
        if self._begun_anew:
            self._marks.forget_unsure()
            self._begun_anew = False
        if self._waits_for is not None:
            if position.has_reached(self._waits_for):
                self._marks.fold()
                self._marks.confirm()
                self._waits_for = None
            return True
        try:
            if any(self._mark(table, tables) for table in STREAM_TABLES):
                self._waits_for = tables.log_end()
                return True
        except (SourceMisconfigured, Unsupported):
            pass  # a table is not as it should be: capture says so when it matters; heal reads more
        self._due = self._monotonic() + _REST
        return False

    def _mark(self, table: str, tables: Ranges) -> bool:
        if not tables.ordered_here(table):
            return False
        after, before = _hole(self._marks.of(table))
        upto = tables.boundary(table, after, self._rows, self._rows)
        if before is not None and (upto is None or upto > before):
            upto = before
        if upto is None:
            return False
        self._marks.fold()
        count, digest = tables.digest(table, after, upto)
        self._marks.add(Mark(table, after, upto, count, digest), sure=False)
        return True

    def reset(self) -> None:
        """The connection was lost: what has not been confirmed never will be. Writes nothing."""
        self._waits_for = None
        self._begun_anew = True


def _hole(marks: list[Mark]) -> tuple[Key | None, Key | None]:
    """The first range without a mark: behind which key, and where the next mark begins, if any."""
    after: Key | None = None
    for mark in marks:
        if mark.after != after:
            return after, mark.after
        after = mark.upto
    return after, None
