"""`replicator check`: configuration and outbox."""

from __future__ import annotations

import sqlite3

import pytest

from replicator.checks.finding import Finding
from replicator.checks.folder import outbox
from replicator.checks.machine import configuration
from replicator.cli.check import exit_code
from replicator.cli.findings import target
from replicator.config import Config
from tests.cli.conftest import Station

INI = "[outbox]\npath = box\n"


def findings(folder: Station, text: str) -> dict[str, Finding]:
    folder.ini(text)
    config = Config.load(folder.path, {})
    return {f.name: f for look in (configuration, outbox) for f in look(target(config))}


def test_all_is_well_before_the_first_start(folder: Station) -> None:
    found = findings(folder, INI)
    assert all(finding.ok for finding in found.values())
    assert found["destinations"].message == "none is enabled: rows are captured, and wait"
    assert "will be created" in found["folder"].message
    assert not (folder.folder / "box").exists()


def test_all_is_well_afterwards(folder: Station) -> None:
    text = INI + "[destination a]\nurl = http://a\n"
    folder.ini(text)
    assert folder.run("migrate").exit_code == 0
    found = findings(folder, text)
    assert all(finding.ok for finding in found.values())
    assert found["outbox.db"].message == found["a.db"].message == "the schema is up to date"


@pytest.mark.parametrize("path", ["file/box", "/proc/box"])
def test_a_folder_that_cannot_be_made(folder: Station, path: str) -> None:
    (folder.folder / "file").touch()
    found = findings(folder, f"[outbox]\npath = {path}\n")["folder"]
    assert (found.ok, found.exit_code) == (False, 7)
    assert found.hint.startswith("mkdir -p")


def test_too_little_room(folder: Station) -> None:
    found = findings(folder, INI + "max_size = 1000 TiB\n")["disk"]
    assert (found.ok, found.exit_code) == (False, 7)
    assert "[outbox] max_size = " in found.hint


def test_a_file_that_is_no_outbox(folder: Station) -> None:
    (folder.folder / "box").mkdir()
    stranger = sqlite3.connect(folder.folder / "box" / "outbox.db")
    stranger.execute("CREATE TABLE mine (x)")
    stranger.close()
    found = findings(folder, INI)["outbox.db"]
    assert (found.ok, found.exit_code) == (False, 7)
    assert "[outbox] path" in found.hint


def test_the_exit_code_is_that_of_the_first_failure() -> None:
    def bad(code: int) -> Finding:
        return Finding("p", "n", False, "m", "h", code)

    good = Finding("p", "n", True, "m")
    assert exit_code([good]) == 0
    assert exit_code([good, bad(7), bad(11), good]) == 7
