"""Files of every schema there was: opened, looked at, migrated, and killed in the middle of it."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from replicator.backlog import Backlog, read_backlog
from replicator.errors import OutboxError
from replicator.outbox import store
from replicator.outbox.deliveries import Deliveries
from replicator.outbox.files import Kind, open_file, step_files
from replicator.outbox.reader import OutboxReader
from replicator.outbox.store import open_store
from replicator.outbox.writer import OutboxWriter

AT = datetime(2026, 3, 1, tzinfo=timezone.utc)
Rows = dict[str, list[tuple[Any, ...]]]

# What the first version had written; later ones had it as well.
FILLED: dict[Kind, str] = {
    "outbox": """
INSERT INTO entry VALUES (1, 'House', 'snapshot', '["id","deploymentId","address"]',
  '[[1,null,"1 Main St"]]', 1, 1, 's/b.1:4/', '2026-02-28T12:00:00.000Z', '');
INSERT INTO entry VALUES (2, 'Reading', 'insert', '["time","nodeId","type","locationId","value"]',
  '[["2026-02-28T12:00:00",69,0,null,21.5],["2026-02-28T12:00:05",69,0,null,21.6]]', 2, 3,
  's/b.1:90/', '2026-02-28T12:00:05.000Z', '');
INSERT INTO reference (table_name, id, row, seq, deleted)
  VALUES ('House', 1, '{"id":1,"address":"1 Main St"}', 1, 0);
INSERT INTO capture (id, position, committed_at, read_at, snapshot, row_total)
VALUES (1, 's/b.1:90/', '2026-02-28T12:00:05.000Z', '', NULL, 3);
INSERT INTO status (id, state, detail, since) VALUES (1, 'running', '', '');
INSERT INTO gap (found_at, last_position, reason) VALUES ('2026-02-01', 's/b.1:4/', 'purged');
""",
    "destination": """
UPDATE cursor SET seq = 1, position = 's/b.1:4/', row_total = 1;
INSERT INTO mapping (table_name, local_id, remote_id, natural_key, matched_by, mapped_at)
  VALUES ('House', 1, 5, '{"address":"1 Main St"}', 'created', '');
INSERT INTO parked VALUES (1, 0, 'House', 'insert', '[1]', 'house:1', '{"id":1}', 'rejected',
  'refused', 'no', '2026-02-28T12:00:00.000Z', '');
INSERT INTO receipt (seq, row_index, position, delivered, parked, requests, bytes, seconds, receipt,
  settled_at) VALUES (1, 0, 's/b.1:4/', 1, 0, 1, 10, 0.1, '', '2026-02-28T12:00:01.000Z');
INSERT INTO status (id, state, detail, since) VALUES (1, 'running', '', '');
""",
}
KINDS: tuple[Kind, ...] = ("outbox", "destination")
VERSIONS = [(kind, number) for kind in KINDS for number in range(1, len(step_files(kind)) + 1)]
OLDER = [(kind, number) for kind, number in VERSIONS if number < len(step_files(kind))]
_IDS = [f"{kind}-{number}" for kind, number in VERSIONS]


def made(path: Path, kind: Kind, version: int) -> Path:
    """A file as the version with so many steps left it, with rows in it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        later = [step.stem for step in step_files(kind)[version:]]
        store._steps(kind).apply(Database(connection), stop_before=later)
        connection.executescript(FILLED[kind])
    return path


def content(path: Path) -> Rows:
    """Every row of every table that the first version had, with the columns that it had."""
    with closing(sqlite3.connect(path)) as connection:
        tables = ["entry", "reference", "capture", "gap", "cursor", "mapping", "parked", "receipt"]
        there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        return {
            table: [row[:10] if table == "receipt" else row[:5] for row in _rows(connection, table)]
            for table in tables
            if table in there
        }


