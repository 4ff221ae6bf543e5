"""`replicator heal`: go on after the source's log was lost."""

from __future__ import annotations

from contextlib import closing

import click

from replicator.cli import streaming
from replicator.cli.homes import refuse_misplaced_folder
from replicator.cli.options import configured
from replicator.cli.pipelines import StationSource
from replicator.config import Config
from replicator.outbox.lock import RoleLock
from replicator.outbox.marks import Marks
from replicator.outbox.writer import OutboxWriter
from replicator.remedy import Beginning, Remedy, begin, look

_NOTHING = Remedy("skipped", automatic=True, deletes=True, found="nothing was captured yet")


@click.command(
    epilog="\b\nExamples:\n  replicator heal\n  replicator heal --deletes\n"
    "  replicator heal --everything"
)
@click.option(
    "--deletes",
    is_flag=True,
    help="Delete at the destinations what the source no longer has, also where it may be lost "
    "there (an older disk was restored, another server).",
)
@click.option(
    "--everything",
    is_flag=True,
    help="Read all rows again, whatever was captured: for a destination that was added later.",
)
@configured
def heal(config: Config, deletes: bool, everything: bool) -> None:
    """Resume capture after a gap: from the log's present end, comparing the tables.

    \b
    Use it when tail says that the log was purged, reset, or belongs to another server, or to get
    past what it cannot read. Nothing captured is given up. Tail then compares the tables with what
    was captured, and captures what is missing or different. Rows that the source no longer has are
    deleted at the destinations only where the log was merely purged or skipped, or with --deletes.
    Where the outbox is a stream, only --everything is possible.
    """
    if config.outbox.url is not None:
        click.echo(streaming.read_again(config, everything=everything))
        return
    lock = RoleLock(config.outbox.path, "tail")
    try:
        refuse_misplaced_folder(config)
        source = StationSource(config)
        at = source.now()
        with closing(OutboxWriter(config.outbox.path, config.outbox.synchronous)) as writer:
            found = _look(source, writer)
            may_delete = deletes or found.deletes
            plan = Beginning(at, "`replicator heal`", found.kind, "by hand", may_delete, everything)
            begin(writer, Marks(writer.database), plan)
    finally:
        lock.release()
    for line in _told(found, plan):
        click.echo(line)


def _look(source: StationSource, writer: OutboxWriter) -> Remedy:
    if writer.position is None:
        return _NOTHING
    with closing(source.tables()) as tables:
        return look(writer, source.assess(writer.position), tables, by_hand=True)


def _told(found: Remedy, plan: Beginning) -> list[str]:
    gone = "are deleted at the destinations" if plan.deletes else "stay at the destinations"
    does = "reads all tables again" if plan.everything else "compares the tables with the outbox"
    return [
        f"Gap: {found.kind} ({found.found}).",
        f"Capture goes on from {plan.at}. Start `replicator tail`: it {does}.",
        f"Rows that the source no longer has {gone}.",
    ]
