"""`replicator resume`: send to a paused destination again."""

from __future__ import annotations

import click

from replicator.cli.desk import destinations, opened, who
from replicator.cli.options import configured
from replicator.config import Config
from replicator.outbox.orders import Orders


@click.command(epilog="\b\nExample:\n  replicator resume central")
@click.argument("destination")
@configured
def resume(config: Config, destination: str) -> None:
    """End a pause; what waits is sent, in order."""
    (name,) = destinations(config, (destination,))
    with opened(config, name) as deliveries:
        changed = Orders(deliveries.database, deliveries.path).resume(who())
    click.echo(f"{name}: {'goes on' if changed else 'was not paused'}")
