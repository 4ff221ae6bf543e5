"""`replicator replay`: send a house's rows of some time again."""

from __future__ import annotations

from collections.abc import Iterator

import click

from replicator.cli.desk import (
    both_files,
    count_of,
    destination_option,
    destinations,
    dry_option,
    house_of,
    ships_role,
    who,
    why_option,
)
from replicator.cli.options import configured
from replicator.config import Config
from replicator.outbox.journal import Deed
from replicator.repair.again import Again, of_house, send_again
from replicator.repair.places import stream_time


@click.command(
    epilog="\b\nExample:\n  replicator replay --house 3 --from 2026-03-01 --to 2026-03-08 --dry-run"
)
@click.option("--house", required=True, metavar="HOUSE", help="The house's id or address.")
@click.option(
    "--from", "start", required=True, metavar="TIME", help="First, UTC, by the row's time."
)
@click.option("--to", "end", required=True, metavar="TIME", help="Up to and without it.")
@destination_option
@dry_option
@why_option
@configured
def replay(
    config: Config,
    house: str,
    start: str,
    end: str,
    names: tuple[str, ...],
    dry_run: bool,
    why: str,
) -> None:
    """Send a house's readings and node states of some time again, as far as they are still held.

    \b
    Of every row only the latest version that was delivered, so nothing older overwrites anything
    newer. They go before the flow. A ship that runs stands still only while they are noted down.
    """
    first, last = _time(start, "--from"), _time(end, "--to")
    if first >= last:
        raise click.BadParameter("it lies before --from", param_hint="--to")
    for name in destinations(config, names):
        with both_files(config, name) as (deliveries, outbox):
            number = house_of(outbox, house)
            deed = Deed(who(), "replay", f"house {number} from {first} to {last}", why)
            matches = of_house(outbox, number, first, last)
            if dry_run:
                found = send_again(outbox, deliveries, matches, None)
            else:
                role = ships_role(config, name, deliveries)
                found = send_again(outbox, deliveries, matches, deed, role)
        for line in again_lines(found, dry_run=dry_run):
            click.echo(f"{name}: {line}")


def _time(written: str, option: str) -> str:
    try:
        return stream_time(written)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def again_lines(found: Again, *, dry_run: bool) -> Iterator[str]:
    """What is sent again, what comes anyhow, and what can't be sent."""
    verb = "would be sent again" if dry_run else "will be sent again, before the flow"
    yield f"{count_of(found.rows, 'row')} {verb}"
    if found.parked:
        yield f"{count_of(found.parked, 'row')} parked: `replicator parked requeue` sends them"
    if found.waiting:
        yield f"{count_of(found.waiting, 'row')} behind the cursor come anyhow, if of that house"
    if found.expired:
        yield (
            f"no longer held, and not sent: what was committed before {found.held_since} "
            f"(entries 1 to {found.expired}); `replicator heal` reads from the station what it has"
        )
