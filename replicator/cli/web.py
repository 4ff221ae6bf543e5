"""`replicator web`: the operator's page, /metrics and /healthz."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from heapq import nsmallest
from types import ModuleType

import click

from replicator import __version__
from replicator.cli.backlog import thresholds
from replicator.cli.central import listen_address
from replicator.cli.options import configured_fleet
from replicator.config import Config, Listen
from replicator.errors import ConfigError
from replicator.web.settings import Certificate, Certify, WebSettings


@click.command(epilog="\b\nExamples:\n  replicator web\n  replicator web --listen 127.0.0.1:8090")
@configured_fleet
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
    "listening on URL". In a fleet, without --station: the page of the fleet, and below it that of
    each station with a folder on this machine.
    """
    if config.fleet.stations:
        _serve_fleet(config, listen)
        return
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


def _serve_fleet(config: Config, listen: Listen | None) -> None:
    from replicator.cli import fleet_look  # noqa: PLC0415  # needs what a folder does not
    from replicator.cli.stations import is_here, stations_here  # noqa: PLC0415

    def station(name: str) -> WebSettings | None:
        if not is_here(config, name):
            return None
        return replace(web_settings(config.at_station(name), listen), in_fleet=True)

    def here(after: str, most: int) -> Sequence[str]:
        return nsmallest(most, (name for name in stations_here(config) if name > after))

    own = replace(web_settings(config, listen), station="fleet")
    serve = _room("serve")
    look = partial(fleet_look.look_at_fleet, config)
    serve.serve_fleet(_room("fleet").FleetSettings(own, look, here, station))


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
