"""What the operator's commands share: who asks, of which destinations, and their files."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import click
from sqlite_utils import Database

from replicator.config import Config
from replicator.errors import ConfigError
from replicator.outbox.deliveries import Deliveries
from replicator.outbox.orders import Orders, role_of_ship
from replicator.outbox.reader import OutboxReader
from replicator.outbox.store import destination_file, open_readonly

PATIENCE = 60.0  # seconds that a request under way may still take

destination_option = click.option(
    "--destination", "names", multiple=True, metavar="NAME", help="Only there; may be repeated."
)
json_option = click.option("--json", "as_json", is_flag=True, help="As JSON.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
why_option = click.option("--why", default="", metavar="TEXT", help="Your reason, for the record.")
dry_option = click.option("--dry-run", is_flag=True, help="Only say what would be done.")


def who() -> str:
    """The user at the keyboard, also behind sudo."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a user without an entry, as in some containers
        user = f"uid {os.getuid()}"
    asked = os.environ.get("SUDO_USER")
    return f"{asked} (as {user})" if asked and asked != user else user


def destinations(config: Config, names: Sequence[str]) -> list[str]:
    """The destinations named, or all configured. Raises ConfigError for an unknown name."""
    known = [destination.name for destination in config.destinations]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(
            f"no such destination: {', '.join(unknown)}",
            f"configured are: {', '.join(known) or 'none'}",
            "name one of them",
        )
    return list(dict.fromkeys(names)) or known


def begun(config: Config, names: Sequence[str]) -> list[str]:
    """Those of them that have a file: the others have nothing parked and nothing mapped."""
    folder = config.outbox.path
    return [
        name for name in destinations(config, names) if (folder / destination_file(name)).exists()
    ]


@contextmanager
def looked_at(config: Config, name: str) -> Iterator[tuple[Database, Path]]:
    """A destination's file, for reading."""
    path = config.outbox.path / destination_file(name)
    database = open_readonly(path, "destination")
    try:
        yield database, path
    finally:
        database.close()


@contextmanager
def opened(config: Config, name: str) -> Iterator[Deliveries]:
    """A destination's file, for a short write beside ship; made where there is none yet."""
    deliveries = Deliveries(config.outbox.path, name, config.outbox.synchronous)
    try:
        yield deliveries
    finally:
        deliveries.close()


@contextmanager
def both_files(config: Config, name: str) -> Iterator[tuple[Deliveries, OutboxReader]]:
    """A destination's file and the outbox; ship goes on beside."""
    with opened(config, name) as deliveries:
        outbox = OutboxReader(config.outbox.path)
        try:
            yield deliveries, outbox
        finally:
            outbox.close()


def ships_role(config: Config, name: str, deliveries: Deliveries) -> AbstractContextManager[None]:
    """Ship's role, once entered: a ship that runs stands still, then begins anew from the file."""
    orders = Orders(deliveries.database, deliveries.path)
    return role_of_ship(config.outbox.path, name, orders, PATIENCE)


@contextmanager
def in_ships_place(
    config: Config, name: str, *, only_look: bool = False
) -> Iterator[tuple[Deliveries, OutboxReader]]:
    """Both files, with ship's role unless ``only_look``."""
    with (
        both_files(config, name) as (deliveries, outbox),
        nullcontext() if only_look else ships_role(config, name, deliveries),
    ):
        yield deliveries, outbox


def house_of(outbox: OutboxReader, written: str) -> int:
    """The station's id of a house, from its id or its address. Raises click.BadParameter."""
    houses = outbox.references("House")
    if written.isascii() and written.isdigit():
        return int(written)
    found = [number for number, row, _ in houses if row.get("address") == written]
    standing = [number for number, row, gone in houses if number in found and not gone]
    if len(standing or found) != 1:
        said = "several houses have" if found else "no house has"
        raise click.BadParameter(
            f"{said} the address {written!r}; give its id", param_hint="--house"
        )
    return (standing or found)[0]


def count_of(number: int, what: str) -> str:
    """ "1 row", "1,234 rows"."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
