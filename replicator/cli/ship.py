"""`replicator ship`: the outbox to the central servers."""

from __future__ import annotations

import click

from replicator.cli import streaming
from replicator.cli.connecting import ensure_extra
from replicator.cli.jobs import side_by_side
from replicator.cli.options import configured_fleet
from replicator.cli.pipelines import chosen
from replicator.cli.shipping import Shipping
from replicator.cli.signals import Stop
from replicator.config import Config
from replicator.errors import ConfigError
from replicator.notify import Service


@click.command(epilog="\b\nExamples:\n  replicator ship\n  replicator ship --once home")
@click.argument("destinations", nargs=-1, metavar="[DESTINATION]...")
@click.option("--once", is_flag=True, help="End when nothing waits.")
@configured_fleet
def ship(config: Config, destinations: tuple[str, ...], once: bool) -> None:
    """Deliver: forward the outbox to the destinations, in order, until acknowledged.

    \b
    Without names, all enabled destinations, each on its own. Safe to kill at any moment. With
    [fleet] stations it shares them with all others that run so.
    """
    if config.fleet.stations:
        ensure_extra()
        from replicator.cli.fleet import ship_fleet  # noqa: PLC0415  # needs the extra jetstream

        ship_fleet(config, destinations, once=once)
        return
    if config.fleet.member:
        raise ConfigError(
            "a station of a fleet is not delivered alone",
            f"--station {config.station.name}: others may hold its lease",
            "leave --station away, or set [fleet] stations to what this shipper shall take",
        )
    wanted = chosen(config, destinations)
    service = Service([each.name for each in wanted])
    with Stop(service.stopping) as stop:
        jobs = [Shipping(config, each, stop, service.duty(each.name), once).run for each in wanted]
        side_by_side([*streaming.feeding(config, stop, once=once), *jobs], stop)
