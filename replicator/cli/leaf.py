"""`replicator leaf`: which stations' own NATS servers the hub's stream takes rows from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import click

from replicator.cli.connecting import connection, security_of
from replicator.cli.desk import count_of
from replicator.cli.options import configured_fleet, group
from replicator.config import Config
from replicator.config.types import StreamUrl
from replicator.errors import ConfigError

if TYPE_CHECKING:
    from replicator.jetstream.bus import Bus
    from replicator.jetstream.reset import Standing
    from replicator.jetstream.stream import StationStream


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
    url, outbox = _url(config), config.outbox
    bus, _ = connection(config, url)
    from replicator.jetstream.sources import add_source  # noqa: PLC0415  # needs extra jetstream

    with closing(bus):
        return add_source(
            bus, url.stream, station, domain, replicas=outbox.replicas, max_bytes=outbox.max_size
        )


@leaf.command(
    epilog="\b\nExamples:\n"
    "  replicator leaf reset station-7\n"
    "  replicator leaf reset station-7 --yes"
)
@configured_fleet
@click.argument("name", metavar="STATION")
@click.option("--yes", is_flag=True, help="Do it. Without, only say what would be done.")
def reset(config: Config, name: str, *, yes: bool) -> None:
    """Let the hub's stream begin anew with a station whose own server has lost its disk.

    \b
    The hub waits for numbers that the station's new stream has used already. What the hub has
    of the earlier stream must be settled by all readers; it is removed, and the new stream is
    taken from its first message on. tail and ship may run. Killed at any moment, repeat it.
    """
    found = _reset(config, name, yes=yes)
    for line in _lines(name, found, done=yes):
        click.echo(line)


def _reset(config: Config, station: str, *, yes: bool) -> Standing:
    url, outbox = _url(config), config.outbox
    bus, _ = connection(config, url)
    from replicator.jetstream.bus import Bus  # noqa: PLC0415  # needs the extra jetstream
    from replicator.jetstream.reset import LeafReset  # noqa: PLC0415
    from replicator.jetstream.shelf import Shelf  # noqa: PLC0415
    from replicator.jetstream.stream import StationStream  # noqa: PLC0415

    def leaf_of(domain: str) -> tuple[Bus, StationStream]:
        there = Bus(url.servers, security_of(config, url), domain)
        return there, StationStream(there, url.stream, station)

    with closing(bus):
        hub = StationStream(bus, url.stream, station)
        shelf = Shelf(bus, url.stream, station, outbox.reader, outbox.replicas)
        anew = LeafReset(bus, hub, shelf, leaf_of)
        return anew.run() if yes else anew.look()


def _lines(station: str, found: Standing, *, done: bool) -> Iterator[str]:
    domain = found.domain
    if not found.needed:
        yield f"{station}: the hub has the very stream that is in {domain}; nothing to do."
        return
    if found.begun:
        yield f"{station}: an earlier reset was not finished."
    would = "is" if done else "would be"
    if not found.same:
        old = f"{count_of(found.messages, 'message')} of an earlier stream"
        by = f", settled by {', '.join(found.readers)}" if found.messages else ""
        yield f"{station}: the hub {'had' if done else 'has'} {old}{by}."
        yield f"What the hub has of it {would} removed; {domain} {would} taken from its beginning."
    else:
        yield f"{station}: {domain} {would} taken again."
    if done:
        yield "tail and ship go on by themselves; rows that come a second time change nothing."
    else:
        yield "Nothing was done. `--yes` does it."


def _url(config: Config) -> StreamUrl:
    if config.outbox.url is None:
        raise ConfigError(
            "a leaf needs a hub", "[outbox] url is no stream", "set it to nats://HUB/STREAM"
        )
    if config.outbox.hub:
        raise ConfigError(
            "this is a station with a server of its own, and not the hub",
            f"[outbox] hub = {config.outbox.hub}",
            "run it where [outbox] url names the hub's servers",
        )
    return config.outbox.url
