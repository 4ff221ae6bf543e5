"""Opening the outbox's files: schema steps, strangers, newer versions, the role lock."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlite_utils import Database

from replicator.errors import OutboxBusy, OutboxError, OutboxFull
from replicator.outbox import files
from replicator.outbox.lock import RoleLock
from replicator.outbox.store import (
    Kind,
    _steps,
    open_readonly,
    open_store,
    statements,
    translate,
)


def test_a_new_outbox_has_the_documented_tables_and_pragmas(tmp_path: Path) -> None:
    database = open_store(tmp_path / "outbox.db", "outbox")
    assert {"entry", "reference", "capture", "status", "gap"} <= set(database.table_names())
    assert {"captured_row", "reading", "node_state"} <= set(database.view_names())
    assert database.conn.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.conn.execute("PRAGMA synchronous").fetchone() == (2,)
    assert database.conn.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    database.close()


def test_opening_twice_changes_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        database = open_store(tmp_path / "d.db", "destination")
        assert database.conn.execute("SELECT count(*) FROM cursor").fetchone() == (1,)
        database.close()


def first_version(path: Path, kind: Kind, *filling: str) -> None:
    """A file as the first version left it."""
    connection = sqlite3.connect(path, isolation_level=None)
    database = Database(connection)
    steps = _steps(kind)
    later = [step.name for step in steps.pending(database) if not step.name.startswith("0001_")]
    steps.apply(database, stop_before=later)
    for statement in filling:
        connection.execute(statement)
    connection.close()


def test_a_destinations_file_of_the_first_version_keeps_all_it_has(tmp_path: Path) -> None:
    path = tmp_path / "centre.db"
    first_version(
        path,
        "destination",
        "UPDATE cursor SET seq = 7, row_total = 9",
        "INSERT INTO mapping VALUES ('House', 1, 5, '{}', 'created', '')",
    )
    with pytest.raises(OutboxError, match="older schema"):
        open_readonly(path, "destination")
    database = open_store(path, "destination")
    assert database.execute("SELECT seq, row_total FROM cursor").fetchone() == (7, 9)
    assert database.execute("SELECT remote_id, born FROM mapping").fetchone() == (5, 0)
    assert database.execute("SELECT paused_at FROM orders").fetchone() == (None,)
    database.close()


def test_an_outbox_of_the_first_version_keeps_all_it_has(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    first_version(path, "outbox", "INSERT INTO reference VALUES ('House', 1, '{}', 3, 0)")
    database = open_store(path, "outbox")
    assert database.execute("SELECT seq, born FROM reference").fetchone() == (3, 0)
    database.close()


@pytest.mark.parametrize("open_it", [open_store, open_readonly])
def test_an_outbox_of_a_newer_version_is_refused_untouched(
    tmp_path: Path, open_it: Callable[[Path, Kind], Database]
) -> None:
    path = tmp_path / "outbox.db"
    open_store(path, "outbox").close()
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, ?, ?)",
            ("replicator.outbox", "9999_from_the_future", "2099-01-01"),
        )
    connection.close()
    with pytest.raises(OutboxError, match=r"newer version.*9999_from_the_future"):
        open_it(path, "outbox")


def test_somebody_elses_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE notes (text)")
    connection.close()
    with pytest.raises(OutboxError, match="not an outbox"):
        open_store(path, "outbox")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(b"this is not SQLite" * 1000)
    with pytest.raises(OutboxError, match="not a database"):
        open_store(path, "outbox")


def test_reading_a_missing_outbox_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OutboxError, match="replicator migrate"):
        open_readonly(tmp_path / "outbox.db", "outbox")


def test_of_openers_at_once_one_migrates_and_the_others_wait(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from replicator.outbox.store import open_store; "
        "open_store(Path(sys.argv[1]), 'outbox').close()"
    )
    path = str(tmp_path / "outbox.db")
    openers = [subprocess.Popen([sys.executable, "-c", code, path]) for _ in range(5)]
    assert [opener.wait(60) for opener in openers] == [0] * 5


def test_statements_are_split_where_sqlite_says_they_end() -> None:
    script = "CREATE TABLE a (b TEXT DEFAULT ';'); -- one; two\nCREATE TABLE c (d);\n"
    assert len(list(statements(script.replace("; --", ";\n--")))) == 2


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("database or disk is full", OutboxFull),
        ("disk I/O error", OutboxFull),
        ("database is locked", OutboxBusy),
        ("database disk image is malformed", OutboxError),
    ],
)
def test_sqlite_errors_become_ours(text: str, kind: type[OutboxError]) -> None:
    error = translate(sqlite3.OperationalError(text), "outbox.db")
    assert type(error) is kind
    assert error.hint


def test_one_holder_per_role(tmp_path: Path) -> None:
    held = RoleLock(tmp_path, "tail")
    with pytest.raises(OutboxBusy, match=f"process {os.getpid()}"):
        RoleLock(tmp_path, "tail")
    RoleLock(tmp_path, "ship-a").release()
    held.release()
    RoleLock(tmp_path, "tail").release()


def test_a_killed_holder_frees_the_role(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from replicator.outbox.lock import RoleLock; "
        "lock = RoleLock(Path(sys.argv[1]), 'tail'); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(OutboxBusy):
            RoleLock(tmp_path, "tail")
        holder.send_signal(signal.SIGKILL)
        holder.wait(30)
    RoleLock(tmp_path, "tail").release()


def test_a_file_that_cannot_be_opened_is_not_called_damaged() -> None:
    told = translate(sqlite3.OperationalError("unable to open database file"), "outbox.db")
    assert "free space" in told.hint
    assert "damaged" not in told.hint


def test_a_file_that_is_being_made_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_MAKING_SECONDS", 60.0)
    path = tmp_path / "outbox.db"
    path.touch()
    with ThreadPoolExecutor(1) as reader:
        reading = reader.submit(_look, path)
        time.sleep(0.1)
        assert not reading.done()
        open_store(path, "outbox").conn.close()
        reading.result(timeout=30)


def _look(path: Path) -> None:
    """Opened and closed in one thread, as sqlite3 wants it."""
    open_readonly(path, "outbox").conn.close()
