"""`replicator migrate`: bring the outbox's files to this version's schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from replicator.cli.options import configured
from replicator.config import Config, OutboxConfig
from replicator.outbox.lock import RoleLock
from replicator.outbox.store import OUTBOX_FILE, Kind, destination_file, open_store


@click.command(epilog="\b\nExample:\n  replicator migrate --config /etc/replicator/replicator.ini")
@configured
def migrate(config: Config) -> None:
    """Create the outbox's files, or bring them to this version's schema.

    tail and ship do the same when they start. Refuses while one of them runs.
    """
    for path, kind, role in stores(config):
        lock = RoleLock(path.parent, role)
        try:
            click.echo(f"{path}: {_migrate(path, kind, config.outbox)}")
        finally:
            lock.release()


def stores(config: Config) -> Iterator[tuple[Path, Kind, str]]:
    """The outbox's files: path, kind, and the role that writes it. Destinations off included."""
    folder = config.outbox.path
    yield folder / OUTBOX_FILE, "outbox", "tail"
    for destination in config.destinations:
        name = destination.name
        yield folder / destination_file(name), "destination", f"ship-{name}"


def _migrate(path: Path, kind: Kind, outbox: OutboxConfig) -> str:
    there = path.exists()
    open_store(path, kind, outbox.synchronous).close()
    return "up to date" if there else "created"
