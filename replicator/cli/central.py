"""`replicator central`: serve the central server, or make a station's or a fleet's token."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import click

from replicator.cli import collector
from replicator.cli.options import configured_fleet
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
    "  replicator central --revoke-tokens house-17\n"
    "  replicator central --create-fleet-token shippers > token"
)
@configured_fleet
@click.option(
    "--listen",
    callback=listen_address,
    metavar="HOST:PORT",
    help="Overrides [central] listen; port 0 takes a free one.",
)
@click.option(
    "--create-token",
    "created",
    metavar="STATION",
    help="Print a new token for this station, and exit. It is shown only this once.",
)
@click.option(
    "--revoke-tokens",
    "revoked",
    metavar="STATION",
    help="Make all tokens of this station useless, and exit.",
)
@click.option(
    "--create-fleet-token",
    "fleet",
    metavar="NAME",
    help="Print a new token for shippers that deliver any station, and exit.",
)
@click.option(
    "--revoke-fleet-tokens",
    "fleet_revoked",
    metavar="NAME",
    help="Make all fleet tokens of this name useless, and exit.",
)
@click.option(
    "--forget-holders",
    "forgotten",
    metavar="PATTERN",
    help="Let any shipper speak for these stations (a shell pattern), and exit. Needed only after"
    " the shippers' leases were lost and begin anew.",
)
def central(config: Config, /, listen: Listen | None, **names: str | None) -> None:
    """Run the central server of [central] until SIGTERM or Ctrl-C.

    Once it accepts requests, standard output has the line "listening on URL".
    """
    settings = central_settings(config.central, listen)
    if not any(name is not None for name in names.values()):
        collector.calm()
        _room("serve").serve(settings)
        return
    engine = _room("engine").open_engine(settings.database_url)
    try:
        _tokens(engine, names)
    finally:
        engine.dispose()


def _tokens(engine: Any, names: Mapping[str, str | None]) -> None:
    """What the options say: first forget and revoke, then make."""
    tokens = _room("tokens")
    if names["forgotten"] is not None:
        count = _room("fence").forget(engine, names["forgotten"])
        click.echo(f"{count} stations' holders forgotten", err=True)
    for option, revoke, whose, made_by in (
        ("revoked", tokens.revoke_tokens, "station", "--create-token"),
        ("fleet_revoked", tokens.revoke_fleet_tokens, "fleet", "--create-fleet-token"),
    ):
        name = names[option]
        if name is not None:
            _revoked(name, revoke(engine, name), whose, made_by)
    for option, create in (("created", tokens.create_token), ("fleet", tokens.create_fleet_token)):
        name = names[option]
        if name is not None:
            click.echo(create(engine, name))


def _revoked(name: str, count: int, whose: str, made_by: str) -> None:
    if not count:
        raise ConfigError(
            "no token was revoked",
            f"no {whose} with a token is called {name!r}",
            f"the name is the one that {made_by} was given",
        )
    click.echo(f"{name}: {count} revoked", err=True)


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
