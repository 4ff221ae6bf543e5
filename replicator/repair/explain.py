"""How a local row becomes one of the centre's, step by step, and what is in the way.

It only looks: nothing is created and nothing is kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from replicator.errors import DestinationRefused, DestinationUnavailable
from replicator.model import REFERENCE_TABLES, TABLES, Identity, Table
from replicator.outbox.mappings import KeptMapping, Mappings
from replicator.outbox.reader import OutboxReader
from replicator.sink.directory import Directory, RemoteRow, matches_key
from replicator.sink.link import Link
from replicator.sink.resolve import Values, conflict, incomplete_key


@dataclass(frozen=True, slots=True)
class Step:
    """``depth``: 0 for the row asked for, 1 for what it needs, …; ``ok`` False: it stops here."""

    depth: int
    row: str
    ok: bool
    said: str


class Explainer:
    """Looks at one destination: its file, its centre, and the station's rows."""

    def __init__(
        self, outbox: OutboxReader, connection: sqlite3.Connection, mappings: Mappings, link: Link
    ) -> None:
        self._outbox = outbox
        self._connection = connection
        self._mappings = mappings
        self._link = link
        self._directory = Directory(link)

    def steps(self, table: str, local_id: int) -> Iterator[Step]:
        """All there is to say; a centre that cannot be reached is a step like another."""
        try:
            yield from self._row(table, local_id, 0)
        except (DestinationUnavailable, DestinationRefused) as error:
            yield Step(0, f"{table}:{local_id}", False, f"the centre cannot be asked: {error}")
        yield from self._waiting(table, local_id)

    def _row(self, table: str, local_id: int, depth: int) -> Iterator[Step]:
        name, model = f"{table}:{local_id}", TABLES[table]
        row = self._outbox.reference(table, local_id)
        if row is None:
            lacks = "the station's row was never captured, or is deleted and forgotten"
            yield Step(depth, name, False, f"{lacks}: what refers to it is parked as dangling")
            return
        gone = " (deleted there since)" if self._outbox.is_deleted(table, local_id) else ""
        yield Step(depth, name, True, f"the station has{gone} {shown(row)}")
        problem = incomplete_key(model, row)
        if problem is not None:
            yield Step(depth, name, False, f"{problem.reason}: {problem.detail}")
            return
        kept = self._mappings.kept(table, local_id)
        yield from (
            self._mapped(model, row, kept[0], depth)
            if kept
            else self._not_mapped(model, local_id, row, depth)
        )

    def _mapped(self, model: Table, row: Values, kept: KeptMapping, depth: int) -> Iterator[Step]:
        name = f"{model.name}:{kept.local_id}"
        how = f"{kept.matched_by} {kept.mapped_at}, by {shown(kept.natural_key)}"
        yield Step(depth, name, True, f"it is {model.name} {kept.remote_id} at the centre: {how}")
        if model.name not in self._link.dialect.listed:
            yield Step(depth, name, True, "this kind of server cannot show it")
            return
        there = self._directory.get(model, kept.remote_id)
        if there is None:
            lost = f"the centre has no {model.name} {kept.remote_id} any more"
            yield Step(depth, name, False, f"{lost}: `replicator map refresh {name}`")
            return
        yield Step(depth, name, True, f"the centre has {shown(there)}")
        clash = conflict(model, row, there)
        if clash is not None:
            yield Step(depth, name, False, f"conflict: {clash.detail}")
        elif kept.matched_by != "by hand" and not matches_key(there, kept.natural_key):
            yield Step(depth, name, True, "its identity there has changed since it was mapped")

    def _not_mapped(self, model: Table, local_id: int, row: Values, depth: int) -> Iterator[Step]:
        name = f"{model.name}:{local_id}"
        yield Step(depth, name, True, f"no mapping yet; the same by: {_rule(model)}")
        key: dict[str, Any] = {column: row.get(column) for column in model.natural_key}
        whole = True
        for column, target in model.references.items():
            number = row.get(column)
            if not isinstance(number, int):
                continue
            remote_id = self._mappings.get(target, number)
            if remote_id is None:
                yield from self._row(target, number, depth + 1)
                whole = whole and column not in key
            elif column in key:
                key[column] = remote_id
        if not whole:
            yield Step(depth, name, False, "it waits for what it refers to; that is made first")
            return
        yield from self._found(model, local_id, row, key, depth)

    def _found(
        self, model: Table, local_id: int, row: Values, key: Values, depth: int
    ) -> Iterator[Step]:
        name = f"{model.name}:{local_id}"
        if model.name not in self._link.dialect.listed:
            yield Step(depth, name, True, "this kind of server cannot show it: written blindly")
            return
        there: RemoteRow | None
        if model.identity is Identity.SAME_ID:
            there = self._directory.get(model, local_id)
        else:
            there = self._directory.find(model, key)
        if there is None:
            yield Step(depth, name, True, "the centre has none like it: it will be created")
            return
        yield Step(depth, name, True, f"the centre has {shown(there)}")
        clash = conflict(model, row, there)
        owners = self._mappings.owners(model.name, there["id"]) if model.distinct else []
        owner = next((i for i in owners if not self._outbox.is_deleted(model.name, i)), None)
        if clash is not None:
            yield Step(depth, name, False, f"conflict: {clash.detail}")
        elif owner is not None:
            taken = f"{model.name}:{owner} is that one already, and still at the station"
            yield Step(depth, name, False, f"conflict: {taken}")
        else:
            yield Step(depth, name, True, "they are the same: it will be mapped")

    def _waiting(self, table: str, local_id: int) -> Iterator[Step]:
        name = f"{table}:{local_id}"
        lanes = self._connection.execute(
            """SELECT lane.lane, lane.detail, blocked_at, tries, count(parked.seq)
               FROM lane LEFT JOIN parked ON parked.lane = lane.lane AND kind = 'blocked'
               WHERE waits_for = ? GROUP BY lane.lane ORDER BY lane.lane""",
            (name,),
        )
        for lane, detail, since, tries, rows in lanes:
            held = f"{rows:,} rows of {lane} wait for it since {since}, {tries} tries: {detail}"
            yield Step(0, name, False, held)
        for reason, rows in self._parked(table, local_id):
            yield Step(0, name, False, f"{rows:,} rows that refer to it are parked: {reason}")

    def _parked(self, table: str, local_id: int) -> Iterator[tuple[str, int]]:
        found: dict[str, int] = {}
        for model in TABLES.values():
            columns = [column for column, target in model.references.items() if target == table]
            if model.name == table:
                columns.append("id")
            for column in columns:
                rows = self._connection.execute(
                    """SELECT reason, count(*) FROM parked WHERE table_name = ?
                       AND kind = 'rejected' AND json_extract(row, ?) = ? GROUP BY reason""",
                    (model.name, f"$.{column}", local_id),
                )
                for reason, count in rows:
                    found[reason] = found.get(reason, 0) + count
        yield from sorted(found.items())


def _rule(model: Table) -> str:
    if model.identity is Identity.NATURAL_KEY:
        return ", ".join(model.natural_key)
    return ", ".join(("the same id", *model.meaning))


def shown(row: Values | RemoteRow) -> str:
    """A row in one line of JSON."""
    return orjson.dumps({c: v for c, v in row.items() if c != "__table__"}).decode()


def reference_name(written: str) -> tuple[str, int]:
    """ "House:3" → ("House", 3). Raises ValueError with a sentence for the user."""
    table, _, number = written.partition(":")
    names = {name.lower(): name for name in REFERENCE_TABLES}
    if table.lower() not in names or not number.removeprefix("-").isdecimal():
        raise ValueError(f"{written!r} is not TABLE:ID, such as House:3")
    return names[table.lower()], int(number)
