"""The latest row of each id that others refer to, kept beside the entries."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import orjson

from replicator.change import Change, Op, Value
from replicator.model import TABLES

_UPSERT = """
INSERT INTO reference (table_name, id, row, seq, deleted, born) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (table_name, id)
DO UPDATE SET row = excluded.row, seq = excluded.seq, deleted = excluded.deleted,
  born = max(born, excluded.born)
"""
_LATEST = "SELECT row FROM reference WHERE table_name = ? AND id = ?"


def keep_references(connection: sqlite3.Connection, change: Change, seq: int) -> None:
    """The rows of an entry become the latest of their ids, in the transaction that is open."""
    deleted = int(change.op is Op.DELETE)
    for row in change.rows:
        values = dict(zip(change.columns, row, strict=True))
        another = change.op is Op.INSERT and _was_another(connection, change.table, values)
        kept = (change.table, values["id"], orjson.dumps(values).decode(), seq, deleted)
        connection.execute(_UPSERT, (*kept, seq if another else 0))


def _was_another(connection: sqlite3.Connection, table: str, values: Mapping[str, Value]) -> bool:
    """Whether the id belonged to a row of another identity: it is used again."""
    model = TABLES[table]
    columns = model.meaning or model.natural_key
    before = connection.execute(_LATEST, (table, values["id"])).fetchone()
    if before is None:
        return False
    row = orjson.loads(before[0])
    return any(row.get(column) != values.get(column) for column in columns)
