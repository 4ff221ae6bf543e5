"""A configuration that others can read or change, that sends twice, that cannot log."""

from __future__ import annotations

from pathlib import Path

from replicator.checks.listed import CHECKS
from replicator.checks.machine import configuration, file_mode, python, sqlite
from tests.checks.conftest import Find

TWICE = "".join(f"[destination {name}]\nurl = https://one.example.org/\n" for name in "ab")


def test_all_is_well(find: Find) -> None:
    found = find(configuration)
    assert {name for name, one in found.items() if one.status != "ok"} == set()
    assert {("configuration", name) for name in found} == {
        key for key in CHECKS if key[0] == "configuration"
    }


def test_everyone_can_read_a_secret(find: Find, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("hush")
    secret.chmod(0o644)
    found = find(configuration, f"[source]\npassword_file = {secret}\n")["secrets"]
    assert (found.status, found.hint) == ("warning", f"chmod 640 {secret}")
    secret.chmod(0o640)
    assert find(configuration, f"[source]\npassword_file = {secret}\n")["secrets"].status == "ok"


def test_everyone_can_change_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "replicator.ini"
    path.touch(0o600)
    path.chmod(0o666)
    assert file_mode(path, path.stat().st_mode).status == "warning"


def test_two_destinations_are_one(find: Find) -> None:
    found = find(configuration, TWICE)["duplicates"]
    assert (found.status, found.hint) == ("warning", "[destination b] enabled = no")


def test_a_log_that_cannot_be_written(find: Find, tmp_path: Path) -> None:
    found = find(configuration, f"[log]\nfile = {tmp_path}/nowhere/log\n")["log file"]
    assert (found.status, found.exit_code) == ("failure", 2)


def test_programs_that_are_too_old() -> None:
    assert (python((3, 9)).status, python((3, 10)).status) == ("failure", "ok")
    assert (sqlite("3.37.2").status, sqlite("3.38.0").status) == ("failure", "ok")
