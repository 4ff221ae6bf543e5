"""`replicator run`: capture and delivery in one process, for a small station."""

from __future__ import annotations

import os

import click

from replicator.cli.notify import Notifier
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
    with Notifier(os.environ) as notifier, Stop() as stop:
        loops = [(one, notifier.loop(one.name, stop)) for one in chosen(config, ())]
        follow = notifier.loop("tail", stop)
        deliveries = [
            lambda one=one, halt=halt: deliver(config, one, halt, once=False) for one, halt in loops
        ]
        side_by_side([*deliveries, lambda: capture(config, follow, once=False)], stop)
