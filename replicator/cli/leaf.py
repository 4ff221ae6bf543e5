"""`replicator leaf`: which stations' own NATS servers the hub's stream takes rows from."""

from __future__ import annotations

from contextlib import closing

import click

from replicator.cli.connecting import connection
from replicator.cli.options import configured_fleet, group
from replicator.config import Config
from replicator.errors import ConfigError


@click.group(epilog="\b\nExample:\n  replicator leaf add station-7 --domain station-7")
@group
def leaf() -> None:
    """Take rows from NATS servers at the stations (leaf nodes).

    For the hub, where [outbox] url names the hub's servers.
    """


@leaf.command(epilog="\b\nExample:\n  replicator leaf add station-7 --domain station-7")
@configured_fleet
@click.argument("name", metavar="STATION")
@click.option("--domain", required=True, help="JetStream domain of the station's server.")
def add(config: Config, name: str, domain: str) -> None:
    """Let the hub's stream take a station's rows; make the stream where there is none.

    The leaf may be down; its rows come when it is reached. Doing it twice changes nothing.
    """
    if not domain or any(sign in domain for sign in ".*> \t"):
        raise ConfigError(
            "this is no JetStream domain",
            domain,
            "a word without dots, as `jetstream { domain: … }` of the station's server has it",
        )
    added = _add(config, name, domain)
    click.echo(f"{name} {'is taken from' if added else 'was already taken from'} {domain}.")


def _add(config: Config, station: str, domain: str) -> bool:
    """False: it is taken from there already."""
    url, outbox = config.outbox.url, config.outbox
    if url is None:
        raise ConfigError(
            "a leaf needs a hub", "[outbox] url is no stream", "set it to nats://HUB/STREAM"
        )
    bus, _ = connection(config, url)
    from replicator.jetstream.leaves import add_source  # noqa: PLC0415  # needs the extra jetstream

    with closing(bus):
        return add_source(
            bus, url.stream, station, domain, replicas=outbox.replicas, max_bytes=outbox.max_size
        )
