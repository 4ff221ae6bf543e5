"""`replicator central`: serve the central server, or make a station's token."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import click

from replicator.cli import collector
from replicator.cli.options import configured
from replicator.cli.wiring import central_settings
from replicator.config import Config, Listen
from replicator.config.kinds import LISTEN
from replicator.errors import ConfigError


def listen_address(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> Listen | None:
    """HOST:PORT of an option. Raises click.BadParameter."""
    if text is None:
        return None
    try:
        address = LISTEN.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    assert isinstance(address, Listen)
    return address


@click.command(
    epilog="\b\nExamples:\n  replicator central\n  replicator central --listen 127.0.0.1:8080\n"
    "  replicator central --create-token house-17 > token\n"
    "  replicator central --revoke-tokens house-17"
)
@configured
@click.option(
    "--listen",
    callback=listen_address,
    metavar="HOST:PORT",
    help="Overrides [central] listen; port 0 takes a free one.",
)
@click.option(
    "--create-token",
    "station",
    metavar="STATION",
    help="Print a new token for this station, and exit. It is shown only this once.",
)
@click.option(
    "--revoke-tokens",
    "revoked",
    metavar="STATION",
    help="Make all tokens of this station useless, and exit.",
)
def central(
    config: Config, listen: Listen | None, station: str | None, revoked: str | None
) -> None:
    """Run the central server of [central] until SIGTERM or Ctrl-C.

    Once it accepts requests, standard output has the line "listening on URL".
    """
    settings = central_settings(config.central, listen)
    if station is None and revoked is None:
        collector.calm()
        _room("serve").serve(settings)
        return
    engine = _room("engine").open_engine(settings.database_url)
    try:
        if revoked is not None:
            _revoke(engine, revoked)
        if station is not None:
            click.echo(_room("tokens").create_token(engine, station))
    finally:
        engine.dispose()


def _revoke(engine: Any, station: str) -> None:
    count = _room("tokens").revoke_tokens(engine, station)
    if not count:
        raise ConfigError(
            "no token was revoked",
            f"no station with a token is called {station!r}",
            "the name is the one that --create-token was given",
        )
    click.echo(f"{station}: {count} revoked", err=True)


def _room(module: str) -> ModuleType:
    """A module of the central room; only here are the packages of the extra `central` needed."""
    try:
        return importlib.import_module(f"replicator.central.{module}")
    except ModuleNotFoundError as error:
        raise ConfigError(
            "the central server's packages are not installed",
            f"{error.name} is missing",
            "pip install 'replicator[central]'",
        ) from error
