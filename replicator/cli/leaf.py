"""`replicator leaf`: which stations' own NATS servers the hub's stream takes rows from."""

from __future__ import annotations

import click

from replicator.cli import streaming
from replicator.cli.options import configured
from replicator.config import Config
from replicator.errors import ConfigError


@click.group()
def leaf() -> None:
    """Take rows from NATS servers at the stations (leaf nodes).

    For the hub, where [outbox] url names the hub's servers.
    """


@leaf.command(epilog="\b\nExample:\n  replicator leaf add station-7 --domain station-7")
@configured
@click.argument("station")
@click.option("--domain", required=True, help="JetStream domain of the station's server.")
def add(config: Config, station: str, domain: str) -> None:
    """Let the hub's stream take a station's rows; make the stream where there is none.

    The leaf may be down; its rows come when it is reached. Doing it twice changes nothing.
    """
    if not domain or any(sign in domain for sign in ".*> \t"):
        raise ConfigError(
            "this is no JetStream domain",
            domain,
            "a word without dots, as `jetstream { domain: … }` of the station's server has it",
        )
    added = streaming.add_leaf(config, station, domain)
    click.echo(f"{station} {'is taken from' if added else 'was already taken from'} {domain}.")
