"""What commands share: --config, --log-level, --station; and a Config, with the log set up."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from replicator.cli import logs
from replicator.config import Config
from replicator.errors import ConfigError

P = ParamSpec("P")
R = TypeVar("R")

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PATH",
    help="Configuration file. Else $REPLICATOR_CONFIG, else ./replicator.ini, "
    "else /etc/replicator/replicator.ini.",
)
log_level_option = click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Overrides [log] level.",
)


station_option = click.option(
    "--station",
    "one_station",
    metavar="NAME",
    help="One station of a fleet: its folder, as if it were the only one.",
)


def configured(command: Callable[Concatenate[Config, P], R]) -> Callable[..., R]:
    """Give a command --config, --log-level and --station; its first argument is the loaded Config.

    In a fleet it is the station's, and without --station there is none. The options also work
    before the command's name. Errors: ConfigError.
    """
    return _configured(command, one_folder=True)


def configured_fleet(command: Callable[Concatenate[Config, P], R]) -> Callable[..., R]:
    """As ``configured``, for a command that can do without one station's folder: then, in a fleet,
    it has the fleet's Config where no --station is given."""
    return _configured(command, one_folder=False)


def _configured(
    command: Callable[Concatenate[Config, P], R], *, one_folder: bool
) -> Callable[..., R]:
    @config_option
    @log_level_option
    @station_option
    @click.pass_context
    @functools.wraps(command)
    def wrapped(
        context: click.Context,
        /,
        *args: P.args,
        **options: P.kwargs,
    ) -> R:
        config = load(context, options.pop("config_path"), options.pop("log_level"))  # type: ignore[arg-type]  # click's
        name = option_of_either(context, "one_station", options.pop("one_station"))
        return command(of_station(config, name, needed=one_folder), *args, **options)

    return wrapped


def of_station(config: Config, name: str | None, *, needed: bool = True) -> Config:
    """The configuration of one station of a fleet; the same where there is no fleet.

    Raises ConfigError for a name that does not belong here, and for none where one is needed.
    """
    if not config.fleet.stations:
        if name not in (None, config.station.name):
            raise ConfigError(
                f"this is station {config.station.name}, not {name}",
                "--station is for a fleet, and the configuration has no [fleet] stations",
                "leave --station away, or name another --config",
            )
        return config
    if name is not None:
        return config.at_station(name)
    if needed:
        raise ConfigError(
            "which station of the fleet?",
            f"each has a folder of its own in {config.outbox.path}",
            "name one with --station NAME",
        )
    return config


def load(context: click.Context, config_path: Path | None, log_level: str | None) -> Config:
    """The configuration, and the log set up from it. Raises ConfigError."""
    path = option_of_either(context, "config_path", config_path)
    level = option_of_either(context, "log_level", log_level)
    config = Config.load(path, os.environ)
    logs.set_up(config.log, config.secrets(), level)
    for warning in config.warnings:
        logging.getLogger("replicator.config").warning(warning)
    return config


def group(command: Callable[P, R]) -> Callable[..., R]:
    """Give a group of commands --config, --log-level and --station; its commands look there."""

    @config_option
    @log_level_option
    @station_option
    @functools.wraps(command)
    def wrapped(*args: P.args, **options: P.kwargs) -> R:
        del options["config_path"], options["log_level"], options["one_station"]
        return command(*args, **options)

    return wrapped


def option_of_either(context: click.Context, name: str, own: Any) -> Any:
    """The command's own option, else the nearest one given before its name."""
    above = context.parent
    while own is None and above is not None:
        own, above = above.params.get(name), above.parent
    return own
