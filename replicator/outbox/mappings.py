"""Local id → remote id for one destination, durable before its first use."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson
from sqlite_utils import Database

from replicator.change import Value
from replicator.model import TABLES
from replicator.outbox.clock import Clock, text
from replicator.outbox.clock import now as wall_clock
from replicator.outbox.store import immediate, translated

RETIRED = "of a row deleted since"
_PUT = """
INSERT OR REPLACE INTO mapping
  (table_name, local_id, remote_id, natural_key, matched_by, mapped_at, born)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(frozen=True, slots=True)
class KeptMapping:
    """One mapping as it is on file. ``matched_by``: found, created, same id, computed, by hand."""

    table: str
    local_id: int
    remote_id: int
    natural_key: Mapping[str, Value]
    matched_by: str
    mapped_at: str


_PAGE = """
SELECT table_name, local_id, remote_id, natural_key, matched_by, mapped_at FROM mapping
 WHERE (table_name, local_id) > (?, ?) AND coalesce(?, table_name) = table_name
 ORDER BY table_name, local_id LIMIT ?
"""


def mapping_page(
    connection: sqlite3.Connection, table: str | None, after: tuple[str, int], limit: int
) -> list[KeptMapping]:
    """The next mappings behind (table, local id), of one table or all; nothing else is read.

    Raises sqlite3.Error.
    """
    begin = max(after, (table, -(2**63))) if table is not None else after
    rows = connection.execute(_PAGE, (*begin, table, limit))
    return [
        KeptMapping(name, local, remote, orjson.loads(key), how, at)
        for name, local, remote, key, how, at in rows
    ]


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
            retired = self._connection.execute(
                "SELECT table_name, local_id FROM mapping WHERE matched_by = ?", (RETIRED,)
            )
            self._retired: set[tuple[str, int]] = set(retired)

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
        born: int = 0,
    ) -> None:
        """Record a mapping; durable when it returns.

        ``natural_key``  in the destination's ids
        ``born``         the entry that gave the id to this row; 0: it was nobody else's before
        """
        with translated(self._path), immediate(self._connection):
            self._connection.execute(
                _PUT,
                (
                    table,
                    local_id,
                    remote_id,
                    orjson.dumps(dict(natural_key)).decode(),
                    matched_by,
                    text(self._clock()),
                    born,
                ),
            )
        if self._remote.get((table, local_id), remote_id) != remote_id:
            self.changes += 1
        self._remote[table, local_id] = remote_id
        self._retired.discard((table, local_id))

    def forget(self, table: str, local_id: int) -> None:
        """Drop a mapping that the destination no longer bears out."""
        with translated(self._path), immediate(self._connection):
            self._connection.execute(
                "DELETE FROM mapping WHERE table_name = ? AND local_id = ?", (table, local_id)
            )
        self._remote.pop((table, local_id), None)
        self.changes += 1
        self._retired.discard((table, local_id))

    def retire(self, table: str, local_id: int) -> None:
        """The station has deleted the row: whoever gets its id next is another one.

        So are the rows that have it in their natural key: a cascade is not in the log.
        """
        remote_id = self._remote.get((table, local_id))
        if remote_id is None:
            return
        with translated(self._path), immediate(self._connection):
            self._retire(table, local_id, remote_id)

    def _retire(self, table: str, local_id: int, remote_id: int) -> None:
        self._connection.execute(
            "UPDATE mapping SET matched_by = ? WHERE table_name = ? AND local_id = ?",
            (RETIRED, table, local_id),
        )
        self._retired.add((table, local_id))
        for model in TABLES.values():
            for column, target in model.references.items():
                if target != table or column not in model.natural_key:
                    continue
                resting = self._connection.execute(
                    """SELECT local_id, remote_id FROM mapping WHERE table_name = ?
                       AND json_extract(natural_key, ?) = ? AND matched_by != ?""",
                    (model.name, f"$.{column}", remote_id, RETIRED),
                ).fetchall()
                for number, remote in resting:
                    self._retire(model.name, number, remote)

    def is_retired(self, table: str, local_id: int) -> bool:
        """Whether the row that it was made for is deleted."""
        return (table, local_id) in self._retired

    def kept(self, table: str | None = None, local_id: int | None = None) -> list[KeptMapping]:
        """All mappings, those of a table, or that of one row; by table and local id."""
        sql = """SELECT table_name, local_id, remote_id, natural_key, matched_by, mapped_at
            FROM mapping WHERE coalesce(?, table_name) = table_name
            AND coalesce(?, local_id) = local_id ORDER BY 1, 2"""
        with translated(self._path):
            rows = self._connection.execute(sql, (table, local_id)).fetchall()
        return [
            KeptMapping(name, local, remote, orjson.loads(key), how, at)
            for name, local, remote, key, how, at in rows
        ]

    def owners(self, table: str, remote_id: int) -> list[int]:
        """The local ids mapped to a remote id, in order."""
        with translated(self._path):
            rows = self._connection.execute(
                "SELECT local_id FROM mapping WHERE table_name = ? AND remote_id = ? ORDER BY 1",
                (table, remote_id),
            ).fetchall()
        return [local_id for (local_id,) in rows]
