"""`replicator prune`: let go of what every destination has, and give the room back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import click
from sqlite_utils import Database

from replicator.backlog.words import size_text
from replicator.cli.desk import begun, count_of, dry_option, opened, who
from replicator.cli.options import configured
from replicator.config import Config
from replicator.config.kinds import duration
from replicator.errors import OutboxError
from replicator.outbox import clock
from replicator.outbox.files import file_size
from replicator.outbox.parking import Parking
from replicator.outbox.retention import (
    acknowledged_by_all,
    expirable,
    expire,
    give_back,
    settled_by,
    shrink_log,
)
from replicator.outbox.store import OUTBOX_FILE, open_store


@click.command(
    epilog='\b\nExamples:\n  replicator prune --dry-run\n  replicator prune --older-than "2 days"'
)
@click.option(
    "--older-than", "age", metavar="DURATION", help="Captured before; [outbox] keep where not said."
)
@dry_option
@configured
def prune(config: Config, age: str | None, dry_run: bool) -> None:
    """Delete entries that every destination has settled, and superseded rows; return the room.

    \b
    What one configured destination still needs stays, however old it is. Works while tail and
    ship run; tail does the same by itself, with [outbox] keep.
    """
    before = clock.now() - timedelta(seconds=_seconds(age, config))
    folder = config.outbox.path
    if not (folder / OUTBOX_FILE).exists():
        raise OutboxError("there is no such outbox file", str(folder / OUTBOX_FILE), "start tail")
    names = [destination.name for destination in config.destinations]
    settled = acknowledged_by_all(folder, names)
    database = open_store(folder / OUTBOX_FILE, "outbox", config.outbox.synchronous)
    try:
        found = expirable(database, settled, before)
        what = f"{count_of(found.rows, 'row')} ({size_text(found.bytes)})"
        click.echo(
            f"{what} {'could go' if dry_run else 'go'}, captured before {clock.text(before)}"
        )
        for line in holding_lines(folder, names, settled, _last(database)):
            click.echo(line)
        if not dry_run:
            _prune(config, database, settled, before)
    finally:
        database.close()


def _seconds(age: str | None, config: Config) -> float:
    if age is None:
        return config.outbox.keep
    try:
        seconds = duration(0.0).parse(age)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--older-than") from error
    assert isinstance(seconds, float)
    return seconds


def _last(database: Database) -> int:
    return int(database.conn.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()[0])


def holding_lines(folder: Path, names: Sequence[str], settled: int, last: int) -> list[str]:
    """Who still needs what is held."""
    if settled >= last:
        return []
    if not names:
        return ["no destination is configured: nothing is acknowledged, and nothing goes"]
    holders = [name for name in names if settled_by(folder, name) == settled]
    return [f"entries {settled + 1} to {last} stay: {', '.join(holders)} has not settled them"]


def _prune(config: Config, database: Database, settled: int, before: datetime) -> None:
    folder = config.outbox.path
    size = _size(folder)
    while expire(database, settled, before):
        pass
    _give_all_back(database)
    for name in begun(config, ()):
        with opened(config, name) as deliveries:
            parking = Parking(deliveries.database, deliveries.path)
            gone = parking.forget_superseded(clock.text(before), who())
            _give_all_back(deliveries.database)
        if gone:
            click.echo(f"{name}: {count_of(gone, 'superseded row')} deleted")
    click.echo(f"{size_text(max(0, size - _size(folder)))} returned to the disk")


def _give_all_back(database: Database) -> None:
    while give_back(database):
        pass
    shrink_log(database)


def _size(folder: Path) -> int:
    return sum(file_size(file) for file in folder.glob("*.db*"))
