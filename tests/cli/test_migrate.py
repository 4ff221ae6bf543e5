"""`replicator migrate`."""

from __future__ import annotations

import sqlite3

from replicator.outbox.lock import RoleLock
from replicator.outbox.store import open_readonly
from tests.cli.conftest import Station

INI = "[outbox]\npath = box\n[destination a]\nurl = http://a\n"
OFF = "[destination b]\nurl = http://b\nenabled = no\n"


def test_it_creates_every_file_and_repeating_it_changes_nothing(folder: Station) -> None:
    folder.ini(INI + OFF)
    first = folder.run("migrate")
    assert first.exit_code == 0
    assert [line.rpartition(": ")[2] for line in first.stdout.splitlines()] == ["created"] * 3
    box = folder.folder / "box"
    open_readonly(box / "outbox.db", "outbox").close()
    open_readonly(box / "b.db", "destination").close()
    again = folder.run("migrate")
    assert [line.rpartition(": ")[2] for line in again.stdout.splitlines()] == ["up to date"] * 3


def test_it_refuses_while_a_daemon_runs(folder: Station) -> None:
    folder.ini(INI)
    lock = RoleLock(folder.folder / "box", "ship-a")
    try:
        result = folder.run("migrate")
    finally:
        lock.release()
    assert result.exit_code == 8
    assert "ship-a" in result.stderr


def test_a_file_that_is_something_else_is_left_alone(folder: Station) -> None:
    folder.ini(INI)
    (folder.folder / "box").mkdir()
    stranger = sqlite3.connect(folder.folder / "box" / "outbox.db")
    stranger.execute("CREATE TABLE mine (x)")
    stranger.close()
    result = folder.run("migrate")
    assert result.exit_code == 7
    assert "not an outbox" in result.stderr


def test_a_folder_that_cannot_be(folder: Station) -> None:
    folder.ini(INI)
    (folder.folder / "box").write_text("a file")
    result = folder.run("migrate")
    assert result.exit_code == 7
    assert "box" in result.stderr
