"""`replicator heal`: go on after the source's log was lost."""

from __future__ import annotations

import click

from replicator.cli.options import configured
from replicator.cli.pipelines import StationSource
from replicator.config import Config
from replicator.model import TABLES
from replicator.outbox.gaps import record_gap, resume_after_gap
from replicator.outbox.lock import RoleLock
from replicator.outbox.writer import OutboxWriter, SnapshotPlace


@click.command(epilog="\b\nExample:\n  replicator heal")
@configured
def heal(config: Config) -> None:
    """Resume capture after a gap: from the log's present end, with a fresh snapshot.

    \b
    Use it when tail says that the log was purged, reset, or belongs to another server. Nothing
    captured is given up; the tables are read again, so every row that still exists arrives. Rows
    that were deleted inside the gap stay at the centre.
    """
    lock = RoleLock(config.outbox.path, "tail")
    try:
        writer = OutboxWriter(config.outbox.path, config.outbox.synchronous)
        position = StationSource(config).now()
        if writer.position is not None:
            record_gap(writer.database, writer.position, "healed by hand")
        resume_after_gap(writer.database, position)
        writer.begin_at(position, SnapshotPlace(next(iter(TABLES))))
        writer.close()
    finally:
        lock.release()
    click.echo(f"Capture goes on from {position}. Start `replicator tail`: it reads all tables.")
