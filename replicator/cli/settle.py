"""`replicator settle`: what a destination has already is not sent to it again."""

from __future__ import annotations

import dataclasses
import json

import click

from replicator.audit.centre import Centre
from replicator.cli.desk import count_of, dry_option, in_ships_place, json_option, who
from replicator.cli.moving import Imported, known_places, lines_of, metered, why_paused
from replicator.cli.options import configured
from replicator.cli.pipelines import chosen
from replicator.config import Config, DestinationConfig
from replicator.errors import OutboxError
from replicator.moving.present import COUNTED, SAME, SIX_DIGITS, Present
from replicator.moving.report import months
from replicator.moving.settle import captured, settle, settled_groups, to_send
from replicator.outbox.journal import Deed
from replicator.outbox.mappings import Mappings
from replicator.outbox.orders import Orders


@click.command(
    "settle",
    epilog="\b\nExamples:\n  replicator settle central --dry-run\n"
    "  replicator settle central --exact",
)
@click.argument("names", nargs=-1, metavar="[DESTINATION]...")
@click.option(
    "--exact",
    is_flag=True,
    help="Only what is there bit for bit: six digits, or a count, are not enough.",
)
@dry_option
@json_option
@configured
def settle_(
    config: Config, /, names: tuple[str, ...], *, exact: bool, dry_run: bool, as_json: bool
) -> None:
    """Compare what waits after a first start with what the centre has, and send only the rest.

    \b
    For a station that another pusher has served, or whose outbox was lost. By house, node and day:
    where the centre's digest is that of the rows that wait (the original server: where it has as
    many), they are settled; the others are sent, and all that is no reading or node state. Ends the
    pause of `replicator import-legacy`. Sending all would be right as well, only not thrifty.
    """
    said = []
    for destination in chosen(config, names):
        name = destination.name
        found, sent, settled = _settle(config, destination, exact=exact, dry_run=dry_run)
        if as_json:
            fields = {"months": [dataclasses.asdict(month) for month in found.months]}
            counts = {"settled": settled, "to_send": sent, "dry_run": dry_run}
            said.append({"destination": name, **counts, "bytes": found.bytes, **fields})
            continue
        for line in lines_of(found):
            click.echo(f"{name}: {line}")
        would = "would be " if dry_run else ""
        click.echo(f"{name}: {count_of(settled, 'row')} {would}settled, {sent:,} {would}sent")
    if as_json:
        click.echo(json.dumps(said, indent=2))


def _settle(
    config: Config, destination: DestinationConfig, *, exact: bool, dry_run: bool
) -> tuple[Imported, int, int]:
    name = destination.name
    found = Imported(name, enabled=True, url=destination.url)
    with (
        in_ships_place(config, name, only_look=dry_run) as (deliveries, outbox),
        metered(destination) as (link, rest),
    ):
        reading = outbox.snapshot_table()
        if reading is not None or outbox.captured_to() is None:
            raise OutboxError(
                "the station's tables are not read to their end",
                f"tail is to read {reading or 'all of them'} still",
                "let tail go on until `replicator backlog` names no table, then settle",
            )
        mappings = Mappings(deliveries.database, deliveries.path)
        kept = {(each.table, each.local_id): each.remote_id for each in mappings.kept()}

        def rows(table: str):  # type: ignore[no-untyped-def]  # known.Rows says it
            return [(number, row) for number, row, gone in outbox.references(table) if not gone]

        places = known_places(link, rows, {}, [], kept)
        seen = captured(outbox, deliveries.cursor().seq, places)
        presences = list(Present(Centre(link, places), len(places.places)).of(seen.groups))
        states = {SAME} if exact else {SAME, SIX_DIGITS, COUNTED}
        settled = settled_groups(presences, states, seen.touched)
        matches = to_send(places, settled, by_count=not link.dialect.receipts)
        deed = None if dry_run else Deed(who(), "settle", _what(seen.rows, exact=exact))
        sent = settle(outbox, deliveries, seen, matches, deed)
        orders = Orders(deliveries.database, deliveries.path)
        pause = orders.paused()
        if not dry_run and pause is not None and pause.why == why_paused(name):
            orders.resume(who())
        found.months = months(presences, places, {})
        found.requests, found.bytes = rest.requests, rest.sent + rest.received
        return found, sent, seen.rows - sent


def _what(rows: int, *, exact: bool) -> str:
    how = "bit for bit" if exact else "bit for bit, with six digits, or by count"
    return f"of {rows} waiting rows those that are there {how}"
