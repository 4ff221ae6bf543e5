"""What commands share: --config and --log-level, and a Config with the log set up from it."""

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


def configured(command: Callable[Concatenate[Config, P], R]) -> Callable[..., R]:
    """Give a command --config and --log-level, and the loaded Config as its first argument.

    Both options also work before the command's name. Errors: ConfigError.
    """

    @config_option
    @log_level_option
    @click.pass_context
    @functools.wraps(command)
    def wrapped(
        context: click.Context,
        /,
        *args: P.args,
        **options: P.kwargs,
    ) -> R:
        config = load(context, options.pop("config_path"), options.pop("log_level"))  # type: ignore[arg-type]  # click's
        return command(config, *args, **options)

    return wrapped


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
    """Give a group of commands --config and --log-level, which its commands look up there."""

    @config_option
    @log_level_option
    @functools.wraps(command)
    def wrapped(*args: P.args, **options: P.kwargs) -> R:
        del options["config_path"], options["log_level"]
        return command(*args, **options)

    return wrapped


def option_of_either(context: click.Context, name: str, own: Any) -> Any:
    """The command's own option, else the nearest one given before its name."""
    above = context.parent
    while own is None and above is not None:
        own, above = above.params.get(name), above.parent
    return own
