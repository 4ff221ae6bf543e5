"""What a daemon says of itself to people: one row in its own file."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlite_utils import Database

from replicator.outbox.clock import Clock, text
from replicator.outbox.clock import now as wall_clock

_SAVE = """
INSERT INTO status (id, state, detail, since, wait_until, last_error, last_error_at)
VALUES (1, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, detail = excluded.detail,
  since = excluded.since, wait_until = excluded.wait_until,
  last_error = coalesce(excluded.last_error, last_error),
  last_error_at = coalesce(excluded.last_error_at, last_error_at)
"""


@dataclass(frozen=True, slots=True)
class Status:
    """``state``: running, waiting, paused, refused or stopped; ``detail``: why, a sentence.

    ``ordered``: an operator wants it so; it is no error
    """

    state: str
    detail: str = ""
    wait_until: datetime | None = None
    ordered: bool = False

    @property
    def error(self) -> str | None:
        """What went wrong, if anything."""
        well = self.state == "running" or self.ordered or not self.detail
        return None if well else self.detail

    @property
    def words(self) -> str:
        """As the backlog says it: "waiting until 2026-03-01T12:00:00Z: the link is down"."""
        until = f" until {text(self.wait_until)}" if self.wait_until else ""
        return f"{self.state}{until}" + (f": {self.detail}" if self.detail else "")


def _unheard(_status: Status) -> None:
    """Where nobody else is told."""


class StatusBoard:
    """Writes the status row when it changes; an unchanged status costs nothing.

    ``told``  is told of the news too; quick, raises nothing
    """

    def __init__(
        self,
        database: Database,
        clock: Clock = wall_clock,
        told: Callable[[Status], None] = _unheard,
    ) -> None:
        self._database = database
        self._clock = clock
        self._told = told
        self._shown: Status | None = None

    def show(self, status: Status) -> bool:
        """Write it if it is news; True when it was.

        A full disk or a lock does not stop the daemon here: the status is for people, who are told
        the same in the log, and it is written again at its next change.
        """
        if status == self._shown:
            return False
        until = text(status.wait_until) if status.wait_until else None
        now = text(self._clock())
        row = (status.state, status.detail, now, until, status.error, status.error and now)
        with contextlib.suppress(sqlite3.OperationalError):
            self._database.conn.execute(_SAVE, row)
        self._shown = status
        self._told(status)
        return True
