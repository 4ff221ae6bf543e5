"""How the program ends: an exit code for everything, a traceback only for a bug, and in the log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import click.testing
import pytest

from replicator import __version__
from replicator.cli.main import Program, main
from replicator.cli.options import configured
from replicator.config import Config
from replicator.errors import OutboxBusy
from tests.cli.conftest import Station


def ending(with_: BaseException) -> click.testing.Result:
    """What the program does when a command raises."""

    @click.command()
    def command() -> None:
        raise with_

    program = Program("replicator", commands=[command])
    return click.testing.CliRunner().invoke(program, ["command"])


def test_an_error_of_ours_has_its_exit_code_and_no_traceback() -> None:
    result = ending(OutboxBusy("taken", "by 17", "stop it"))
    assert result.exit_code == 8
    assert result.stderr == "replicator: taken\n  by 17\n  → stop it\n"


def test_a_bug_is_70_and_leaves_a_traceback() -> None:
    assert ending(ZeroDivisionError("oops")).exit_code == 70


def test_ctrl_c_is_130() -> None:
    result = ending(KeyboardInterrupt())
    assert result.exit_code == 130
    assert "Traceback" not in result.output


def test_a_usage_error_is_2(folder: Station) -> None:
    assert folder.run("no-such-command").exit_code == 2
    assert folder.run("init", "--no-such-option").exit_code == 2


def test_a_missing_configuration_is_2(folder: Station) -> None:
    result = folder.run("migrate")
    assert result.exit_code == 2
    assert "replicator init" in result.stderr


def test_version(folder: Station) -> None:
    assert folder.run("--version").output == f"replicator, version {__version__}\n"


def _commands(group: click.Group, *above: str) -> Iterator[tuple[click.Command, list[str]]]:
    """All commands and groups below, with their names."""
    for name, command in sorted(group.commands.items()):
        yield command, [*above, name]
        if isinstance(command, click.Group):
            yield from _commands(command, *above, name)


@pytest.mark.parametrize("command", list(_commands(main)), ids=lambda found: " ".join(found[1]))
def test_every_command_explains_itself(
    folder: Station, command: tuple[click.Command, list[str]]
) -> None:
    result = folder.run(*command[1], "--help")
    assert result.exit_code == 0
    assert "Example" in result.output
    assert ("--config" in result.output) == (command[1] != ["simulate"]), "it reads none"
    assert command[0].get_short_help_str()


@pytest.mark.parametrize("before", [True, False])
def test_options_of_all_commands_stand_before_or_behind_the_name(
    folder: Station, before: bool
) -> None:
    @click.command()
    @configured
    def show(config: Config) -> None:
        click.echo(f"{config.station.name}")

    program = Program("replicator", params=main.params, commands=[show])
    (folder.folder / "x.ini").write_text("[station]\nname = barn\n")
    options = ["--config", "x.ini", "--log-level", "error"]
    arguments = [*options, "show"] if before else ["show", *options]
    result = click.testing.CliRunner().invoke(program, arguments)
    assert (result.exit_code, result.output) == (0, "barn\n")


def test_warnings_of_the_configuration_are_logged(folder: Station) -> None:
    folder.ini("[source]\npassword = s3cret\n[outbox]\npath = o\n")
    folder.path.chmod(0o644)
    result = folder.run("migrate")
    assert result.exit_code == 0
    assert "everyone can read it" in result.stderr
    assert "s3cret" not in result.output


def test_mistakes_come_all_at_once_from_a_real_process(folder: Station) -> None:
    folder.ini("[source]\nport = x\nprot = 1\n")
    process = folder.start("migrate")
    out, err = process.communicate()
    assert (process.returncode, out) == (2, "")
    assert err.splitlines() == [
        "replicator: 2 mistakes in the configuration",
        "  replicator.ini:2: [source] port: not a whole number from 1 to 65535",
        "  replicator.ini:3: [source] has no key prot; did you mean port?",
        "  → every key is described in docs/configuration.md; `replicator init` writes an example",
    ]


def test_a_reader_that_leaves_is_no_error(folder: Station) -> None:
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [sys.executable, "-m", "replicator", "init"],
        cwd=folder.folder,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert (process.returncode, process.stderr) == (141, "")


def test_the_central_server_runs_until_sigterm(folder: Station, tmp_path: Path) -> None:
    folder.ini(f"[central]\ndatabase = sqlite:///{tmp_path / 'c.db'}\n")
    process = folder.start("central", "--listen", "127.0.0.1:0")
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening on http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert "Traceback" not in err


def test_a_central_token_is_printed_alone(folder: Station, tmp_path: Path) -> None:
    folder.ini(f"[central]\ndatabase = sqlite:///{tmp_path / 'c.db'}\n")
    result = folder.run("central", "--create-token", "barn")
    assert result.exit_code == 0
    assert len(result.stdout.strip()) >= 32
    assert len(result.stdout.splitlines()) == 1


def test_tokens_are_revoked_by_the_stations_name(folder: Station, tmp_path: Path) -> None:
    folder.ini(f"[central]\ndatabase = sqlite:///{tmp_path / 'c.db'}\n")
    folder.run("central", "--create-token", "barn")
    folder.run("central", "--create-token", "barn")
    both = folder.run("central", "--revoke-tokens", "barn", "--create-token", "barn")
    assert (both.exit_code, both.stderr) == (0, "barn: 2 revoked\n")
    assert len(both.stdout.splitlines()) == 1
    assert folder.run("central", "--revoke-tokens", "barn").exit_code == 0
    again = folder.run("central", "--revoke-tokens", "barn")
    assert again.exit_code == 2
    assert "no token was revoked" in again.stderr


def test_a_fleet_has_tokens_of_its_own(folder: Station, tmp_path: Path) -> None:
    folder.ini(
        f"[central]\ndatabase = sqlite:///{tmp_path / 'c.db'}\n[source]\nuser = u\n"
        "[fleet]\nstations = *\n[outbox]\nurl = nats://127.0.0.1:9/F\n"
    )
    made = folder.run("central", "--create-fleet-token", "shippers")
    assert (made.exit_code, len(made.stdout.splitlines())) == (0, 1), made.output
    assert folder.run("central", "--revoke-tokens", "shippers").exit_code == 2
    gone = folder.run("central", "--revoke-fleet-tokens", "shippers")
    assert (gone.exit_code, gone.stderr) == (0, "shippers: 1 revoked\n")
    forgotten = folder.run("central", "--forget-holders", "*")
    assert (forgotten.exit_code, forgotten.stderr) == (0, "0 stations' holders forgotten\n")


def test_a_wrong_listen_address_is_a_usage_error(folder: Station) -> None:
    folder.ini("")
    result = folder.run("central", "--listen", "8080")
    assert result.exit_code == 2
    assert "127.0.0.1:8080" in result.stderr
