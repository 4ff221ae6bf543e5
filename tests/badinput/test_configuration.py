"""A replicator.ini that cannot be used, told by every command alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.badinput.told import RIGHT, failed_checks, reading, refused
from tests.faults.world import World


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "replicator.ini"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("command", [("check",), ("tail", "--once"), ("ship", "--once")])
def test_wrong_keys_and_values(world: World, tmp_path: Path, command: tuple[str, ...]) -> None:
    edit(tmp_path, "[outbox]\n", "[outbox]\npaht = /tmp\nmax_size = plenty\n")
    refused(world.run(*command), 2, "paht", "max_size")


def test_a_password_file_that_is_not_there(world: World, tmp_path: Path) -> None:
    edit(tmp_path, "password = only-reads", f"password_file = {tmp_path}/nowhere")
    refused(world.run("tail", "--once"), 2, "nowhere")


def test_no_password(world: World, tmp_path: Path) -> None:
    world.insert("Reading", reading(1))
    edit(tmp_path, "password = only-reads", "")
    refused(world.run("tail", "--once"), 4, "fieldstation", "[source] user and password")
    assert "password" in failed_checks(world, 4)["connection"]["hint"]
    edit(tmp_path, "user = fieldstation\n", "user = fieldstation\npassword = only-reads\n")
    world.replicate()
    assert world.compare() == RIGHT
