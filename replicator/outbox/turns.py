"""The turns of one destination's sender, in its <destination>.db. Ship is its writer."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlite_utils import Database

from replicator.delivery import Turn
from replicator.outbox.store import immediate, translated

_BEGIN = "UPDATE turn SET number = max(number + 1, ?) RETURNING sender, number"


class Turns:
    """Numbers that only rise."""

    def __init__(self, database: Database, path: Path) -> None:
        self._connection: sqlite3.Connection = database.conn
        self._path = path

    def begin(self, at_least: int = 1) -> Turn:
        """The next turn, durable when it returns. Raises OutboxFull, OutboxBusy."""
        with translated(self._path), immediate(self._connection):
            ((sender, number),) = self._connection.execute(_BEGIN, (at_least,)).fetchall()
        return Turn(sender, number)
