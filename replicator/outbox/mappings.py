"""Local id → remote id for one destination, durable before its first use."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

import orjson
from sqlite_utils import Database

from replicator.change import Value
from replicator.outbox.clock import Clock, text
from replicator.outbox.clock import now as wall_clock
from replicator.outbox.store import immediate, translated


class Mappings:
    """The mappings in one <destination>.db; looking one up costs a dictionary access.

    ``changes``  how often one was changed or forgotten; what was made with them before is void
    """

    def __init__(self, database: Database, path: Path, clock: Clock = wall_clock) -> None:
        self._path = path
        self._connection: sqlite3.Connection = database.conn
        self._clock = clock
        self.changes = 0
        with translated(path):
            rows = self._connection.execute("SELECT table_name, local_id, remote_id FROM mapping")
            self._remote: dict[tuple[str, int], int] = {
                (t, local): remote for t, local, remote in rows
            }

    def get(self, table: str, local_id: int) -> int | None:
        """The destination's id of a local row, if known."""
        return self._remote.get((table, local_id))

    def put(
        self,
        table: str,
        local_id: int,
        remote_id: int,
        natural_key: Mapping[str, Value],
        matched_by: str,
    ) -> None:
        """Record a mapping; durable when it returns. ``natural_key``: in the destination's ids."""
        with translated(self._path), immediate(self._connection):
            self._connection.execute(
                "INSERT OR REPLACE INTO mapping VALUES (?, ?, ?, ?, ?, ?)",
                (
                    table,
                    local_id,
                    remote_id,
                    orjson.dumps(dict(natural_key)).decode(),
                    matched_by,
                    text(self._clock()),
                ),
            )
        if self._remote.get((table, local_id), remote_id) != remote_id:
            self.changes += 1
        self._remote[table, local_id] = remote_id

    def forget(self, table: str, local_id: int) -> None:
        """Drop a mapping that the destination no longer bears out."""
        with translated(self._path), immediate(self._connection):
            self._connection.execute(
                "DELETE FROM mapping WHERE table_name = ? AND local_id = ?", (table, local_id)
            )
        self._remote.pop((table, local_id), None)
        self.changes += 1

    def owners(self, table: str, remote_id: int) -> list[int]:
        """The local ids mapped to a remote id, in order."""
        with translated(self._path):
            rows = self._connection.execute(
                "SELECT local_id FROM mapping WHERE table_name = ? AND remote_id = ? ORDER BY 1",
                (table, remote_id),
            ).fetchall()
        return [local_id for (local_id,) in rows]
