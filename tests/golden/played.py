"""A golden case on a real server: run, captured, decoded by the library, and the tables' rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import pymysql

from demo.mariadbd import PrivateMariaDB
from replicator.change import Change, Commit, Event, Op, Position, Rollback, Value
from replicator.errors import ReplicatorError
from replicator.model import TABLES
from replicator.source.snapshot import SnapshotReader
from tests.golden.case import HERE, Case
from tests.source.capture import at, endpoint, stream

Named = dict[str, Value]
Tables = dict[str, dict[tuple[Value, ...], Named]]
"""Table → primary key → row."""


@dataclass(frozen=True, slots=True)
class Played:
    """``before``, ``after``: the tables where capture begins and at the end; a table that SELECT
    cannot be compared with has no entry. ``changes``: those of committed transactions.
    """

    start: Position
    end: Position
    before: Tables
    after: Tables
    changes: Sequence[Sequence[Change]]
    stops: str | None

    def told(self) -> dict[str, Any]:
        """What ``expected.json`` holds."""
        return {
            "transactions": [[_told(change) for change in changes] for changes in self.changes],
            "stops": self.stops,
        }


def play(case: Case, server: PrivateMariaDB, database: str) -> Played:
    """Run a case in a fresh station; ``database`` is shown as "ch"."""
    before: Tables = {}
    start = None
    with ExitStack() as stack:
        sessions: dict[str, pymysql.connections.Connection] = {}
        for statement in case.statements():
            if statement.sql == HERE:
                before, start = rows_of(server, database), at(server, database)
                continue
            if statement.session not in sessions:
                made = server.connect(database, init_command="SET time_zone = '+00:00'")
                sessions[statement.session] = stack.enter_context(closing(made))
            with sessions[statement.session].cursor() as cursor:
                cursor.execute(statement.sql)
    assert start is not None
    end = at(server, database)
    events, error = _captured(server, database, start, end)
    stops = None if error is None else str(error).replace(database, "ch")
    return Played(start, end, before, rows_of(server, database), _committed(events), stops)


def _captured(
    server: PrivateMariaDB, database: str, start: Position, end: Position
) -> tuple[list[Event], ReplicatorError | None]:
    found: list[Event] = []
    try:
        with stream(server, database, start) as reader:
            while not any(isinstance(e, Commit) and e.position.has_reached(end) for e in found):
                found += reader.poll(0.5)
    except ReplicatorError as error:
        return found, error
    return found, None


def _committed(events: Sequence[Event]) -> list[list[Change]]:
    found: list[list[Change]] = []
    held: list[Change] = []
    for event in events:
        if isinstance(event, Change):
            held.append(event)
            continue
        if held and not isinstance(event, Rollback):
            found.append(held)
        held = []
    return found


def _told(change: Change) -> dict[str, Any]:
    rows = [dict(zip(change.columns, row, strict=True)) for row in change.rows]
    return {"table": change.table, "op": change.op.value, "rows": rows}


def rows_of(server: PrivateMariaDB, database: str) -> Tables:
    """The replicated tables by SELECT; without those that are not there or cannot be read."""
    found: Tables = {}
    with SnapshotReader(endpoint(server, database)) as reader:
        for table in TABLES:
            try:
                change = reader.read(table, None, 10_000).change
            except ReplicatorError:
                continue
            found[table] = {}
            if change is not None:
                apply(found, change)
    return found


def apply(tables: Tables, change: Change) -> None:
    """A change's effect. A row keeps what the log said of columns that are gone since."""
    rows = tables.setdefault(change.table, {})
    for row in change.rows:
        named = dict(zip(change.columns, row, strict=True))
        key = tuple(named[name] for name in TABLES[change.table].primary_key)
        if change.op is Op.DELETE:
            del rows[key]
        elif change.op is Op.INSERT:
            assert key not in rows, f"{change.table} {key} is inserted twice"
            rows[key] = named
        else:
            assert change.op is Op.SNAPSHOT or key in rows, f"{change.table} {key} is not there"
            rows[key] = named


def folded(played: Played) -> Tables:
    """The tables as the captured changes make them."""
    tables = {table: dict(rows) for table, rows in played.before.items()}
    for change in (change for changes in played.changes for change in changes):
        apply(tables, change)
    return tables


def differences(log: Mapping[str, Any], select: Mapping[str, Any]) -> set[str]:
    """Tables whose keys differ, and "Table.column" of those whose cells do."""
    found = set()
    for table in log.keys() & select.keys():
        if log[table].keys() != select[table].keys():
            found.add(table)
        for key in log[table].keys() & select[table].keys():
            here, there = log[table][key], select[table][key]
            found |= {
                f"{table}.{name}"
                for name in here.keys() & there.keys()
                if repr(here[name]) != repr(there[name])
            }
    return found
