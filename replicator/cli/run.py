"""`replicator run`: capture and delivery in one process, for a small station."""

from __future__ import annotations

import click

from replicator.cli import streaming
from replicator.cli.jobs import side_by_side
from replicator.cli.options import configured
from replicator.cli.pipelines import chosen
from replicator.cli.shipping import Shipping
from replicator.cli.signals import Stop
from replicator.cli.tail import capture
from replicator.config import Config
from replicator.notify import Service


@click.command(epilog="\b\nExample:\n  replicator run --config /etc/replicator/replicator.ini")
@configured
def run(config: Config) -> None:
    """Capture and deliver: `tail` and `ship` in one process."""
    destinations = chosen(config, ())
    service = Service(["tail", *(f"ship {each.name}" for each in destinations)])
    with Stop(service.stopping) as stop:
        deliveries = [
            Shipping(config, each, stop, service.duty(f"ship {each.name}"), once=False).run
            for each in destinations
        ]
        tail = service.duty("tail")
        feeding = streaming.feeding(config, stop, once=False)
        side_by_side([*feeding, *deliveries, lambda: capture(config, stop, tail, once=False)], stop)
