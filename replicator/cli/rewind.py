"""`replicator rewind`: send a destination everything behind a place again."""

from __future__ import annotations

import click

from replicator.cli.desk import (
    count_of,
    destinations,
    dry_option,
    in_ships_place,
    who,
    why_option,
)
from replicator.cli.options import configured
from replicator.config import Config
from replicator.outbox.journal import Deed
from replicator.repair.places import target
from replicator.repair.rewinding import Rewind, planned
from replicator.repair.rewinding import rewind as rewound


@click.command(
    epilog="\b\nExamples:\n  replicator rewind central --to 2026-03-01 --dry-run\n"
    "  replicator rewind central --to 0"
)
@click.argument("destination")
@click.option(
    "--to", "place", required=True, metavar="SEQ|TIME|POSITION", help="The place, see above."
)
@dry_option
@why_option
@configured
def rewind(config: Config, destination: str, place: str, dry_run: bool, why: str) -> None:
    """Send again, in order, all that was captured behind a place, as far as it is still held.

    \b
    SEQ       behind this entry; 0: from the beginning
    TIME      from the first entry on that was committed then or later (UTC)
    POSITION  behind the transaction that ended there in the source's log

    \b
    A ship that runs stands still for it. Until the end is reached, rows with several versions are
    at the centre in older ones; `replicator replay` sends only the latest.
    """
    try:
        wanted = target(place)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--to") from error
    (name,) = destinations(config, (destination,))
    with in_ships_place(config, name, only_look=dry_run) as (deliveries, outbox):
        plan = planned(outbox, deliveries, wanted)
        if not dry_run:
            deed = Deed(who(), "rewind", f"to entry {plan.cursor.seq} (--to {place})", why)
            rewound(deliveries, plan, deed)
    click.echo(f"{name}: {rewind_text(plan, dry_run=dry_run)}")


def rewind_text(plan: Rewind, *, dry_run: bool) -> str:
    """What is sent again, and what can't be."""
    verb = "would be sent again" if dry_run else "will be sent again"
    said = (
        f"{count_of(plan.rows, 'row')} of {count_of(plan.entries, 'settled entry')} {verb}, "
        f"from entry {plan.cursor.seq + 1} on"
    ).replace("entrys", "entries")
    if not plan.missing:
        return said
    return (
        f"{said}\nNo longer held, and not sent: {plan.missing} (the outbox begins "
        f"{plan.held_since}). `replicator heal` reads from the station what it still has."
    )
