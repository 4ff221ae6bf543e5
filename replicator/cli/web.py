"""`replicator web`: the operator's page, /metrics and /healthz."""

from __future__ import annotations

import importlib
import re
from types import ModuleType

import click

from replicator import __version__
from replicator.cli.backlog import thresholds
from replicator.cli.central import listen_address
from replicator.cli.options import configured
from replicator.config import Config, Listen
from replicator.errors import ConfigError
from replicator.web.settings import Certificate, Certify, WebSettings


@click.command(epilog="\b\nExamples:\n  replicator web\n  replicator web --listen 127.0.0.1:8090")
@configured
@click.option(
    "--listen",
    callback=listen_address,
    metavar="HOST:PORT",
    help="Overrides [web] listen; port 0 takes a free one.",
)
def web(config: Config, listen: Listen | None) -> None:
    """Serve a page that shows the backlog and lets you act, until SIGTERM or Ctrl-C.

    \b
    Also /metrics for Prometheus, and /healthz. Settings: [web]. It reads the outbox's files, so it
    works whether tail and ship run or not. Once it accepts requests, standard output has the line
    "listening on URL".
    """
    settings = web_settings(config, listen)
    _room("serve").serve(settings)


def web_settings(config: Config, listen: Listen | None = None) -> WebSettings:
    """What the page is told; ``listen`` goes before the configured address. Raises ConfigError."""
    address = listen or config.web.listen
    return WebSettings(
        folder=config.outbox.path,
        destinations=[(each.name, each.enabled) for each in config.destinations],
        station=config.station.name,
        version=__version__,
        certify=_certify(config),
        host=address.host,
        port=address.port,
        token=config.web.token,
        hosts=config.web.hosts,
        budget=config.outbox.max_size,
        synchronous=config.outbox.synchronous,
        limits=thresholds(config),
    )


def _certify(config: Config) -> Certify:
    """Makes certificates; it alone asks the station's database and the centre."""

    def make(name: str, house: str, month: str) -> Certificate:
        from replicator.cli.certificate import certified  # noqa: PLC0415  # drags in much, and few ask

        if not re.fullmatch(r"\d{4}-\d\d", month):
            raise ConfigError("that is not a month", month, "write it as 2026-03")
        destination = next(each for each in config.destinations if each.name == name)
        made = certified(config, destination, house, month, lambda _: None)
        return Certificate(made.name, made.signed.to_json())

    return make


def _room(module: str) -> ModuleType:
    """A module of the web room; only here are the packages of the extra `web` needed."""
    try:
        return importlib.import_module(f"replicator.web.{module}")
    except ModuleNotFoundError as error:
        raise ConfigError(
            "the page's packages are not installed",
            f"{error.name} is missing",
            "pip install 'replicator[web]'",
        ) from error