def _rows(connection: sqlite3.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    yield from connection.execute(f"SELECT * FROM {table}")  # one of the above


def schema(path: Path) -> set[tuple[str, str, str]]:
    """Tables, indexes and views, as SQL; not the record of the steps, which is the library's."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_master")
        return {row for row in found if "_sqlite_migrations" not in row[1] + row[2]}


def backlog(folder: Path) -> Backlog:
    return read_backlog(folder, [("centre", True)], AT, "now")


def sizeless(found: Backlog) -> Backlog:
    """But for how much room the files take."""
    return replace(found, tail=replace(found.tail, bytes=0, used_bytes=0))


def whole(folder: Path, kind: Kind, version: int) -> Path:
    """A folder with one file of an older version, and the other of this one; the former."""
    other: Kind = "destination" if kind == "outbox" else "outbox"
    names: dict[Kind, str] = {"outbox": "outbox.db", "destination": "centre.db"}
    made(folder / names[other], other, len(step_files(other)))
    return made(folder / names[kind], kind, version)


@pytest.mark.parametrize(("kind", "version"), VERSIONS, ids=_IDS)
def test_it_is_looked_at_unchanged_then_migrated_and_used(
    tmp_path: Path, kind: Kind, version: int
) -> None:
    path = whole(tmp_path, kind, version)
    before, found = path.read_bytes(), backlog(tmp_path)
    (waiting,) = found.destinations
    assert (waiting.waiting_rows, waiting.parked_rows, waiting.mappings) == (2, 1, 1)
    assert (found.tail.rows_captured, found.gaps[0].state) == (3, "open")
    assert path.read_bytes() == before
    had = content(path)
    open_store(path, kind).close()
    assert content(path) == had
    open_store(tmp_path / "fresh.db", kind).close()
    assert schema(path) == schema(tmp_path / "fresh.db")
    assert sizeless(backlog(tmp_path)) == sizeless(found)
    with closing(OutboxReader(tmp_path)) as reader:
        assert [entry.seq for entry in reader.entries(0)] == [1, 2]
        assert reader.reference("House", 1) == {"id": 1, "address": "1 Main St"}
    with closing(Deliveries(tmp_path, "centre")) as deliveries:
        assert deliveries.cursor().seq == 1
    with closing(OutboxWriter(tmp_path)) as writer:
        assert str(writer.position).startswith("s/b.1:90")


@pytest.mark.parametrize(("kind", "version"), OLDER, ids=[f"{k}-{v}" for k, v in OLDER])
def test_killed_before_any_statement_of_it_nothing_is_lost(
    tmp_path: Path, kind: Kind, version: int
) -> None:
    path = whole(tmp_path, kind, version)
    had, old = content(path), schema(path)
    died = 0
    while _migrated_in_a_child(path, kind, dies_before=died) == -signal.SIGKILL:
        died += 1
        assert content(path) == had
        assert schema(path) == old  # all of it or nothing
        with pytest.raises(OutboxError, match="older schema"):
            open_file(path, kind)
        assert backlog(tmp_path).destinations[0].waiting_rows == 2
    assert died > 10
    assert content(path) == had
    assert schema(path) != old
    open_file(path, kind).close()


def _migrated_in_a_child(path: Path, kind: Kind, *, dies_before: int) -> int:
    """How a process ends that opens the file and dies before that statement, from 0 on."""
    child = os.fork()
    if child == 0:
        try:
            store.sqlite3.connect = _mortal(dies_before)  # type: ignore[attr-defined]  # here alone
            open_store(path, kind).close()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _mortal(dies_before: int) -> Callable[..., sqlite3.Connection]:
    """As sqlite3.connect; counts what is executed."""
    real, left = sqlite3.connect, [dies_before]

    def trace(_sql: str) -> None:
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = real(*arguments, **options)
        connection.set_trace_callback(trace)
        return connection

    return connect


@pytest.mark.parametrize("kind", KINDS)
def test_one_of_a_version_to_come_is_refused_and_untouched(tmp_path: Path, kind: Kind) -> None:
    path = whole(tmp_path, kind, len(step_files(kind)))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, ?, '')",
            (f"replicator.{kind}", "9999_to_come"),
        )
    before = content(path)
    for use in (lambda: open_store(path, kind), lambda: backlog(tmp_path)):
        with pytest.raises(OutboxError, match=r"newer version.*9999_to_come.*install"):
            use()
    assert content(path) == before
