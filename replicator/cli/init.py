"""`replicator init`: write a commented replicator.ini."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from replicator.cli.options import config_option, option_of_either
from replicator.config import PLACES, example
from replicator.errors import ConfigError

_MODE = 0o600  # it will hold a password


@click.command(
    epilog="\b\nExamples:\n  replicator init\n"
    "  replicator init --config /etc/replicator/replicator.ini"
)
@config_option
@click.option("--force", is_flag=True, help="Replace a file that is already there.")
@click.pass_context
def init(context: click.Context, config_path: Path | None, force: bool) -> None:
    """Write a commented replicator.ini that only its owner can read.

    Without --config it is written to $REPLICATOR_CONFIG, else to ./replicator.ini.
    """
    given = option_of_either(context, "config_path", config_path)
    path = given or Path(os.environ.get("REPLICATOR_CONFIG") or PLACES[0])
    write_example(path, force=force)
    click.echo(f"{path} written: fill in [source] and [destination central], then")
    click.echo(f"  replicator check --config {path}")


def write_example(path: Path, *, force: bool) -> None:
    """Write it whole or not at all, mode 0600. Raises ConfigError when it is there or cannot be."""
    if path.exists() and not force:
        raise ConfigError("there is a configuration already", str(path), "--force replaces it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not force:
            path.touch(_MODE, exist_ok=False)  # nobody else's, even if it came this moment
        _replace(path, example())
    except OSError as error:
        raise ConfigError(
            "the configuration cannot be written",
            f"{path}: {error.strerror}",
            "choose another place with --config, or run as a user who may write there",
        ) from error


def _replace(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as draft:
        try:
            draft.write(text)
            draft.flush()
            os.fchmod(draft.fileno(), _MODE)
            Path(draft.name).replace(path)
        except BaseException:
            Path(draft.name).unlink()
            raise
