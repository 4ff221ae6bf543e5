"""The bell between tail and ship."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path

from replicator.cli.signals import Stop
from replicator.outbox.bell import Bell, Ear


def rung(ear: Ear) -> bool:
    assert ear.fileno is not None
    return bool(select.select([ear.fileno], [], [], 0)[0])


def test_who_listens_hears_until_it_hushes(tmp_path: Path) -> None:
    ear, bell = Ear(tmp_path, "home"), Bell(tmp_path, ["home", "away"])
    assert not rung(ear)
    bell.ring()
    bell.ring()
    assert rung(ear)
    ear.hush()
    assert not rung(ear)
    bell.close()
    ear.close()
    assert not list(tmp_path.iterdir())


def test_a_listener_that_comes_goes_and_comes_again(tmp_path: Path) -> None:
    bell = Bell(tmp_path, ["home"])
    bell.ring()
    for _ in range(2):
        ear = Ear(tmp_path, "home")
        bell.ring()
        bell.ring()  # the first one after a listener has gone finds that out
        assert rung(ear)
        ear.close()
        bell.ring()
    bell.close()


def test_a_bell_left_by_a_killed_ship_is_used_again(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ship-home.bell")
    ear, bell = Ear(tmp_path, "home"), Bell(tmp_path, ["home"])
    bell.ring()
    assert rung(ear)
    bell.close()
    ear.close()


def test_a_full_bell_holds_nobody_up(tmp_path: Path) -> None:
    ear, bell = Ear(tmp_path, "home"), Bell(tmp_path, ["home"])
    for _ in range(70_000):
        bell.ring()
    assert rung(ear)
    bell.close()
    ear.close()


def test_without_fifos_there_is_no_bell(tmp_path: Path) -> None:
    ear = Ear(tmp_path / "missing", "home")
    assert ear.fileno is None
    ear.hush()
    ear.close()


def test_a_file_of_that_name_is_no_bell(tmp_path: Path) -> None:
    """It would always be ready to be read: ship would never sleep."""
    file = tmp_path / "ship-home.bell"
    file.write_bytes(b"")
    ear, bell = Ear(tmp_path, "home"), Bell(tmp_path, ["home"])
    assert ear.fileno is None
    bell.ring()
    assert file.read_bytes() == b""
    bell.close()
    ear.close()


def test_a_bell_that_cannot_be_reached_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    bell = Bell(tmp_path / "file", ["home"])
    bell.ring()
    bell.close()


def test_it_wakes_a_sleeper(tmp_path: Path) -> None:
    ear, bell, stop = Ear(tmp_path, "home"), Bell(tmp_path, ["home"]), Stop()
    bell.ring()
    began = time.monotonic()
    assert stop.wait(600.0, ear.fileno) is False
    assert time.monotonic() - began < 600
    bell.close()
    ear.close()
