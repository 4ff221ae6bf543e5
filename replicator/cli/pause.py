"""`replicator pause`: send nothing to a destination until it is resumed."""

from __future__ import annotations

import click

from replicator.cli.desk import destinations, opened, who, why_option
from replicator.cli.options import configured
from replicator.config import Config
from replicator.outbox.orders import Orders


@click.command(epilog='\b\nExample:\n  replicator pause central --why "their disk is exchanged"')
@click.argument("destination")
@why_option
@configured
def pause(config: Config, destination: str, why: str) -> None:
    """Stop sending to a destination, durably. What is captured waits in the outbox.

    \b
    A ship that runs obeys after the request under way; a new one starts paused.
    """
    (name,) = destinations(config, (destination,))
    with opened(config, name) as deliveries:
        orders = Orders(deliveries.database, deliveries.path)
        changed = orders.pause(who(), why)
        click.echo(f"{name}: {'' if changed else 'already '}paused {orders.paused()}")
