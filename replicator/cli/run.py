"""`replicator run`: capture and delivery in one process, for a small station."""

from __future__ import annotations

import click

from replicator.cli import streaming
from replicator.cli.options import configured
from replicator.cli.pipelines import chosen
from replicator.cli.ship import deliver, side_by_side
from replicator.cli.signals import Stop
from replicator.cli.tail import capture
from replicator.config import Config


@click.command(epilog="\b\nExample:\n  replicator run --config /etc/replicator/replicator.ini")
@configured
def run(config: Config) -> None:
    """Capture and deliver: `tail` and `ship` in one process."""
    with Stop() as stop:
        deliveries = [
            lambda destination=destination: deliver(config, destination, stop, once=False)
            for destination in chosen(config, ())
        ]
        feeding = streaming.feeding(config, stop, once=False)
        side_by_side([*feeding, *deliveries, lambda: capture(config, stop, once=False)], stop)
